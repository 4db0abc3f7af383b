//! Time, read in one place.
//!
//! Everything that depends on the wall clock takes a [`UnixMillis`] as an argument; the pipeline reads the
//! [`Clock`] once per request and passes the value down, so that one request sees one time and a test can
//! choose it. Deadlines of waits use tokio's monotonic timer instead and never this module.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
#[expect(clippy::disallowed_types, reason = "this module is the one reader of wall time")]
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted (as in JWT's NumericDate, times 1000).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMillis(u64);

impl UnixMillis {
    /// The instant that many milliseconds after the epoch.
    pub const fn new(millis: u64) -> Self {
        Self(millis)
    }

    /// The instant that many whole seconds after the epoch.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: a token must never claim to live longer than it does.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// The instant `by` later; saturates at the end of time.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The instant `by` earlier; saturates at the epoch.
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long from `self` until `later`; zero if `later` has passed.
    pub const fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

/// Reads the wall clock; the manual kind stands still until a test moves it.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's clock.
    System,
    /// A clock that a test sets.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// A clock that stands at `now` until [`Clock::set`].
    pub fn manual(now: UnixMillis) -> Self {
        Self::Manual(Arc::new(AtomicU64::new(now.0)))
    }

    /// Moves a manual clock; the system's clock is left alone.
    pub fn set(&self, now: UnixMillis) {
        if let Self::Manual(cell) = self {
            cell.store(now.0, Ordering::Relaxed);
        }
    }

    /// The current time. A system clock before 1970 reads as the epoch, at which every session has expired.
    #[expect(clippy::disallowed_types, reason = "the one reader of wall time")]
    pub fn now(&self) -> UnixMillis {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
            }
            Self::Manual(cell) => UnixMillis(cell.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_down_so_that_no_token_outlives_its_session() {
        assert_eq!(UnixMillis::new(1999).as_secs(), 1);
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(UnixMillis::new(5).minus(Duration::from_secs(1)), UnixMillis::new(0));
        assert_eq!(UnixMillis::new(u64::MAX).plus(Duration::from_secs(1)), UnixMillis::new(u64::MAX));
    }

    #[test]
    fn a_manual_clock_stands_still_until_it_is_set() {
        let clock = Clock::manual(UnixMillis::new(7));
        assert_eq!(clock.now(), UnixMillis::new(7));
        clock.set(UnixMillis::new(9));
        assert_eq!(clock.now(), UnixMillis::new(9));
    }
}

//! Time, read in one place.
//!
//! Everything that depends on the wall clock takes a [`UnixMillis`] as an argument; the pipeline reads the
//! [`Clock`] once per request and passes the value down, so that one request sees one time and a test can
//! choose it. Deadlines of waits use tokio's monotonic timer instead and never this module.
//!
//! What the session cache may still serve is counted on a second clock, the [`Moment`]: it never jumps, and it goes on while the
//! machine sleeps or the process is stopped, so that a lease that ran out meanwhile has run out.

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

    /// RFC 3339 in UTC with milliseconds, as `2026-11-21T01:02:03.004Z`.
    pub fn rfc3339(self) -> String {
        let (days, in_day) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let (year, month, day) = civil(days);
        let (secs, millis) = (in_day / 1000, in_day % 1000);
        let (hour, minute, second) = (secs / 3600, secs / 60 % 60, secs % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
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

/// Year, month and day of a count of days since the epoch, in the proleptic Gregorian calendar: eras of 400 years that
/// start in March, so that the leap day is the last of its year.
const fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// An instant of the machine's own clock, in nanoseconds since it started, sleep included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Before every other.
    pub const START: Self = Self(0);

    /// The instant that many nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This instant. CLOCK_BOOTTIME on Linux: CLOCK_MONOTONIC, which the standard library reads, stands still in suspend. Elsewhere the
    /// monotonic clock, which on macOS counts sleep.
    pub fn now() -> Self {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let clock = rustix::time::ClockId::Boottime;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let clock = rustix::time::ClockId::Monotonic;
        let time = rustix::time::clock_gettime(clock);
        let (secs, nanos) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
        Self(secs.unwrap_or_default().saturating_mul(1_000_000_000).saturating_add(nanos.unwrap_or_default()))
    }

    /// The instant `by` later; saturates at the end of time.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long from `self` until `later`; zero if `later` has passed.
    pub const fn until(self, later: Self) -> Duration {
        Duration::from_nanos(later.0.saturating_sub(self.0))
    }
}

/// A length of time in its two largest units, as `23 h 59 min`; parts of a second are left out.
pub fn in_words(time: Duration) -> String {
    let secs = time.as_secs();
    let (days, hours, minutes, seconds) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60, secs % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {seconds} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (_, _, _) => format!("{days} d {hours} h"),
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
    fn a_length_of_time_is_its_two_largest_units() {
        let spans = [(0, "0 s"), (61, "1 min 1 s"), (3_660, "1 h 1 min"), (90_000, "1 d 1 h")];
        for (secs, words) in spans {
            assert_eq!(in_words(Duration::from_secs(secs)), words);
        }
    }

    #[test]
    fn seconds_round_down_so_that_no_token_outlives_its_session() {
        assert_eq!(UnixMillis::new(1999).as_secs(), 1);
    }

    #[test]
    fn dates_are_right_around_leap_days() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(UnixMillis::from_secs(secs).rfc3339(), text);
        }
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(UnixMillis::new(5).minus(Duration::from_secs(1)), UnixMillis::new(0));
        assert_eq!(UnixMillis::new(u64::MAX).plus(Duration::from_secs(1)), UnixMillis::new(u64::MAX));
    }

    #[test]
    fn a_moment_never_goes_back() {
        let first = Moment::now();
        assert!(Moment::now() >= first && first > Moment::START);
        assert_eq!(first.plus(Duration::from_secs(2)).until(first), Duration::ZERO);
        assert_eq!(first.until(first.plus(Duration::from_secs(2))), Duration::from_secs(2));
    }

    #[test]
    fn a_manual_clock_stands_still_until_it_is_set() {
        let clock = Clock::manual(UnixMillis::new(7));
        assert_eq!(clock.now(), UnixMillis::new(7));
        clock.set(UnixMillis::new(9));
        assert_eq!(clock.now(), UnixMillis::new(9));
    }
}

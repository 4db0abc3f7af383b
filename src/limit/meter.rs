//! One rate, and everybody it is counted for.

use crate::clock::Moment;
use crate::config::Rate;
use crate::limit::table::Table;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{NotUntil, Quota, RateLimiter};
use std::sync::Arc;
use std::time::Duration;

/// Nanoseconds of the machine's clock, which goes on while it sleeps.
#[derive(Clone, Debug)]
pub(super) enum Ticks {
    /// The machine's own.
    Machine,
    /// A test's.
    #[cfg(test)]
    Manual(Arc<std::sync::atomic::AtomicU64>),
}

impl Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        match self {
            Self::Machine => Moment::now().as_nanos().into(),
            #[cfg(test)]
            Self::Manual(nanos) => nanos.load(std::sync::atomic::Ordering::Relaxed).into(),
        }
    }
}

/// A rate with the table in which it is counted, which other meters may share.
#[derive(Debug)]
pub(super) struct Meter {
    rate: Rate,
    counting: RateLimiter<u64, Counting, Ticks, NoOpMiddleware<Nanos>>,
    looking: RateLimiter<u64, Looking, Ticks, NoOpMiddleware<Nanos>>,
    ticks: Ticks,
}

/// The table, where a request that passes is counted.
#[derive(Debug)]
struct Counting(Arc<Table>);

/// The same table, left as it is.
#[derive(Debug)]
struct Looking(Arc<Table>);

impl Meter {
    /// A meter; none for a rate that cannot be one, which the configuration does not let through.
    pub(super) fn new(rate: Rate, table: &Arc<Table>, ticks: Ticks) -> Option<Self> {
        let one = rate.per.checked_div(rate.count.get())?;
        let quota = Quota::with_period(one)?.allow_burst(rate.burst);
        Some(Self {
            rate,
            counting: RateLimiter::new(quota, Counting(Arc::clone(table)), ticks.clone()),
            looking: RateLimiter::new(quota, Looking(Arc::clone(table)), ticks.clone()),
            ticks,
        })
    }

    pub(super) const fn rate(&self) -> Rate {
        self.rate
    }

    /// Counts one for `key`.
    ///
    /// # Errors
    /// How long it has to wait, and then nothing was counted.
    pub(super) fn count(&self, key: u64) -> Result<(), Duration> {
        self.counting.check_key(&key).map_err(|until| self.wait(&until))
    }

    /// Whether one more could be counted for `key`.
    ///
    /// # Errors
    /// As [`Meter::count`].
    pub(super) fn look(&self, key: u64) -> Result<(), Duration> {
        self.looking.check_key(&key).map_err(|until| self.wait(&until))
    }

    fn wait(&self, until: &NotUntil<Nanos>) -> Duration {
        until.wait_time_from(self.ticks.now())
    }
}

impl StateStore for Counting {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.judge(*key, true, f)
    }
}

impl StateStore for Looking {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.judge(*key, false, f)
    }
}

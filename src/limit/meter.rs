//! One rate, and everybody it is counted for.

use crate::clock::Moment;
use crate::config::Rate;
use crate::limit::table::Table;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{NotUntil, Quota, RateLimiter};
use std::convert::Infallible;
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
    counting: RateLimiter<u64, Counts, Ticks, NoOpMiddleware<Nanos>>,
    looking: RateLimiter<u64, Counts, Ticks, NoOpMiddleware<Nanos>>,
    ticks: Ticks,
    table: Arc<Table>,
    /// The time in which one more may come.
    one: Duration,
}

/// The table, by the machine's time: `governor` reckons from when its limiter was made, and a reload makes another.
#[derive(Debug)]
struct Counts {
    table: Arc<Table>,
    made: Nanos,
    /// Whether a request that passes is counted, or only looked at.
    keeps: bool,
}

impl Meter {
    /// A meter; none for a rate that cannot be one, which the configuration does not let through.
    pub(super) fn new(rate: Rate, table: &Arc<Table>, ticks: Ticks) -> Option<Self> {
        let one = rate.per.checked_div(rate.count.get())?;
        let quota = Quota::with_period(one)?.allow_burst(rate.burst);
        let counts = |keeps| Counts { table: Arc::clone(table), made: ticks.now(), keeps };
        Some(Self {
            rate,
            counting: RateLimiter::new(quota, counts(true), ticks.clone()),
            looking: RateLimiter::new(quota, counts(false), ticks.clone()),
            ticks,
            table: Arc::clone(table),
            one,
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

    /// Others have counted as well: the bucket is full again in so long, at the earliest.
    pub(super) fn learn(&self, key: u64, full_in: Duration) {
        let full_at = self.ticks.now() + Nanos::from(full_in);
        let later = |known: Option<Nanos>| {
            Ok::<_, Infallible>(((), known.map_or(full_at, |known| known.max(full_at))))
        };
        let Ok(()) = self.table.judge(key, true, later);
    }

    /// How long to wait where the bucket is full again in so long.
    pub(super) fn wait_behind(&self, full_in: Duration) -> Duration {
        (full_in + self.one).saturating_sub(self.one * self.rate.burst.get())
    }

    fn wait(&self, until: &NotUntil<Nanos>) -> Duration {
        until.wait_time_from(self.ticks.now())
    }
}

impl StateStore for Counts {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.table.judge(*key, self.keeps, |known| {
            let (judged, next) = f(known.map(|known| known.saturating_sub(self.made)))?;
            Ok((judged, next + self.made))
        })
    }
}

//! One count that a request is subject to, where several gateways keep it.

use crate::config::Rate;
use crate::limit::limiter::{Exceeded, exceeded};
use crate::limit::meter::Meter;
use std::time::Duration;

/// One rate and who it is counted for, as far as this gateway knows.
#[derive(Debug)]
pub struct Count<'a> {
    limit: &'static str,
    meter: &'a Meter,
    key: u64,
    who: String,
}

impl<'a> Count<'a> {
    pub(super) const fn new(limit: &'static str, meter: &'a Meter, key: u64, who: String) -> Self {
        Self { limit, meter, key, who }
    }

    /// Who it is counted for, in the same words at every gateway.
    pub fn who(&self) -> &str {
        &self.who
    }

    /// The rate.
    pub const fn rate(&self) -> Rate {
        self.meter.rate()
    }

    /// Whether it would pass by what is known here, which is never more than what all have counted.
    ///
    /// # Errors
    /// [`Exceeded`]
    pub fn look(&self) -> Result<(), Exceeded> {
        self.told(self.meter.look(self.key))
    }

    /// Counts it here alone.
    ///
    /// # Errors
    /// [`Exceeded`]
    pub fn take(&self) -> Result<(), Exceeded> {
        self.told(self.meter.count(self.key))
    }

    /// It was counted for all, or not, and then the bucket is full again in so long.
    ///
    /// # Errors
    /// [`Exceeded`] if it was not.
    pub fn learn(&self, passes: bool, full_in: Duration) -> Result<(), Exceeded> {
        self.meter.learn(self.key, full_in);
        self.told(if passes { Ok(()) } else { Err(self.meter.wait_behind(full_in)) })
    }

    fn told(&self, outcome: Result<(), Duration>) -> Result<(), Exceeded> {
        outcome.map_err(|wait| exceeded(self.limit, self.meter, wait))
    }
}

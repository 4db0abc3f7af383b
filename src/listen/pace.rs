//! How much longer a body may keep us waiting.

use crate::config::Limits;
use std::time::Duration;

/// Patience: `body_timeout` to begin with, less by every wait, more by every byte, and never more than at first. So a client that stands
/// still loses it at once, and one that is slower than `body_rate` little by little.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace(Duration);

impl Pace {
    /// That of a body which begins.
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self(limits.body_timeout)
    }

    /// So many bytes came after so long.
    pub(crate) fn came(&mut self, bytes: usize, waited: Duration, limits: &Limits) {
        let Some(rate) = limits.body_rate else { return };
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let earned = Duration::from_millis(bytes.saturating_mul(1000) / rate.max(1));
        self.0 = self.0.saturating_sub(waited).saturating_add(earned).min(limits.body_timeout);
    }

    /// How long the next wait may be.
    pub(crate) const fn left(self) -> Duration {
        self.0
    }
}

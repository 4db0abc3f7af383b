//! How much longer a body may keep us waiting.

use crate::config::Limits;
use std::time::Duration;

/// Patience: `body_timeout` to begin with, less by every wait, more by every byte, and never more than at first. So a client that stands
/// still loses it at once, and one that is slower than `body_rate` little by little.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    left: Duration,
    most: Duration,
    /// Bytes a second.
    rate: Option<u64>,
}

impl Pace {
    /// That of a body which begins.
    pub const fn new(limits: &Limits) -> Self {
        Self { left: limits.body_timeout, most: limits.body_timeout, rate: limits.body_rate }
    }

    /// So many bytes came after so long.
    pub fn came(&mut self, bytes: usize, waited: Duration) {
        let Some(rate) = self.rate else { return };
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let earned = Duration::from_millis(bytes.saturating_mul(1000) / rate.max(1));
        self.left = self.left.saturating_sub(waited).saturating_add(earned).min(self.most);
    }

    /// How long the next wait may be.
    pub const fn left(self) -> Duration {
        self.left
    }
}

//! How often requests fail on the side that users are moved to, and on the one they come from.

use crate::clock::UnixMillis;
use crate::config::Share;

/// After so long a count weighs half.
const HALF_LIFE_MILLIS: u64 = 60_000;

/// Counts of both sides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sides {
    moved: Side,
    stayed: Side,
    halved: UnixMillis,
}

#[derive(Clone, Copy, Debug, Default)]
struct Side {
    requests: u32,
    failed: u32,
}

/// Why everybody goes back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TooMany {
    moved: f64,
    stayed: f64,
    of: u32,
}

impl Sides {
    pub(super) const fn new(now: UnixMillis) -> Self {
        let none = Side { requests: 0, failed: 0 };
        Self { moved: none, stayed: none, halved: now }
    }

    pub(super) fn moved(&mut self, failed: bool, now: UnixMillis) {
        self.forget(now);
        self.moved.count(failed);
    }

    pub(super) fn stayed(&mut self, failed: bool, now: UnixMillis) {
        self.forget(now);
        self.stayed.count(failed);
    }

    /// Whether the new side fails by more than `margin` more often, once `minimum` requests show it.
    pub(super) fn too_many(&self, margin: Share, minimum: u32) -> Option<TooMany> {
        let (moved, stayed) = (self.moved.rate(), self.stayed.rate());
        let found = TooMany { moved, stayed, of: self.moved.requests };
        (self.moved.requests >= minimum && moved > stayed + margin.fraction()).then_some(found)
    }

    fn forget(&mut self, now: UnixMillis) {
        let halvings = now.as_millis().saturating_sub(self.halved.as_millis()) / HALF_LIFE_MILLIS;
        if halvings > 0 {
            self.moved.halve(halvings);
            self.stayed.halve(halvings);
            self.halved = now;
        }
    }
}

impl Side {
    fn count(&mut self, failed: bool) {
        self.requests = self.requests.saturating_add(1);
        self.failed = self.failed.saturating_add(u32::from(failed));
    }

    fn halve(&mut self, times: u64) {
        let shift = u32::try_from(times).unwrap_or(u32::MAX);
        self.requests = self.requests.checked_shr(shift).unwrap_or(0);
        self.failed = self.failed.checked_shr(shift).unwrap_or(0);
    }

    fn rate(self) -> f64 {
        if self.requests == 0 { 0.0 } else { f64::from(self.failed) / f64::from(self.requests) }
    }
}

impl std::fmt::Display for TooMany {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { moved, stayed, of } = self;
        write!(f, "{:.1}% of {of} requests failed, {:.1}% on the old side", moved * 100.0, stayed * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis::new(1_000_000);
    const MARGIN: Share = Share::of_parts(500);

    fn sides(moved: (u32, u32), stayed: (u32, u32)) -> Sides {
        let mut sides = Sides::new(NOW);
        (0..moved.1).for_each(|at| sides.moved(at < moved.0, NOW));
        (0..stayed.1).for_each(|at| sides.stayed(at < stayed.0, NOW));
        sides
    }

    #[test]
    fn a_few_failures_among_a_few_requests_conclude_nothing() {
        assert_eq!(sides((99, 99), (0, 1000)).too_many(MARGIN, 100), None);
        assert!(sides((100, 100), (0, 1000)).too_many(MARGIN, 100).is_some());
    }

    #[test]
    fn an_app_that_fails_on_both_sides_alike_moves_nobody_back() {
        assert_eq!(sides((300, 1000), (300, 1000)).too_many(MARGIN, 100), None);
        assert!(sides((360, 1000), (300, 1000)).too_many(MARGIN, 100).is_some());
    }

    #[test]
    fn a_fault_of_yesterday_is_forgotten() {
        let mut sides = sides((100, 100), (0, 0));
        sides.moved(false, UnixMillis::new(NOW.as_millis() + 20 * HALF_LIFE_MILLIS));
        assert_eq!(sides.too_many(MARGIN, 1), None);
    }

    #[test]
    fn a_margin_of_everything_never_moves_anybody_back() {
        assert_eq!(sides((1000, 1000), (0, 1000)).too_many(Share::ALL, 1), None);
    }
}

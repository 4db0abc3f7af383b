//! When a session is worth being kept alive, and that one request does it and not all.

use crate::clock::Moment;
use crate::config::StoreId;
use crate::store::Touch;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A session is touched once it has less than all but this share of its life left.
const SHARE: u32 = 10;
/// A session that is about to end anyway is left alone: on its way a touch might meet what is over.
const LEAST: Duration = Duration::from_millis(500);
/// A touch that failed is tried again after this.
const AGAIN: Duration = Duration::from_secs(1);

/// What is remembered of a record's touches, over all workers; it lives as long as its bytes stay the same.
#[derive(Debug, Default)]
pub(super) struct TouchMark {
    /// The longest it was seen to have left, in milliseconds.
    longest: AtomicU64,
    /// Until when nobody else need try.
    until: AtomicU64,
}

/// A touch that is due.
#[derive(Clone, Debug)]
pub struct DueTouch {
    pub(super) store: StoreId,
    pub(super) touch: Touch,
    pub(super) life: Duration,
    pub(super) mark: Arc<TouchMark>,
}

impl DueTouch {
    /// How long the session may idle.
    pub const fn life(&self) -> Duration {
        self.life
    }
}

impl TouchMark {
    /// Takes note of what a record has left; the most that it ever had is as long as it may idle, for all that we can know.
    pub(super) fn longest(&self, left: Duration) -> Duration {
        let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let longest = self.longest.load(Ordering::Relaxed);
        // Read first: it hardly ever grows.
        Duration::from_millis(if left > longest {
            self.longest.fetch_max(left, Ordering::Relaxed).max(left)
        } else {
            longest
        })
    }

    /// Whether nobody has touched it for a tenth of its life; who is told so does it.
    pub(super) fn take(&self, now: Moment, life: Duration) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        now.as_nanos() >= until
            && self
                .until
                .compare_exchange(
                    until,
                    now.plus(life / SHARE).as_nanos(),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// It was not done.
    pub(super) fn failed(&self, now: Moment) {
        self.until.store(now.plus(AGAIN).as_nanos(), Ordering::Relaxed);
    }
}

/// Whether a session with so much left of its life is to be touched.
pub(super) fn is_due(left: Duration, life: Duration) -> bool {
    left > LEAST && left < life - life / SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_session_is_touched_once_in_a_tenth_of_its_life() {
        assert!(!is_due(10 * MINUTE, 10 * MINUTE));
        assert!(!is_due(9 * MINUTE, 10 * MINUTE));
        assert!(is_due(9 * MINUTE - Duration::from_millis(1), 10 * MINUTE));
        assert!(is_due(MINUTE, 10 * MINUTE));
        assert!(!is_due(Duration::from_millis(100), 10 * MINUTE), "it may be over when the touch arrives");
    }

    #[test]
    fn one_of_many_does_it_and_a_failure_is_tried_again() {
        let (mark, start) = (TouchMark::default(), Moment::from_nanos(1_000_000_000_000));
        assert!(mark.take(start, 10 * MINUTE));
        assert!(!mark.take(start.plus(MINUTE - AGAIN), 10 * MINUTE));
        assert!(mark.take(start.plus(MINUTE), 10 * MINUTE));
        mark.failed(start.plus(MINUTE));
        assert!(!mark.take(start.plus(MINUTE), 10 * MINUTE));
        assert!(mark.take(start.plus(MINUTE + AGAIN), 10 * MINUTE));
    }

    #[test]
    fn the_longest_that_was_seen_is_remembered() {
        let mark = TouchMark::default();
        assert_eq!(mark.longest(3 * MINUTE), 3 * MINUTE);
        assert_eq!(mark.longest(2 * MINUTE), 3 * MINUTE);
        assert_eq!(mark.longest(4 * MINUTE), 4 * MINUTE);
    }
}

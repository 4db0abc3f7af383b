//! How many connections an endpoint may have, and who waits for one.
//!
//! While the line has not been empty for as long as one may wait in it, more comes than can be done: then who comes waits a moment only,
//! since a long wait would only make all late, and who is refused late too.
//!
//! Both are counted over all workers, since a service does not care which of our threads keeps it busy. A connection
//! holds a [`Slot`] for as long as its socket is open, tunnels included. Who finds none joins the upstream's [`Line`],
//! which has an end: beyond that, and beyond its time, a request is refused rather than kept.
//!
//! The counts are ordered with each other (`SeqCst`), so that either the one who gives a slot back sees that somebody
//! waits, or the one who begins to wait sees the slot. Requests that meet no limit touch none of this.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// How long one waits in a line that never ends: a slot that comes free should find somebody there.
const MOMENT: Duration = Duration::from_millis(5);
/// An end of the line that is no longer than this is none.
const GAP: Duration = Duration::from_millis(100);

/// The places for connections to one endpoint.
#[derive(Debug)]
pub(crate) struct Slots {
    open: AtomicUsize,
    max: usize,
    line: Arc<Line>,
}

/// One of them, taken.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Slots>);

/// Those who wait for a connection to one upstream.
#[derive(Debug)]
pub(crate) struct Line {
    waiting: AtomicUsize,
    max: usize,
    /// Times are milliseconds from here.
    start: Instant,
    /// Since when there has been somebody.
    since: AtomicU64,
    /// When there was last nobody.
    ended: AtomicU64,
    /// A slot is free.
    pub(crate) freed: Notify,
    /// Somebody waits: connections that nobody uses are to be closed.
    pub(crate) wanted: Notify,
}

/// A place in the line.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a Line);

impl Slots {
    pub(crate) fn new(max: usize, line: Arc<Line>) -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(0), max, line })
    }

    /// A place, if there is one.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Slot> {
        let one_more = |open: usize| (open < self.max).then_some(open + 1);
        let taken = self.open.try_update(Ordering::SeqCst, Ordering::SeqCst, one_more);
        taken.is_ok().then(|| Slot(Arc::clone(self)))
    }

    /// How many are taken.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
        if self.0.line.is_long() {
            self.0.line.freed.notify_one();
        }
    }
}

impl Line {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            max,
            start: Instant::now(),
            since: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            freed: Notify::new(),
            wanted: Notify::new(),
        }
    }

    /// Joins it, unless it is full.
    pub(crate) fn join(&self) -> Option<Place<'_>> {
        let one_more = |waiting: usize| (waiting < self.max).then_some(waiting + 1);
        let joined = self.waiting.try_update(Ordering::SeqCst, Ordering::SeqCst, one_more);
        let before = joined.ok()?;
        if before == 0 {
            self.begin(self.now());
        }
        Some(Place(self))
    }

    /// How long one may wait, where `wait` is the usual.
    pub(crate) fn patience(&self, wait: Duration) -> Duration {
        self.patience_at(self.now(), wait)
    }

    fn patience_at(&self, now: Duration, wait: Duration) -> Duration {
        let since = Duration::from_millis(self.since.load(Ordering::Relaxed));
        if now.saturating_sub(since) > wait { wait.min(MOMENT) } else { wait }
    }

    fn begin(&self, now: Duration) {
        let ended = Duration::from_millis(self.ended.load(Ordering::Relaxed));
        if now.saturating_sub(ended) > GAP {
            self.since.store(as_millis(now), Ordering::Relaxed);
        }
    }

    fn now(&self) -> Duration {
        // Later than the end of what was never there.
        self.start.elapsed() + GAP * 2
    }

    /// Whether anybody waits.
    pub(crate) fn is_long(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.0.waiting.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.ended.store(as_millis(self.0.now()), Ordering::Relaxed);
        }
    }
}

fn as_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_slots_as_allowed_and_each_comes_back() {
        let slots = Slots::new(2, Arc::new(Line::new(0)));
        let (one, two) = (slots.take(), slots.take());
        assert!(one.is_some() && two.is_some() && slots.take().is_none());
        drop(one);
        assert!(slots.take().is_some());
    }

    #[test]
    fn who_comes_to_a_line_that_never_ends_waits_a_moment() {
        const SECOND: Duration = Duration::from_secs(1);
        let line = Line::new(9);
        line.begin(SECOND * 10);
        assert_eq!(line.patience_at(SECOND * 11, SECOND), SECOND);
        assert_eq!(line.patience_at(SECOND * 12, SECOND), MOMENT);
        line.ended.store(as_millis(SECOND * 12), Ordering::Relaxed);
        line.begin(SECOND * 12 + GAP);
        assert_eq!(line.patience_at(SECOND * 13, SECOND), MOMENT, "an end too short to be one");
        line.begin(SECOND * 12 + GAP * 2);
        assert_eq!(line.patience_at(SECOND * 13, SECOND), SECOND);
    }

    #[test]
    fn a_line_has_an_end() {
        let line = Line::new(1);
        let first = line.join();
        assert!(first.is_some() && line.join().is_none());
        drop(first);
        assert!(line.join().is_some());
        assert!(Line::new(0).join().is_none());
    }
}

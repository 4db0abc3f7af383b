//! How long what was read over one tracked connection may be served without asking.

use crate::clock::Moment;
use crate::store::sync::{AtomicU64, Ordering};
use std::time::Duration;

/// Bits of an epoch that count; those above are the lease's number. A gap a millisecond takes 35 years to use them up.
const EPOCH_BITS: u32 = 40;

/// The lease of one primary. Written by the thread of its tracked connection alone, read by every worker on every hit.
///
/// The *epoch* numbers the stretches without a gap in Redis's messages: whatever was read in an earlier one may have changed
/// unheard. The lease itself ends by the clock: `bound` after the last heartbeat that was answered was **sent**.
#[derive(Debug)]
pub struct Lease {
    bound: Duration,
    epoch: AtomicU64,
    until: AtomicU64,
    known_epoch: AtomicU64,
    known_until: AtomicU64,
}

/// What a lease was when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// What was read in this epoch has not changed unheard.
    pub epoch: u64,
    /// Until then.
    pub until: Moment,
}

/// One read that the cache asked for: its number, and under what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Unique and growing.
    pub generation: u64,
    /// The epoch before it was sent.
    pub epoch: u64,
    /// A moment before it was sent; all that the answer says was true at some moment after.
    pub sent: Moment,
}

impl Lease {
    /// A lease that does not hold yet, and will never hold longer than `bound`.
    pub fn new(bound: Duration) -> Self {
        Self::numbered(bound, 0)
    }

    /// The same with epochs of its own: no two leases of different numbers have one in common, so what was read from one primary of a
    /// Cluster is never served under another's lease.
    pub fn numbered(bound: Duration, number: u64) -> Self {
        Self {
            bound,
            // 0 stands for an entry that was not read over a tracked connection, so no epoch has that number.
            epoch: AtomicU64::new(number << EPOCH_BITS | 1),
            until: AtomicU64::new(0),
            known_epoch: AtomicU64::new(0),
            known_until: AtomicU64::new(0),
        }
    }

    /// How long after a revocation a session may be honoured at most.
    pub const fn bound(&self) -> Duration {
        self.bound
    }

    /// The lease as it is. The end is read before the epoch: were it the other way round, a lease that was lost and won again between
    /// the two would lend its new end to the old epoch.
    pub fn held(&self) -> Held {
        let until = Moment::from_nanos(self.until.load(Ordering::Acquire));
        Held { epoch: self.epoch(), until }
    }

    /// The present epoch.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The last lease that held, if it is over: until when entries of its epoch were provably right.
    pub fn lost(&self) -> Held {
        let until = Moment::from_nanos(self.known_until.load(Ordering::Acquire));
        Held { epoch: self.known_epoch.load(Ordering::Acquire), until }
    }

    /// A heartbeat that was sent at `sent` was answered by the primary.
    pub(crate) fn extend(&self, sent: Moment) {
        let until = sent.plus(self.bound).as_nanos();
        if until > self.until.load(Ordering::Relaxed) {
            self.until.store(until, Ordering::Release);
        }
    }

    /// Messages may be missed from now on: nothing that was read so far may be served.
    pub(crate) fn end(&self) {
        let until = self.until.load(Ordering::Relaxed);
        if until != 0 {
            // In three steps, so that nobody pairs one loss's epoch with another's end.
            self.known_epoch.store(0, Ordering::Release);
            self.known_until.store(until, Ordering::Release);
            self.known_epoch.store(self.epoch.load(Ordering::Relaxed), Ordering::Release);
            self.until.store(0, Ordering::Release);
        }
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Everything in the store may have changed, and we heard of it: the connection and its lease go on.
    pub(crate) fn forget(&self) {
        self.known_epoch.store(0, Ordering::Release);
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

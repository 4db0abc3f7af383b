//! One slot a key: absent, loading or kept. The algorithm of the room's essay, and nothing of what is kept or who waits.

use crate::clock::Moment;
use crate::session::cache::rule::may_keep;
use crate::session::cache::shelf::Shelf;
use crate::store::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering, lock};
use crate::store::{Held, Ticket};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// The reads of one key that are under way, in the order in which they began: only the last can be joined, and only its answer kept.
type Reads<W> = Vec<Loading<W>>;
/// A part of the slots that are loading, under one lock.
type Shard<K, W> = Mutex<HashMap<K, Reads<W>>>;

/// What was read, and until when it may be served. Once kept, only `stale` and `used` change.
#[derive(Debug)]
pub(crate) struct Kept<V> {
    pub(crate) value: V,
    /// The epoch it was read in; 0 if it was not read over a tracked connection and may never be served unasked.
    epoch: u64,
    /// When the record itself is over, counted from before it was read.
    pub(crate) deadline: Moment,
    stale: AtomicBool,
    used: AtomicBool,
}

/// A read that is under way, with who waits for it and since when.
struct Loading<W> {
    ticket: Ticket,
    changed: bool,
    waiting: Vec<(Moment, W)>,
}

/// What became of a request for a key.
#[derive(Debug)]
pub(crate) enum Begun {
    /// Somebody's read is under way and will answer.
    Joined,
    /// The caller has to make this read, and to [`Slots::complete`] it whatever happens.
    Read(Ticket),
}

/// Who gets what after a read.
#[derive(Debug)]
pub(crate) struct Completed<W> {
    /// These get the answer.
    pub(crate) answer: Vec<W>,
    /// This read has to be made for the others, who came after the first was sent and may have come after a change.
    pub(crate) again: Option<Ticket>,
}

/// All slots.
pub(crate) struct Slots<K, V, W> {
    loading: Box<[Shard<K, W>]>,
    shelf: Shelf<K, V>,
    generations: AtomicU64,
}

impl<V> Kept<V> {
    /// What the answer to `ticket` says.
    pub(crate) fn new(value: V, ticket: Ticket, deadline: Moment) -> Self {
        Self {
            value,
            epoch: ticket.epoch,
            deadline,
            stale: AtomicBool::new(false),
            used: AtomicBool::new(false),
        }
    }

    /// What was read over a connection that does not hear of changes: good for comparing, never for serving.
    pub(crate) fn unheard(value: V) -> Self {
        let ticket = Ticket { generation: 0, epoch: 0, sent: Moment::START };
        Self::new(value, ticket, Moment::START)
    }

    /// Whether it may be served unasked. `held` must have been looked at before: every change that the lease proves to have been
    /// heard of has then left its mark here.
    pub(crate) fn serves(&self, held: Held, now: Moment) -> bool {
        now < held.until && self.is_known(held.epoch, now)
    }

    /// Whether it was right when the lease of this epoch ended, as far as was heard then.
    pub(crate) fn is_known(&self, epoch: u64, now: Moment) -> bool {
        self.epoch == epoch && now < self.deadline && !self.stale.load(Ordering::Acquire)
    }

    /// Notes that it was served.
    pub(crate) fn touch(&self) {
        // Read first: a mark that is there already costs the other cores nothing.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }
}

impl<K: Copy + Eq + Hash + Send + Sync + 'static, V: Send + Sync + 'static, W> Slots<K, V, W> {
    /// Empty slots, with at least one lock over those that are loading; more than there are cores, and two rarely meet.
    pub(crate) fn new(shelf: Shelf<K, V>, locks: usize) -> Self {
        let loading = (0..locks.max(1)).map(|_| Mutex::new(HashMap::new())).collect();
        Self { loading, shelf, generations: AtomicU64::new(0) }
    }

    pub(crate) const fn shelf(&self) -> &Shelf<K, V> {
        &self.shelf
    }

    /// Joins the read that is under way if its answer can be trusted by who comes at `now`, or begins one: the slot is *loading* before
    /// anything is sent.
    ///
    /// Who joins came after that read was sent, so a change before `now` must be provably heard of: the lease's `bound` is
    /// as long as one may have been unheard.
    pub(crate) fn begin(&self, key: K, epoch: u64, now: Moment, bound: Duration, waiter: Option<W>) -> Begun {
        let mut shard = self.shard(&key);
        let reads = shard.entry(key).or_default();
        if let Some(latest) = reads.last_mut()
            && !latest.changed
            && latest.ticket.epoch == epoch
            && now < latest.ticket.sent.plus(bound)
        {
            latest.waiting.extend(waiter.map(|waiter| (now, waiter)));
            return Begun::Joined;
        }
        let waiting = waiter.map(|waiter| (now, waiter)).into_iter().collect();
        Begun::Read(self.push(reads, epoch, now, waiting))
    }

    /// Ends the read `ticket` with what to keep, if it may be kept; `None` if there is nothing to keep but an answer all the same.
    pub(crate) fn complete(
        &self,
        key: K,
        ticket: Ticket,
        epoch: u64,
        now: Moment,
        kept: Option<Arc<Kept<V>>>,
    ) -> Completed<W> {
        let mut shard = self.shard(&key);
        let mut completed = Completed { answer: Vec::new(), again: None };
        let Some(reads) = shard.get_mut(&key) else { return completed };
        let Some(at) = reads.iter().position(|read| read.ticket.generation == ticket.generation) else {
            return completed;
        };
        let keep = reads.last().is_some_and(|last| may_keep(ticket, last.ticket, last.changed, epoch));
        let mine = reads.remove(at);
        if let (true, Some(kept)) = (keep, kept) {
            // Under the lock: a message that comes now waits, and then finds it.
            self.shelf.put(key, kept);
        }
        let sound = !mine.changed && ticket.epoch == epoch;
        let (before, after): (Vec<_>, Vec<_>) =
            mine.waiting.into_iter().partition(|(came, _)| sound || *came <= ticket.sent);
        completed.answer.extend(before.into_iter().map(|(_, waiter)| waiter));
        if let Some(latest_came) = after.iter().map(|(came, _)| *came).max() {
            match reads.last_mut().filter(|last| !last.changed && last.ticket.sent >= latest_came) {
                Some(last) => last.waiting.extend(after),
                None => completed.again = Some(self.push(reads, epoch, now, after)),
            }
        }
        if reads.is_empty() {
            shard.remove(&key);
        }
        completed
    }

    /// Ends the read `ticket` without an answer; all who wait for it learn that.
    pub(crate) fn fail(&self, key: K, ticket: Ticket) -> Vec<W> {
        let mut shard = self.shard(&key);
        let Some(reads) = shard.get_mut(&key) else { return Vec::new() };
        let at = reads.iter().position(|read| read.ticket.generation == ticket.generation);
        let failed = at.map(|at| reads.remove(at));
        if reads.is_empty() {
            shard.remove(&key);
        }
        failed.into_iter().flat_map(|read| read.waiting).map(|(_, waiter)| waiter).collect()
    }

    /// Redis says that the key changed. Returns whether somebody used what was kept since it was read: then it is worth reading again
    /// before anybody asks.
    pub(crate) fn changed(&self, key: K) -> bool {
        self.changed_and(key, |_| false)
    }

    /// The same, or whether what was kept `matters` all the same.
    pub(crate) fn changed_and(&self, key: K, matters: impl FnOnce(&V) -> bool) -> bool {
        let mut shard = self.shard(&key);
        if let Some(reads) = shard.get_mut(&key) {
            reads.iter_mut().for_each(|read| read.changed = true);
        }
        let Some(kept) = self.shelf.get(&key) else { return false };
        let first = !kept.stale.swap(true, Ordering::AcqRel);
        first && (kept.used.load(Ordering::Relaxed) || matters(&kept.value))
    }

    /// Keeps what was read unheard, for comparing, unless something better is there.
    pub(crate) fn offer(&self, key: K, kept: Arc<Kept<V>>) {
        let _shard = self.shard(&key);
        self.shelf.put(key, kept);
    }

    fn push(&self, reads: &mut Reads<W>, epoch: u64, now: Moment, waiting: Vec<(Moment, W)>) -> Ticket {
        let generation = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
        let ticket = Ticket { generation, epoch, sent: now };
        reads.push(Loading { ticket, changed: false, waiting });
        ticket
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, HashMap<K, Reads<W>>> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let shards = u64::try_from(self.loading.len()).unwrap_or(1);
        let at = usize::try_from(hasher.finish() % shards).unwrap_or_default();
        lock(self.loading.get(at).expect("a remainder is less than the number of locks"))
    }
}

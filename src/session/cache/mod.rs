//! Sessions that are served without asking Redis, and revoked at once.
//!
//! Job: answer "what does the store say of this key" from memory while that is provably the same as asking, and let everybody who
//! asks meanwhile share one read. Not the job: talking to Redis (`store`), what bytes mean (`format`), who passes (`guard`).
//!
//! # The algorithm
//! A slot is *absent*, *loading* or *kept*. Before a read is sent, the slot is marked loading, with a **generation**
//! ([`slots`]). Redis tracks every key that the connection reads (RESP3 `CLIENT TRACKING`, default mode) and says **once** when
//! it changed: a kept value is then marked stale, a loading one changed. An answer is kept only if its generation is the
//! latest, nothing changed since it began, and the **epoch** is the same ([`rule`]). The epoch counts gaps: a lost connection,
//! a server that is no primary, FLUSHALL. A kept value is served only within the **lease** ([`crate::store::Lease`]), which is `revocation_bound` from
//! when the last answered heartbeat was *sent*.
//!
//! Stale bytes stay. What is in use is read again at once, off any request's path, and if the bytes are the same, which they are for
//! every app that only moves its TTL, the decoded session and its tokens go on.
//!
//! # The claim
//! A revocation executed by the primary at T is not honoured for any request that arrives after T + d, where d is how long Redis's
//! message takes (healthy: under a millisecond), and never for one after T + L, L = `revocation_bound`, whatever happens to the network,
//! to Redis or to this process.
//!
//! *Proof.* (1) *A hit at t.* It needs t < s + L for a heartbeat sent at s and answered by the primary. The primary executed it at
//! p ≥ s. Were T ≤ p, the message about T would precede the heartbeat's answer on the wire (premise a), so it would have been
//! applied before the lease was extended, by the one thread that does both; the hit looks at the lease before it looks at the
//! slot's marks, so it would have seen the mark or another epoch. Hence T > p ≥ s, and t − T < L. (2) *A joined read* sent at
//! s' and joined at t: joining needs t < s' + L and no change heard of since s'. The read executed at g ≥ s' and found the session,
//! so T > g ≥ s' and t − T < L. If a change is heard of before its answer is handed over, only who came before s' gets it: they
//! arrived before T. (3) *An own read* is sent after arrival, hence executed after it: had the session been revoked before, it would be
//! gone. (4) *A `serve_known` route* serves, for K after the lease of an epoch ended, what was unmarked in that epoch: t < s + L + K
//! by the argument of (1), so t − T < L + K. A marked one never.
//!
//! *Premises, and where each is tested* (unit tests here and in `store`, `tests/it/cache.rs`, `tests/it/outage.rs`, the model `tests/slot`):
//! (a) Redis sends a key's message before any later answer on that connection, and the driver applies it before it hands over the
//! answer: default mode does, BCAST does not. (b) The clock of leases counts stalls and sleep: CLOCK_BOOTTIME. (c) We ask the
//! primary: each heartbeat asks for the role too, and where others decide who is one (sentinels, the primaries of a Cluster), a lease is
//! extended as of the older of two questions, the heartbeat and the last that they answered in its favour; nor is any other answer of
//! its taken without such a word of the last L, so that (3) holds to within L across a split (`tests/it/sentinel.rs`,
//! `tests/it/cluster.rs`; what is left of it: [`crate::store`]'s sentinels). (d) A failover keeps the deletion: not ours to make true here; an app that needs it
//! revokes with WAIT. (e) What is handed between threads out of order is caught by the generation: the model finds the stale
//! session as soon as the rule is left out. (f) moka may drop or refuse a value; nothing is proved by one being there.
//!
//! Requests that are cancelled cancel no read: reads belong to the connection's thread, requests only wait for them.
//!
//! The folder is a *roof*.

mod departures;
mod follower;
mod key;
mod known;
mod rule;
mod shelf;
mod slots;
#[cfg(test)]
mod tests;
mod watches;

pub(in crate::session) use follower::Answer;
pub(in crate::session) use key::CacheKey;
pub(in crate::session) use known::{Content, Decoded, Known};
pub(in crate::session) use slots::Kept;
pub use watches::{Bell, Watch};

use crate::clock::{Clock, Moment};
use crate::config::StoreId;
use crate::session::verified::Session;
use crate::store::{Follower, Lease, Load, Record, RecordKind, StoreError, StoreKey, Tracked};
use departures::Departures;
use follower::{CacheFollower, SessionSlots, Waiter, known_of};
use shelf::Shelf;
use slots::{Begun, Slots};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::oneshot;
use watches::Watches;

/// Locks over the loading slots: more than there are cores, so that two rarely meet.
const LOCKS: usize = 64;

/// All sessions that the process holds; shared by its workers and its tracked connections.
pub struct SessionCache<T> {
    slots: Arc<SessionSlots<T>>,
    watches: Arc<Watches>,
    departures: Arc<Departures<T>>,
    /// How many profiles there are: each may make its own of a record.
    profiles: usize,
}

impl<T: Send + Sync + 'static> SessionCache<T> {
    /// An empty cache for so many profiles, which holds records, decoded sessions and tokens of so many bytes.
    pub fn new(profiles: usize, memory: u64) -> Self {
        let slots = Arc::new(Slots::new(Shelf::new(Content::weight, memory), LOCKS));
        Self { slots, watches: Arc::default(), departures: Arc::default(), profiles }
    }

    /// How many sessions are held. Not for the path of a request.
    pub fn len(&self) -> u64 {
        self.slots.shelf().records()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What hears of a store's changes for this cache. `kinds` are those that its profiles read.
    pub fn follower(&self, store: StoreId, kinds: Vec<RecordKind>, lease: Arc<Lease>) -> Arc<dyn Follower> {
        let (slots, profiles) = (Arc::clone(&self.slots), self.profiles);
        let (watches, departures) = (Arc::clone(&self.watches), Arc::clone(&self.departures));
        Arc::new(CacheFollower { slots, watches, store, kinds, lease, profiles, departures })
    }

    /// Remembers from now on which sessions went away in their store while tokens that were made of them go on.
    pub fn collect_departed(&self, clock: Clock) {
        self.departures.collect(clock);
    }

    /// Those that went since this was last asked, and how many more there were than can be remembered.
    pub fn take_departed(&self) -> (VecDeque<Arc<Session<T>>>, u64) {
        self.departures.take()
    }

    /// Has `bell` rung with `number` whenever one of the keys changes, as far as we are told of changes.
    pub(in crate::session) fn watch(&self, keys: Vec<CacheKey>, number: u64, bell: &Arc<Bell>) -> Watch {
        self.watches.watch(keys, number, bell)
    }

    /// What is held of a key, fresh or not: who takes it must judge it by [`Kept::serves`], or compare its bytes.
    pub(in crate::session) fn find(&self, key: &CacheKey) -> Option<Arc<Kept<Content<T>>>> {
        self.slots.shelf().get(key)
    }

    /// Reads a key over the store's tracked connection, or waits for the read that is under way.
    ///
    /// # Errors
    /// [`StoreError`] within the store's timeout.
    pub(in crate::session) async fn read(
        &self,
        tracked: &Tracked,
        store: StoreId,
        key: &StoreKey,
        kind: RecordKind,
    ) -> Result<Answer<T>, StoreError> {
        let (waiter, answer) = oneshot::channel();
        self.begin(tracked, store, key, kind, Some(waiter));
        let after = tracked.timeout();
        match tokio::time::timeout(after, answer).await {
            Ok(Ok(answer)) => answer,
            // The connection's thread is gone: the gateway is ending.
            Ok(Err(_)) => Err(StoreError::Unreachable),
            Err(_) => Err(StoreError::TimedOut { after }),
        }
    }

    /// Serves nothing more of what is held of a key, and reads it again if it is in use: whoever asks from now on gets what is read from
    /// now on.
    pub(in crate::session) fn doubt(
        &self,
        tracked: &Tracked,
        store: StoreId,
        key: &StoreKey,
        kind: RecordKind,
    ) {
        if self.slots.changed(CacheKey::new(store, kind, key.expose())) {
            self.begin(tracked, store, key, kind, None);
        }
    }

    fn begin(
        &self,
        tracked: &Tracked,
        store: StoreId,
        key: &StoreKey,
        kind: RecordKind,
        waiter: Option<Waiter<T>>,
    ) {
        let cache_key = CacheKey::new(store, kind, key.expose());
        let lease = tracked.lease();
        // The epoch first: a gap after this line makes the answer one that is not kept.
        let epoch = lease.epoch();
        if let Begun::Read(ticket) = self.slots.begin(cache_key, epoch, Moment::now(), lease.bound(), waiter)
        {
            let load = Load { key: key.clone(), kind, ticket };
            if let Err(error) = tracked.ask(load) {
                for waiter in self.slots.fail(cache_key, ticket) {
                    let _ = waiter.send(Err(error.clone()));
                }
            }
        }
    }

    /// What is known of a record that was read just now over another connection, and is to be known of it from now on.
    pub(in crate::session) fn compare(&self, key: CacheKey, record: Record) -> Arc<Known<T>> {
        let known = known_of(&self.slots, key, record, self.profiles);
        let held = self.find(&key);
        let same = held.is_some_and(|kept| match &kept.value {
            Content::Record { known: held, .. } => Arc::ptr_eq(held, &known),
            Content::Absent => false,
        });
        if !same {
            let content = Content::Record { known: Arc::clone(&known), ttl_ends: None };
            self.slots.offer(key, Arc::new(Kept::unheard(content)));
        }
        known
    }

    /// The key is not there, as was read just now over another connection: what is held of it is not worth its memory.
    pub(in crate::session) fn vanished(&self, key: CacheKey) {
        if let Some(kept) = self.find(&key) {
            if let Content::Record { known, .. } = &kept.value {
                self.departures.note(known);
            }
            self.slots.offer(key, Arc::new(Kept::unheard(Content::Absent)));
        }
    }
}

impl<T> std::fmt::Debug for SessionCache<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionCache")
    }
}

//! What stores hold under a key: from memory where that is as good as asking, else asked.

use crate::clock::Moment;
use crate::config::{Freshness, Outage, StoreId};
use crate::format::Reject;
use crate::session::cache::{Answer, Bell, CacheKey, Content, Kept, Known, SessionCache, Watch};
use crate::store::{Reading, RecordKind, Store, StoreError, StoreKey, TrackedState};
use std::sync::Arc;
use std::time::Duration;

/// Where a verdict came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The cookies alone.
    Cookie,
    /// Memory, within the lease.
    Cache,
    /// Memory, while the store of this number cannot be asked: the route says `serve_known`.
    Known(StoreId),
    /// The store.
    Store,
}

impl Source {
    /// Where a verdict came from that came from both: what is told is the store's trouble, else that it was asked.
    pub(super) const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Known(id), _) | (_, Self::Known(id)) => Self::Known(id),
            (Self::Store, _) | (_, Self::Store) => Self::Store,
            (Self::Cache, _) | (_, Self::Cache) => Self::Cache,
            (Self::Cookie, Self::Cookie) => Self::Cookie,
        }
    }
}

/// What a route says of stores; `None`: as the store itself says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// Whether to ask on every request.
    pub freshness: Option<Freshness>,
    /// What to do if it cannot be asked.
    pub outage: Option<Outage>,
    /// How much longer the lease must hold for memory to be enough: who is not asked again at once, as a stream, looks so far ahead.
    pub ahead: Duration,
}

/// What a store says of itself.
#[derive(Clone, Copy, Debug)]
pub struct StoreRules {
    /// Whether to ask on every request.
    pub freshness: Freshness,
    /// What to do if it cannot be asked.
    pub outage: Outage,
}

/// One worker's stores, and the memory of all.
#[derive(Debug)]
pub(super) struct Records<T> {
    /// Indexed by [`StoreId`], as `rules` are.
    stores: Vec<Store>,
    rules: Vec<StoreRules>,
    cache: Arc<SessionCache<T>>,
}

/// A store, and what it says of itself.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) id: StoreId,
    pub(super) store: &'a Store,
    rules: StoreRules,
}

impl StoreRules {
    /// Whether to ask on every request, by the route's word before the store's own.
    fn is_strict(self, policy: Policy) -> bool {
        policy.freshness.unwrap_or(self.freshness) == Freshness::Strict
    }
}

/// What there is under one key, as of now.
pub(super) enum Seen<T> {
    Absent,
    /// No session, whatever it is.
    Odd(Reject),
    Record {
        known: Arc<Known<T>>,
        ttl_left: Option<Duration>,
    },
}

impl<T: Send + Sync + 'static> Records<T> {
    pub(super) const fn new(stores: Vec<Store>, rules: Vec<StoreRules>, cache: Arc<SessionCache<T>>) -> Self {
        Self { stores, rules, cache }
    }

    pub(super) fn stores(&self) -> &[Store] {
        &self.stores
    }

    pub(super) fn store(&self, id: StoreId) -> Option<&Store> {
        self.stores.get(id.0)
    }

    pub(super) fn place(&self, id: StoreId) -> Option<Place<'_>> {
        Some(Place { id, store: self.store(id)?, rules: *self.rules.get(id.0)? })
    }

    /// Whether memory is never enough there.
    pub(super) fn is_strict(&self, id: StoreId, policy: Policy) -> bool {
        self.rules.get(id.0).is_some_and(|rules| rules.is_strict(policy))
    }

    /// What there is, if memory is enough to say it.
    pub(super) fn recall(
        &self,
        Place { id, store, rules }: Place<'_>,
        key: &StoreKey,
        kind: RecordKind,
        policy: Policy,
    ) -> Option<Seen<T>> {
        if rules.is_strict(policy) {
            return None;
        }
        let metrics = store.metrics()?;
        // The lease before the slots, and both before the clock: see the cache's argument.
        let held = store.held(key)?;
        let kept = self.cache.find(&CacheKey::new(id, kind, key.expose()))?;
        let now = Moment::now();
        if !kept.serves(held, now.plus(policy.ahead)) {
            return None;
        }
        metrics.hits.inc();
        if !matches!(kept.value, Content::Absent) {
            kept.touch();
        }
        Some(seen(&kept, now))
    }

    /// What there is, asked; or, where that cannot be done and the policy is to go on with it, what there was.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not be asked.
    pub(super) async fn look_up(
        &self,
        place: Place<'_>,
        key: &StoreKey,
        kind: RecordKind,
        policy: Policy,
    ) -> Result<(Seen<T>, Source), StoreError> {
        match self.read(place, key, kind, policy).await {
            Ok(seen) => Ok((seen, Source::Store)),
            Err(error) => match self.known(place, key, kind, policy) {
                Some(seen) => Ok((seen, Source::Known(place.id))),
                None => Err(error),
            },
        }
    }

    /// What is held of a key, fresh or not.
    pub(super) fn held(&self, place: Place<'_>, key: &StoreKey, kind: RecordKind) -> Option<Arc<Known<T>>> {
        let kept = self.cache.find(&CacheKey::new(place.id, kind, key.expose()))?;
        match &kept.value {
            Content::Absent => None,
            Content::Record { known, .. } => Some(Arc::clone(known)),
        }
    }

    /// As [`SessionCache::watch`].
    pub(super) fn watch(&self, keys: Vec<CacheKey>, number: u64, bell: &Arc<Bell>) -> Watch {
        self.cache.watch(keys, number, bell)
    }

    /// Serves nothing more of what is held of a key.
    pub(super) fn doubt(&self, place: Place<'_>, key: &StoreKey, kind: RecordKind) {
        if let Some(tracked) = place.store.tracked(key) {
            self.cache.doubt(&tracked, place.id, key, kind);
        }
    }

    /// What the store says, asked for this request or by another that is under way.
    async fn read(
        &self,
        Place { id, store, rules }: Place<'_>,
        key: &StoreKey,
        kind: RecordKind,
        policy: Policy,
    ) -> Result<Seen<T>, StoreError> {
        let tracked = store.tracked(key);
        let leased = !rules.is_strict(policy);
        if let Some(tracked) = tracked.as_ref().filter(|_| leased) {
            tracked.metrics().misses.inc();
        }
        // While it is down the worker's own connection may be up already, and what that says is as good as it gets.
        if let Some(tracked) = tracked.filter(|tracked| leased && tracked.state() == TrackedState::Up) {
            match self.cache.read(&tracked, id, key, kind).await {
                Ok(Answer::Content(kept)) => {
                    kept.touch();
                    return Ok(seen(&kept, Moment::now()));
                }
                Ok(Answer::Odd(reject)) => return Ok(Seen::Odd(reject)),
                // It is elsewhere in the Cluster by now: read there, and what is on its way is kept nowhere.
                Err(StoreError::Moved { to } | StoreError::Asked { to }) => store.hint(&to),
                Err(error) => return Err(error),
            }
        }
        let cache_key = CacheKey::new(id, kind, key.expose());
        Ok(match store.read(key, kind).await? {
            Reading::Missing => {
                self.cache.vanished(cache_key);
                Seen::Absent
            }
            Reading::WrongType => Seen::Odd(Reject::WrongType),
            Reading::TooLarge { bytes } => Seen::Odd(Reject::ValueTooLarge { bytes }),
            Reading::Found(stored) => Seen::Record {
                known: self.cache.compare(cache_key, stored.record),
                ttl_left: stored.ttl_ms.map(Duration::from_millis),
            },
        })
    }

    /// A record that was right when the lease ended, where the policy is to serve it for so long after. An absence is never served: it
    /// would log out whoever logged in since.
    fn known(
        &self,
        Place { id, store, rules }: Place<'_>,
        key: &StoreKey,
        kind: RecordKind,
        policy: Policy,
    ) -> Option<Seen<T>> {
        let Outage::ServeKnown(longest) = policy.outage.unwrap_or(rules.outage) else { return None };
        let tracked = store.tracked(key)?;
        let (held, lost) = (tracked.lease().held(), tracked.lease().lost());
        let kept = self.cache.find(&CacheKey::new(id, kind, key.expose()))?;
        let now = Moment::now();
        let holds = kept.serves(held, now);
        let held_then = kept.is_known(lost.epoch, now) && now < lost.until.plus(longest);
        // A lease that ran out while its connection seems to live.
        let ran_out = kept.is_known(held.epoch, now) && now < held.until.plus(longest);
        match seen(&kept, now) {
            seen @ Seen::Record { .. } if holds || held_then || ran_out => Some(seen),
            Seen::Absent | Seen::Odd(_) | Seen::Record { .. } => None,
        }
    }
}

fn seen<T>(kept: &Kept<Content<T>>, now: Moment) -> Seen<T> {
    match &kept.value {
        Content::Absent => Seen::Absent,
        Content::Record { known, ttl_ends } => {
            Seen::Record { known: Arc::clone(known), ttl_left: ttl_ends.map(|ends| now.until(ends)) }
        }
    }
}

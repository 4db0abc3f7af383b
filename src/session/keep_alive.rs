//! Which touch a session is due, by its record, its store and its profile.

use crate::clock::{Moment, UnixMillis};
use crate::config::IdleTouch;
use crate::format::{Lookup, Touching};
use crate::session::cache::Known;
use crate::session::profile::Profile;
use crate::session::touch::{DueTouch, is_due};
use crate::store::{Change, RecordKind, SpringChange, Store, Touch};
use std::sync::Arc;
use std::time::Duration;

/// What is said of how long a session lives.
pub(super) struct Life {
    /// By its record, as a time.
    pub(super) own_end: Option<UnixMillis>,
    /// By its record, as how long it may idle.
    pub(super) idle: Option<Duration>,
    /// By its store.
    pub(super) ttl_left: Option<Duration>,
}

/// The touch that a session is due, if it is: under the key of this number.
pub(super) fn due<T>(
    profile: &Profile,
    (lookup, at): (&Lookup, usize),
    known: &Known<T>,
    Life { own_end, idle, ttl_left }: Life,
    now: UnixMillis,
) -> Option<Box<DueTouch>> {
    let IdleTouch::Gateway { life: configured, .. } = &profile.idle_touch else { return None };
    let own_left = own_end.map(|end| now.until(end));
    let rewrites = profile.format.touching() == Touching::Rewrite && own_left.is_some();
    let (left, life) = if rewrites {
        (own_left?, idle?)
    } else {
        let left = ttl_left?;
        let life = configured.or(idle).unwrap_or_else(|| known.mark().longest(left));
        // What the record ends, no TTL makes longer.
        (left, own_left.map_or(life, |own| life.min(own)))
    };
    if !is_due(left, life) {
        return None;
    }
    let key = lookup.keys.get(at)?.clone();
    let touch = if rewrites {
        let rewritten = profile.format.rewritten(known.record(), &lookup.id, now, life)?;
        Touch { key, ttl: rewritten.ttl, change: rewritten.change }
    } else {
        Touch { key, ttl: life, change: Change::None }
    };
    Some(Box::new(DueTouch { store: profile.store?, touch, life, mark: Arc::clone(known.mark()) }))
}

impl DueTouch {
    /// Does it, if nobody else does just now; whether it was this that did.
    pub(super) fn touch(&self, store: &Store) -> bool {
        if !self.mark.take(Moment::now(), self.life) {
            return false;
        }
        let mark = Arc::clone(&self.mark);
        store.touch(self.touch.clone(), move || mark.failed(Moment::now()));
        true
    }
}

/// Tries to keep alive what nobody has, by every profile that would keep something alive.
pub(super) fn try_touches(profiles: &[Profile], stores: &[Store]) {
    for profile in profiles.iter().filter(|profile| profile.keeps_alive()) {
        let key = profile.format.key_of(b"cloakroom-may-we-touch");
        let store = profile.store.and_then(|id| stores.get(id.0));
        let (Some(key), Some(store)) = (key, store) else { continue };
        let change = match (profile.format.touching(), profile.format.record_kind()) {
            (Touching::Rewrite, RecordKind::String) => {
                Change::Value { old: b"-".to_vec(), new: b"-".to_vec() }
            }
            (Touching::Rewrite, RecordKind::Hash) => Change::Spring(Box::new(SpringChange::of_none(&key))),
            (Touching::Expire | Touching::Never(_), _) => Change::None,
        };
        store.touch(Touch { key, ttl: Duration::from_secs(1), change }, || ());
    }
}

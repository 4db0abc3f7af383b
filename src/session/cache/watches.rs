//! Who wants to hear of a change of a session at once: whatever goes on longer than a request.
//!
//! The bell belongs to one worker. A store's thread rings it and never waits; the worker looks into it when it is woken. What is
//! written there are numbers, each at most once, so a session that changes a thousand times costs one.

use crate::session::cache::key::CacheKey;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// One worker's bell.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<HashSet<u64>>,
    woken: Notify,
}

/// Who hears of which key.
#[derive(Default)]
pub(in crate::session) struct Watches {
    /// Looked at first, so that a gateway without streams takes no lock for a change.
    watched: AtomicUsize,
    by_key: Mutex<HashMap<CacheKey, Vec<Watcher>>>,
}

/// A number and the bell it rings.
#[derive(Clone)]
struct Watcher {
    number: u64,
    bell: Arc<Bell>,
}

/// Keys that are watched for one number, until this is dropped.
pub struct Watch {
    watches: Arc<Watches>,
    keys: Vec<CacheKey>,
    number: u64,
    bell: Arc<Bell>,
}

impl Bell {
    /// Waits until it rings, and takes the numbers. One that rang before is not lost.
    pub async fn wait(&self) {
        self.woken.notified().await;
    }

    /// The numbers that were rung since.
    pub fn take(&self) -> HashSet<u64> {
        std::mem::take(&mut *self.rung.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Wakes who waits, without a number.
    pub fn wake(&self) {
        self.woken.notify_one();
    }

    fn ring(&self, number: u64) {
        let first = self.rung.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
        if first {
            self.woken.notify_one();
        }
    }
}

impl Watches {
    pub(in crate::session) fn watch(
        self: &Arc<Self>,
        keys: Vec<CacheKey>,
        number: u64,
        bell: &Arc<Bell>,
    ) -> Watch {
        let mut by_key = self.lock();
        for key in &keys {
            by_key.entry(*key).or_default().push(Watcher { number, bell: Arc::clone(bell) });
        }
        self.watched.store(by_key.len(), Ordering::Release);
        drop(by_key);
        Watch { watches: Arc::clone(self), keys, number, bell: Arc::clone(bell) }
    }

    /// The key changed. Called after its slot was marked, so that who looks then sees the mark.
    pub(in crate::session) fn changed(&self, key: CacheKey) {
        if self.watched.load(Ordering::Acquire) == 0 {
            return;
        }
        let watchers = self.lock().get(&key).cloned().unwrap_or_default();
        for watcher in watchers {
            watcher.bell.ring(watcher.number);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CacheKey, Vec<Watcher>>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut by_key = self.watches.lock();
        for key in &self.keys {
            let Some(watchers) = by_key.get_mut(key) else { continue };
            watchers.retain(|other| other.number != self.number || !Arc::ptr_eq(&other.bell, &self.bell));
            if watchers.is_empty() {
                by_key.remove(key);
            }
        }
        self.watches.watched.store(by_key.len(), Ordering::Release);
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watch({} keys)", self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StoreId;
    use crate::store::RecordKind;

    fn key(name: &[u8]) -> CacheKey {
        CacheKey::new(StoreId(0), RecordKind::String, name)
    }

    #[test]
    fn only_who_watches_a_key_hears_of_it_and_once() {
        let (watches, bell, other) = (Arc::new(Watches::default()), Arc::default(), Arc::default());
        let _one = watches.watch(vec![key(b"a"), key(b"b")], 1, &bell);
        let _two = watches.watch(vec![key(b"b")], 2, &other);
        watches.changed(key(b"c"));
        assert!(bell.take().is_empty() && other.take().is_empty());
        watches.changed(key(b"a"));
        watches.changed(key(b"a"));
        assert_eq!((bell.take(), other.take()), (HashSet::from([1]), HashSet::new()));
        watches.changed(key(b"b"));
        assert_eq!((bell.take(), other.take()), (HashSet::from([1]), HashSet::from([2])));
    }

    #[test]
    fn who_is_gone_leaves_nothing_behind() {
        let (watches, bell) = (Arc::new(Watches::default()), Arc::default());
        let (one, two) = (watches.watch(vec![key(b"a")], 1, &bell), watches.watch(vec![key(b"a")], 2, &bell));
        drop(one);
        watches.changed(key(b"a"));
        assert_eq!(bell.take(), HashSet::from([2]));
        drop(two);
        assert!(watches.lock().is_empty());
        assert_eq!(watches.watched.load(Ordering::Acquire), 0);
    }
}

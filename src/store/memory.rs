//! A store inside the process, for the demo and for tests: nothing else can write to it.

use crate::clock::{Clock, UnixMillis};
use crate::store::nearby::{NAMES_MAX, Nearby, Tally};
use crate::store::{Reading, Record, RecordKind, StoreKey, Stored};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Most records kept; past it the demo's oldest sessions are not worth their memory and new ones are refused.
const RECORDS_MAX: usize = 100_000;

/// Records by key, each with its end. Clones share one map.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    clock: Clock,
    records: Arc<Mutex<HashMap<Vec<u8>, Kept>>>,
}

#[derive(Clone, Debug)]
struct Kept {
    record: Record,
    ends_at: Option<UnixMillis>,
}

impl MemoryStore {
    /// An empty store that ends records by `clock`.
    pub fn new(clock: Clock) -> Self {
        Self { clock, records: Arc::default() }
    }

    /// Reads a record as Redis would.
    pub fn read(&self, key: &StoreKey, kind: RecordKind) -> Reading {
        let now = self.clock.now();
        let Some(kept) = self.records().get(key.expose()).filter(|kept| kept.is_live(now)).cloned() else {
            return Reading::Missing;
        };
        let fits = match kept.record {
            Record::String(_) => kind == RecordKind::String,
            Record::Hash(_) => kind == RecordKind::Hash,
        };
        if !fits {
            return Reading::WrongType;
        }
        let ttl_ms = kept.ends_at.map(|end| u64::try_from(now.until(end).as_millis()).unwrap_or(u64::MAX));
        Reading::Found(Stored { record: kept.record, ttl_ms })
    }

    /// Writes a record that lives for `ttl`, or until it is deleted. Returns whether there was room.
    pub fn write(&self, key: &[u8], record: Record, ttl: Option<Duration>) -> bool {
        let now = self.clock.now();
        let mut records = self.records();
        if records.len() >= RECORDS_MAX {
            records.retain(|_, kept| kept.is_live(now));
        }
        if records.len() >= RECORDS_MAX && !records.contains_key(key) {
            return false;
        }
        records.insert(key.to_vec(), Kept { record, ends_at: ttl.map(|ttl| now.plus(ttl)) });
        true
    }

    /// What the keys are called.
    pub fn nearby(&self, prefix: &[u8]) -> Nearby {
        let mut tally = Tally::new(prefix);
        let records = self.records();
        records.keys().take(NAMES_MAX).for_each(|name| tally.add(name));
        tally.finish(records.len() <= NAMES_MAX)
    }

    /// All keys that begin so.
    pub(crate) fn names(&self, prefix: &[u8]) -> Vec<Vec<u8>> {
        self.records().keys().filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    /// Lets a record that is still there live for `ttl` from now on, unless it lives longer anyway.
    pub fn extend(&self, key: &[u8], ttl: Duration) {
        let now = self.clock.now();
        if let Some(kept) = self.records().get_mut(key).filter(|kept| kept.is_live(now)) {
            kept.ends_at = kept.ends_at.map(|end| end.max(now.plus(ttl)));
        }
    }

    /// Deletes a record.
    pub fn delete(&self, key: &[u8]) {
        self.records().remove(key);
    }

    fn records(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<u8>, Kept>> {
        // A panic while the lock is held leaves a whole map: every operation on it is one call.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_live(&self, now: UnixMillis) -> bool {
        self.ends_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (MemoryStore, Clock) {
        let clock = Clock::manual(UnixMillis::from_secs(100));
        (MemoryStore::new(clock.clone()), clock)
    }

    fn found(reading: Reading) -> bool {
        matches!(reading, Reading::Found(_))
    }

    #[test]
    fn a_record_ends_with_its_ttl() {
        let (store, clock) = store();
        store.write(b"k", Record::String(b"v".to_vec()), Some(Duration::from_secs(5)));
        let key = StoreKey::new(b"k".to_vec());
        clock.set(UnixMillis::new(104_999));
        assert!(found(store.read(&key, RecordKind::String)));
        clock.set(UnixMillis::from_secs(105));
        assert!(matches!(store.read(&key, RecordKind::String), Reading::Missing));
    }

    #[test]
    fn a_record_of_another_type_is_said_to_be_one() {
        let (store, _) = store();
        store.write(b"k", Record::Hash(vec![]), None);
        assert!(matches!(store.read(&StoreKey::new(b"k".to_vec()), RecordKind::String), Reading::WrongType));
    }

    #[test]
    fn a_deleted_record_is_gone() {
        let (store, _) = store();
        store.write(b"k", Record::String(vec![]), None);
        store.delete(b"k");
        assert!(!found(store.read(&StoreKey::new(b"k".to_vec()), RecordKind::String)));
    }
}

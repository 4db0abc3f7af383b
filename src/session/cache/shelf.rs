//! Where the slots' kept values are: moka, which decides what is worth its memory.
//!
//! It may refuse an insert and drop what it likes at any time; nothing relies on a value being here. It is never asked to
//! load: a load that races an invalidation would stay in it (SECURITY §4.2). Absences have a shelf of their own, since their keys are
//! chosen by whoever sends cookies: they can push out each other and no session.

use crate::session::cache::slots::Kept;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

/// Absences kept; each lives for a second, so more than 10,000 guesses a second only push out each other.
const ABSENCES_MAX: u64 = 10_000;

type Held<K, V> = moka::sync::Cache<K, Arc<Kept<V>>, BuildHasherDefault<Taken>>;

/// All kept values of the process.
pub(crate) struct Shelf<K, V> {
    records: Held<K, V>,
    absences: Held<K, V>,
    /// What a value weighs; `None`: it is an absence.
    weigh: fn(&V) -> Option<u32>,
}

/// Keys are hashes already: eight bytes of one are as good as any hash of it.
#[derive(Default)]
pub(crate) struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

impl<K: Copy + Eq + Hash + Send + Sync + 'static, V: Send + Sync + 'static> Shelf<K, V> {
    /// An empty one, for records of so much weight.
    pub(crate) fn new(weigh: fn(&V) -> Option<u32>, weight_max: u64) -> Self {
        let by_weight = move |_: &K, kept: &Arc<Kept<V>>| weigh(&kept.value).unwrap_or(1);
        let records = moka::sync::Cache::builder().max_capacity(weight_max).weigher(by_weight);
        let absences = moka::sync::Cache::builder().max_capacity(ABSENCES_MAX);
        let (records, absences) =
            (records.build_with_hasher(Default::default()), absences.build_with_hasher(Default::default()));
        Self { records, absences, weigh }
    }

    pub(crate) fn get(&self, key: &K) -> Option<Arc<Kept<V>>> {
        self.records.get(key).or_else(|| self.absences.get(key))
    }

    pub(crate) fn put(&self, key: K, kept: Arc<Kept<V>>) {
        let (home, other) = match (self.weigh)(&kept.value) {
            Some(_) => (&self.records, &self.absences),
            None => (&self.absences, &self.records),
        };
        home.insert(key, kept);
        other.invalidate(&key);
    }

    /// How many records are held. Not for the path of a request: it does moka's own pending work first, without which a quiet gateway
    /// would count none.
    pub(crate) fn records(&self) -> u64 {
        self.records.run_pending_tasks();
        self.records.entry_count()
    }
}

impl<K, V> std::fmt::Debug for Shelf<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shelf")
    }
}

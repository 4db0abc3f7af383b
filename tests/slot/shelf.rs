//! A shelf that keeps everything: what moka may drop makes no stale hit.

use crate::session::cache::slots::Kept;
use crate::store::sync::{Mutex, lock};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

pub(crate) struct Shelf<K, V>(Mutex<HashMap<K, Arc<Kept<V>>>>);

impl<K: Copy + Eq + Hash, V> Shelf<K, V> {
    pub(crate) fn new(_weigh: fn(&V) -> Option<u32>, _weight_max: u64) -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    pub(crate) fn get(&self, key: &K) -> Option<Arc<Kept<V>>> {
        lock(&self.0).get(key).cloned()
    }

    pub(crate) fn put(&self, key: K, kept: Arc<Kept<V>>) {
        lock(&self.0).insert(key, kept);
    }
}

//! Decoded sessions, kept while their bytes stay the same.

use crate::clock::UnixMillis;
use crate::config::StoreId;
use crate::session::verified::Session;
use crate::store::{Record, StoreKey};
use aws_lc_rs::digest;
use std::sync::Arc;

/// Memory the cache may take, records and decoded data together, in bytes: about 100,000 sessions of a usual size.
const WEIGHT_MAX: u64 = 256 * 1024 * 1024;
/// What an entry weighs beside its record: the decoded session is about as large again, plus tokens.
const ENTRY_WEIGHT: usize = 2048;

/// Name of an entry: the full hash over the length-prefixed store and key, so that no two records share one and no key
/// can be read from a heap dump.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CacheKey([u8; 32]);

impl CacheKey {
    pub(super) fn new(store: StoreId, profile: crate::config::ProfileId, key: &StoreKey) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [store.0, profile.0, key.expose().len()] {
            context.update(&u64::try_from(part).unwrap_or(u64::MAX).to_be_bytes());
        }
        context.update(key.expose());
        Self(context.finish().as_ref().try_into().unwrap_or_default())
    }
}

/// A decoded session beside the bytes it was decoded from.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) record: Record,
    pub(super) session: Arc<Session<T>>,
    /// When the record itself says that it ends.
    pub(super) ends_at: Option<UnixMillis>,
}

/// All decoded sessions of the process; shared by its workers. An entry is no proof of anything: whoever takes one
/// compares its bytes with what the store says now.
pub struct SessionCache<T>(moka::sync::Cache<CacheKey, Arc<Entry<T>>>);

impl<T: Send + Sync + 'static> SessionCache<T> {
    /// An empty cache.
    pub fn new() -> Self {
        let weigh = |_: &CacheKey, entry: &Arc<Entry<T>>| {
            u32::try_from(ENTRY_WEIGHT + 2 * entry.record.len()).unwrap_or(u32::MAX)
        };
        Self(moka::sync::Cache::builder().max_capacity(WEIGHT_MAX).weigher(weigh).build())
    }

    /// How many sessions are held. Not for the path of a request: it does the cache's own pending work first, without which
    /// a quiet gateway would count none.
    pub fn len(&self) -> u64 {
        self.0.run_pending_tasks();
        self.0.entry_count()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn get(&self, key: &CacheKey) -> Option<Arc<Entry<T>>> {
        self.0.get(key)
    }

    pub(super) fn insert(&self, key: CacheKey, entry: Arc<Entry<T>>) {
        self.0.insert(key, entry);
    }

    pub(super) fn remove(&self, key: &CacheKey) {
        self.0.invalidate(key);
    }
}

impl<T: Send + Sync + 'static> Default for SessionCache<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> std::fmt::Debug for SessionCache<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionCache")
    }
}

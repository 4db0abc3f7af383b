//! The name of an entry.

use crate::config::StoreId;
use crate::store::RecordKind;
use aws_lc_rs::{digest, rand};
use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

/// Random for each process: who could compute the hashes could choose session ids that crowd into one corner of the table.
static SALT: LazyLock<[u8; 8]> = LazyLock::new(|| {
    let mut salt = [0; 8];
    // Where there is no randomness no gateway started: its request ids need some too.
    let _ = rand::fill(&mut salt);
    salt
});

/// The full hash over a salt and the length-prefixed store, kind and key, so that no two records share one and no key can be read from a heap
/// dump.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::session) struct CacheKey([u8; 32]);

impl CacheKey {
    pub(in crate::session) fn new(store: StoreId, kind: RecordKind, key: &[u8]) -> Self {
        let kind = match kind {
            RecordKind::String => 0,
            RecordKind::Hash => 1,
        };
        let number = |number| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
        let ([a, b, c, d], [e, f, g, h]) = (number(store.0), number(key.len()));
        // No longer than it must be: with a usual key behind it, it is one block of the hash.
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(SALT.as_slice());
        context.update(&[kind, a, b, c, d, e, f, g, h]);
        context.update(key);
        Self(context.finish().as_ref().try_into().unwrap_or_default())
    }
}

/// It is a hash already: its first bytes will do.
impl Hash for CacheKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let first = self.0.first_chunk::<8>().copied().unwrap_or_default();
        state.write_u64(u64::from_be_bytes(first));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_kinds_and_keys_are_told_apart() {
        let key = |store, kind, key: &[u8]| CacheKey::new(StoreId(store), kind, key);
        let one = key(0, RecordKind::String, b"sess:a");
        assert!(one == key(0, RecordKind::String, b"sess:a"));
        assert!(one != key(1, RecordKind::String, b"sess:a"));
        assert!(one != key(0, RecordKind::Hash, b"sess:a"));
        assert!(one != key(0, RecordKind::String, b"sess:b"));
    }
}

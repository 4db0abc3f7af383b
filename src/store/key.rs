//! The name of a record, which is as good as the session itself and so never printed.

use zeroize::Zeroize;

/// A key in a store. Whoever knows it knows the session id, so it has neither `Display` nor a telling `Debug`, and
/// it is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreKey(Vec<u8>);

impl StoreKey {
    /// The key with exactly these bytes.
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for the command that reads them and the hash that caches them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for StoreKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreKey")
    }
}

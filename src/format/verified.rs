//! Tokens that verified before, so that a browser's hundredth request does not cost a public-key operation again.
//!
//! A token that verified once under the same keys and rules verifies for ever: what changes with time, its begin and its
//! end, is judged on every request by whoever asked. So a format stays a function of the cookie, as if this were not here. An
//! entry is found by the hash of the whole token, signature included; only what verified is kept, so that nobody but the
//! app can fill it, and new keys come with a new format and an empty one of these.

use crate::codec::seal::{self, Hash};
use crate::format::{Carried, Reject};
use std::sync::Arc;

/// Memory that the tokens of one profile may take, in bytes: some ten thousand of a usual size.
const WEIGHT_MAX: u64 = 32 * 1024 * 1024;
/// The claims as a tree, and the entry, weigh so many times what the token does.
const WEIGHT_FACTOR: usize = 4;

/// The tokens of one format that verified.
pub struct Verified(moka::sync::Cache<Vec<u8>, Arc<Carried>>);

impl Verified {
    /// None yet.
    pub fn new() -> Self {
        let weigh = |_: &Vec<u8>, carried: &Arc<Carried>| {
            u32::try_from(512 + WEIGHT_FACTOR * carried.id.expose().len()).unwrap_or(u32::MAX)
        };
        Self(moka::sync::Cache::builder().max_capacity(WEIGHT_MAX).weigher(weigh).build())
    }

    /// What `token` carries; `verify` is asked if it did not verify before.
    ///
    /// # Errors
    /// What `verify` says.
    pub fn get(
        &self,
        token: &[u8],
        verify: impl FnOnce() -> Result<Carried, Reject>,
    ) -> Result<Arc<Carried>, Reject> {
        let name = seal::digest(Hash::Sha256, &[token]);
        if let Some(carried) = self.0.get(&name) {
            return Ok(carried);
        }
        let carried = Arc::new(verify()?);
        self.0.insert(name, Arc::clone(&carried));
        Ok(carried)
    }
}

impl Default for Verified {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verified")
    }
}

//! Sessions that came whole in their cookie, kept for what lives and dies with them.

use crate::format::Reject;
use crate::session::fingerprint::Fingerprint;
use crate::session::verified::Session;
use std::sync::Arc;

/// Most sessions kept by one worker: with a few tokens each, some 32 MiB.
const SESSIONS_MAX: u64 = 8 * 1024;

/// One worker's sessions without a record. An entry saves a second token from being signed and proves nothing: whoever
/// takes it has just verified the cookie that it was made from, and the fingerprint is a keyed hash of all that was signed.
pub(super) struct CarriedSessions<T>(moka::sync::Cache<Fingerprint, Arc<Session<T>>>);

impl<T: Send + Sync + 'static> CarriedSessions<T> {
    pub(super) fn new() -> Self {
        Self(moka::sync::Cache::new(SESSIONS_MAX))
    }

    /// The session of this fingerprint, if it is here.
    pub(super) fn find(&self, sid: &Fingerprint) -> Option<Arc<Session<T>>> {
        self.0.get(sid)
    }

    /// The session of this fingerprint, made if it is not here.
    ///
    /// # Errors
    /// What `make` returns.
    pub(super) fn session(
        &self,
        sid: &Fingerprint,
        make: impl FnOnce() -> Result<Session<T>, Reject>,
    ) -> Result<Arc<Session<T>>, Reject> {
        if let Some(session) = self.0.get(sid) {
            return Ok(session);
        }
        let session = Arc::new(make()?);
        self.0.insert(sid.clone(), Arc::clone(&session));
        Ok(session)
    }
}

impl<T> std::fmt::Debug for CarriedSessions<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CarriedSessions")
    }
}

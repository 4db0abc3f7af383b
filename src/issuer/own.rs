//! Tokens of our own that come back as bearers.

use crate::session::{Behind, Session, VerifiedSession};
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex, PoisonError};

/// What a token of ours says, and what was found behind it: remembered with the token.
#[derive(Debug)]
pub struct OwnBearer<T> {
    /// Its claims.
    pub claims: Map<String, Value>,
    found: Mutex<Option<Found<T>>>,
}

#[derive(Debug)]
struct Found<T> {
    behind: Arc<Behind>,
    /// The session as the token has it.
    shown: Option<Arc<Session<T>>>,
}

impl<T: Default> OwnBearer<T> {
    /// Of this payload, which one of our keys signed.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        match serde_json::from_slice(payload) {
            Ok(Value::Object(claims)) => Some(Self { claims, found: Mutex::default() }),
            Ok(_) | Err(_) => None,
        }
    }

    /// What leads to its session, if that was asked for before.
    pub fn behind(&self) -> Option<Arc<Behind>> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.as_ref().map(|found| Arc::clone(&found.behind))
    }

    /// The session that was found behind it, as the `bearer` has it.
    #[must_use]
    pub fn stand(
        &self,
        live: &VerifiedSession<T>,
        bearer: &VerifiedSession<T>,
        behind: Arc<Behind>,
    ) -> VerifiedSession<T> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = found.take().and_then(|found| found.shown);
        let shown = live.shown_by(bearer, kept, Arc::clone(&behind));
        *found = Some(Found { behind, shown: Some(shown.kept()) });
        shown
    }
}

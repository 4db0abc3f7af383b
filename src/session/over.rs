//! Sessions that were ended at a gateway, and are there still or again.

use crate::clock::UnixMillis;
use crate::session::authenticator::Authenticator;
use crate::session::verified::Session;
use crate::state::Endings;
use crate::store::Record;
use std::sync::Arc;

impl<T: Default + Send + Sync + 'static> Authenticator<T> {
    /// The same, and nothing that was ended goes on.
    #[must_use]
    pub fn refusing(mut self, endings: Option<Arc<Endings>>) -> Self {
        self.endings = endings;
        self
    }

    /// Whether a session was ended that its store, or its cookie, still has. Where nothing was ever ended, one look says so.
    pub(super) fn is_over(&self, session: &Session<T>, record: Option<&Record>, now: UnixMillis) -> bool {
        let Some(endings) = &self.endings else { return false };
        let generation = endings.generation();
        if session.marks.is_cleared(generation) {
            return false;
        }
        let user = || self.fingerprints.user(&session.client_id, &session.sub);
        let record = || record.map(|record| self.fingerprints.record(record));
        let over = endings.refuses(session.sid.as_str(), user, record, now);
        if !over {
            session.marks.clear(generation);
        }
        over
    }
}

//! Knowing which sessions there are, where that is kept, and what became of them.

use crate::clock::UnixMillis;
use crate::pipeline::gateway::{Gateway, Shared};
use crate::request::Cookies;
use crate::revocation::Revoker;
use crate::session::VerifiedSession;
use crate::state::{Endings, State};
use crate::token::Slots;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long after its end a session may still be written by a request that its app is working on.
const LATE: Duration = Duration::from_secs(10 * 60);

impl Shared {
    /// What was ended; `None` where nothing can be.
    pub const fn endings(&self) -> Option<&Arc<Endings>> {
        self.endings.as_ref()
    }

    /// A worker's way to know and end sessions, if it is kept which there are.
    pub(super) fn revoker(&self, state: Option<&State>) -> Option<Rc<Revoker>> {
        let endings = Arc::clone(self.endings.as_ref()?);
        let keep = self.minter().templates().longest() + LATE;
        Revoker::new(state?.clone(), endings, self.fingerprints().clone(), keep).map(Rc::new)
    }
}

impl Gateway {
    /// Notes that a session passed, if it is noted which there are.
    pub(super) async fn note(&self, session: &VerifiedSession<Slots>, cookies: &Cookies, now: UnixMillis) {
        if let Some(revoker) = &self.revoker {
            revoker.note(&self.authenticator, session, cookies, now).await;
        }
    }

    /// Hears what other gateways end, and looks for what is to end in the stores, as long as it is polled.
    pub async fn follow_endings(&self) {
        if let Some(revoker) = &self.revoker {
            let searching = revoker.run_searches(&self.authenticator, || self.now());
            self.shared.cache().collect_departed(self.shared.clock().clone());
            let telling = revoker.tell_departed(self.shared.cache(), || self.now());
            tokio::join!(revoker.follow(|| self.now()), searching, telling);
        }
    }
}

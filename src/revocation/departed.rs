//! Sessions that their app ended, for services that hold tokens of theirs.

use crate::clock::UnixMillis;
use crate::revocation::register::Revoker;
use crate::session::{Session, SessionCache};
use crate::state::Ended;
use crate::telemetry::chain;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked who went.
const LOOK_EVERY: Duration = Duration::from_millis(250);

impl Revoker {
    /// Tells of sessions whose record went away while their tokens go on, as long as it is polled.
    pub async fn tell_departed<T: Send + Sync + 'static>(
        &self,
        cache: &SessionCache<T>,
        now: impl Fn() -> UnixMillis,
    ) {
        let mut waiting = VecDeque::new();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // Who went by our own hand is told of by who ended it, within a look.
            let (next, lost) = cache.take_departed();
            if lost > 0 {
                tracing::warn!(lost, "more sessions ended at once than services can be told of");
            }
            self.tell_all(std::mem::replace(&mut waiting, next), &now).await;
        }
    }

    async fn tell_all<T>(&self, departed: VecDeque<Arc<Session<T>>>, now: &impl Fn() -> UnixMillis) {
        for session in departed {
            let sid = session.sid.as_str();
            if self.endings.has_session(sid, now()) {
                continue;
            }
            let gone = Ended::Gone { sid: sid.to_owned(), until: now().plus(self.keep).as_millis() };
            if let Err(error) = self.tell(&gone, now()).await {
                tracing::warn!(%sid, error = %chain(&error), "a session has ended, and services cannot be told");
            }
        }
    }
}

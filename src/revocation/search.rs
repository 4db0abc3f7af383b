//! Looking through a store for sessions that never came by here.

use crate::clock::UnixMillis;
use crate::config::ProfileId;
use crate::revocation::ending::{MARK, Spared};
use crate::revocation::register::Revoker;
use crate::session::Authenticator;
use crate::store::{Cursor, StoreError, StoreKey};
use crate::telemetry::chain;
use std::time::Duration;

/// So few keys at a time, and such a pause between: some ten thousand keys a second, which a Redis does not feel.
const PAUSE: Duration = Duration::from_millis(10);

/// What is to be looked for.
#[derive(Debug)]
pub struct Search {
    pub(super) profile: ProfileId,
    pub(super) user: String,
    pub(super) spared: Spared,
}

impl Search {
    pub(super) const fn new(profile: ProfileId, user: String, spared: Spared) -> Self {
        Self { profile, user, spared }
    }
}

impl Revoker {
    /// Looks through the profile's store and ends what it finds of the user, then lifts the mark.
    pub async fn search<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        search: Search,
        now: impl Fn() -> UnixMillis,
    ) {
        match self.look_through(authenticator, &search, &now).await {
            Ok(found) => tracing::info!(found, "all of a user's sessions have ended"),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "a store could not be searched for a user's sessions: those that never came by here go on (searching takes `+scan`)");
            }
        }
        self.lift(&search.user, now()).await;
    }

    async fn look_through<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        search: &Search,
        now: &impl Fn() -> UnixMillis,
    ) -> Result<usize, StoreError> {
        let Some((store, names)) = authenticator.keys_of(search.profile) else { return Ok(0) };
        let (mut cursor, mut found, mut marked) = (Some(Cursor::default()), 0, now());
        while let Some(at) = cursor {
            let (keys, next) = store.names(&names.prefix, at).await?;
            for key in keys {
                found +=
                    usize::from(self.try_key(authenticator, search, (&key, names.id(&key)), now()).await?);
            }
            cursor = next;
            if marked.until(now()) > MARK / 4 {
                marked = now();
                if let Err(error) = self.mark(&search.user, &search.spared, marked).await {
                    tracing::debug!(error = %chain(&error), "a mark could not be renewed");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(found)
    }

    /// Ends what is under a key, if it is a session of the user's; whether it was.
    async fn try_key<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        search: &Search,
        (key, id): (&StoreKey, Option<&[u8]>),
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let Some(id) = id else { return Ok(false) };
        let Some((session, record)) = authenticator.owner_at(search.profile, key, id).await? else {
            return Ok(false);
        };
        let spared = search.spared.as_deref() == Some(session.sid.as_str());
        if spared || self.user_of(&session) != search.user {
            return Ok(false);
        }
        authenticator.end_at(search.profile, (key, id), &record).await?;
        self.bury(&session, Some(&record), now).await;
        Ok(true)
    }
}

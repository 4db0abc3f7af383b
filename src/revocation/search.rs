//! Looking through a store for sessions that never came by here.
//!
//! What is wanted is kept in `[state]`, and one gateway at a time runs it: who ends in the middle is followed by another, from the beginning.

use crate::clock::UnixMillis;
use crate::config::ProfileId;
use crate::revocation::RevocationError;
use crate::revocation::ending::{MARK, Spared};
use crate::revocation::register::Revoker;
use crate::session::{Authenticator, Session};
use crate::store::{Cursor, StoreError, StoreKey};
use crate::telemetry::chain;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// So few keys at a time, and such a pause between: some ten thousand keys a second, which a Redis does not feel.
const PAUSE: Duration = Duration::from_millis(10);
/// How many a gateway runs at once.
const RUNNING_MAX: usize = 4;
/// How often it asks whether there is one to run.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a search is somebody's who does not say that it still is. Less than a mark stands.
const LEASE: Duration = Duration::from_secs(30);

/// Which sessions of a profile.
#[derive(Debug, PartialEq, Eq)]
pub struct Whom {
    /// The profile.
    pub profile: ProfileId,
    /// Whose, as a hash; `None`: anybody's.
    pub user: Option<String>,
    /// Those in which an attribute has this value.
    pub having: Option<(String, String)>,
    /// All but this one.
    pub spared: Spared,
}

/// The same, as it is kept: with the profile's name, since gateways need not number them alike.
#[derive(Debug, Serialize, Deserialize)]
struct Wanted {
    profile: String,
    user: Option<String>,
    having: Option<(String, String)>,
    spared: Spared,
    /// Which tells one from the next.
    at: u64,
}

impl Whom {
    /// Whether a session, of this user, is one of them.
    pub(super) fn includes<T>(&self, session: &Session<T>, user: &str) -> bool {
        let has = |(name, value): &(String, String)| {
            let mut all = session.attributes.iter();
            all.any(|(known, found)| **known == **name && found.as_str() == Some(value))
        };
        self.spared.as_deref() != Some(session.sid.as_str())
            && self.user.as_deref().is_none_or(|whose| whose == user)
            && self.having.as_ref().is_none_or(has)
    }

    /// The user who is refused on sight until the search is over.
    fn marked(&self) -> Option<&str> {
        self.user.as_deref().filter(|_| self.having.is_none())
    }
}

impl Revoker {
    /// Has somebody look for them.
    pub(super) async fn want<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        whom: &Whom,
        now: UnixMillis,
    ) -> Result<(), RevocationError> {
        let profile = authenticator.profiles().get(whom.profile.0).map(|profile| profile.name.to_string());
        let wanted = Wanted {
            profile: profile.unwrap_or_default(),
            user: whom.user.clone(),
            having: whom.having.clone(),
            spared: whom.spared.clone(),
            at: now.as_millis(),
        };
        let wanted = serde_json::to_vec(&wanted).unwrap_or_default();
        if !self.state.add_search(&wanted).await.map_err(RevocationError::State)? {
            tracing::warn!(
                "too many searches are under way: sessions that were to end and never came by here go on"
            );
            if let Some(user) = whom.marked() {
                self.lift(user, now).await;
            }
        }
        Ok(())
    }

    /// Looks for what is wanted, as long as it is polled.
    pub async fn run_searches<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        now: impl Fn() -> UnixMillis,
    ) {
        let mut running = FuturesUnordered::new();
        loop {
            if running.len() < RUNNING_MAX
                && let Ok(Some(wanted)) = self.state.take_search(LEASE).await
            {
                running.push(self.run(authenticator, wanted, &now));
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                Some(()) = running.next(), if !running.is_empty() => {}
            }
        }
    }

    /// Looks through a profile's store and ends what it finds, then lifts the mark.
    async fn run<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        kept: Vec<u8>,
        now: &impl Fn() -> UnixMillis,
    ) {
        // What another build wrote is for builds of its kind, and its lease ends.
        let Ok(wanted) = serde_json::from_slice::<Wanted>(&kept) else { return };
        let profile = authenticator.profiles().iter().find(|profile| *profile.name == *wanted.profile);
        let Some(profile) = profile.map(|profile| profile.id) else { return };
        let whom = Whom { profile, user: wanted.user, having: wanted.having, spared: wanted.spared };
        match self.look_through(authenticator, (&whom, &kept), now).await {
            Ok(found) => tracing::info!(found, "all sessions that were to end have ended"),
            Err(StoreError::Refused { code }) => {
                tracing::warn!(
                    code,
                    "a store cannot be searched for sessions that are to end: those that never came by here go on (searching takes `+scan`)"
                );
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "a search for sessions that are to end broke off, and begins again when its store can be asked");
                return;
            }
        }
        if let Some(user) = whom.marked() {
            self.lift(user, now()).await;
        }
        if let Err(error) = self.state.end_search(&kept).await {
            tracing::debug!(error = %chain(&error), "a search that is done will be run once more");
        }
    }

    async fn look_through<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        (whom, kept): (&Whom, &[u8]),
        now: &impl Fn() -> UnixMillis,
    ) -> Result<usize, StoreError> {
        let Some((store, names)) = authenticator.keys_of(whom.profile) else { return Ok(0) };
        let (mut cursor, mut found) = (Some(Cursor::default()), 0);
        let (mut marked, mut leased) = (None, now());
        while let Some(at) = cursor {
            if marked.is_none_or(|marked: UnixMillis| marked.until(now()) > MARK / 4) {
                self.mark_again(whom, now()).await;
                marked = Some(now());
            }
            if leased.until(now()) > LEASE / 4 {
                leased = now();
                let _ = self.state.renew_search(kept, LEASE).await;
            }
            let (keys, next) = store.names(&names.prefix, at).await?;
            for key in keys {
                found += usize::from(self.try_key(authenticator, whom, (&key, names.id(&key)), now()).await?);
            }
            cursor = next;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(found)
    }

    async fn mark_again(&self, whom: &Whom, now: UnixMillis) {
        let Some(user) = whom.marked() else { return };
        if let Err(error) = self.mark(user, &whom.spared, now).await {
            tracing::debug!(error = %chain(&error), "a mark could not be renewed");
        }
    }

    /// Ends what is under a key, if it is a session of the user's; whether it was.
    async fn try_key<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        whom: &Whom,
        (key, id): (&StoreKey, Option<&[u8]>),
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let Some(id) = id else { return Ok(false) };
        let Some((session, record)) = authenticator.owner_at(whom.profile, key, id).await? else {
            return Ok(false);
        };
        if !whom.includes(&session, &self.user_of(&session)) {
            return Ok(false);
        }
        authenticator.end_at(whom.profile, (key, id), &record).await?;
        self.bury(&session, Some(&record), now).await;
        Ok(true)
    }
}

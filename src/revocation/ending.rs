//! The end of one session, or of all that a user has.

use crate::clock::UnixMillis;
use crate::config::ProfileId;
use crate::revocation::RevocationError;
use crate::revocation::register::{Live, Revoker};
use crate::revocation::search::Whom;
use crate::session::{Authenticator, Session};
use crate::state::Ended;
use crate::store::Record;
use crate::telemetry::chain;
use std::time::Duration;

/// How long a mark stands that nobody renews: the gateway that searched is gone.
pub(super) const MARK: Duration = Duration::from_secs(120);

/// The one session that goes on.
pub type Spared = Option<String>;

impl Revoker {
    /// Ends a session: its record, its token pairs, and that nobody brings it back.
    ///
    /// # Errors
    /// [`RevocationError`] if the record could not be ended: then the session goes on.
    pub async fn end<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        live: &Live<T>,
        now: UnixMillis,
    ) -> Result<(), RevocationError> {
        let session = live.session.session();
        let record = authenticator.end(&live.cookies, live.profile).await.map_err(RevocationError::Ending)?;
        self.bury(session, record.as_ref(), now).await;
        self.forget(session).await;
        Ok(())
    }

    /// Ends all sessions of a user but the spared one. Here, and at all gateways, all are over by then; the store is searched for those that
    /// nobody has heard of.
    ///
    /// # Errors
    /// [`RevocationError`] if that could not even be begun.
    pub async fn end_all<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        (profile, user): (ProfileId, String),
        spared: Spared,
        now: UnixMillis,
    ) -> Result<(), RevocationError> {
        self.mark(&user, &spared, now).await?;
        let whom = Whom { profile, user: Some(user.clone()), having: None, spared };
        let ended = self.end_found(authenticator, whom, now).await;
        if ended.is_err() {
            // Who was told that it failed is not to be locked out.
            self.lift(&user, now).await;
        }
        ended
    }

    /// Ends those that are noted, and has the others searched for: until they are found they go on.
    ///
    /// # Errors
    /// [`RevocationError`] if not all that are noted could be ended.
    pub async fn end_found<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        whom: Whom,
        now: UnixMillis,
    ) -> Result<(), RevocationError> {
        if let Some(user) = &whom.user {
            self.end_noted(authenticator, (&whom, user), now).await?;
        }
        self.want(authenticator, &whom, now).await
    }

    /// Ends what is noted of a user.
    async fn end_noted<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        (whom, user): (&Whom, &str),
        now: UnixMillis,
    ) -> Result<(), RevocationError> {
        let noted = self.state.noted_of(user).await.map_err(RevocationError::State)?;
        for (sid, sealed) in noted.into_iter().filter(|(sid, _)| whom.spared.as_ref() != Some(sid)) {
            let Some((name, cookies)) = self.seal.open(&sid, sealed) else { continue };
            let profile = authenticator.profiles().iter().find(|profile| *profile.name == *name);
            let Some(profile) = profile.map(|profile| profile.id) else { continue };
            let owner = authenticator.owner_of(&cookies, profile).await.map_err(RevocationError::Ending)?;
            match owner.filter(|(session, _)| self.user_of(session) == user) {
                Some((session, _)) if !whom.includes(&session, user) => {}
                Some((session, _)) => {
                    let record = authenticator.end(&cookies, profile).await;
                    let record = record.map_err(RevocationError::Ending)?;
                    self.bury(&session, record.as_ref(), now).await;
                    self.forget(&session).await;
                }
                // Somebody else's by now, or nobody's.
                None => self.state.forget(&sid, user).await.map_err(RevocationError::State)?,
            }
        }
        Ok(())
    }

    pub(super) async fn lift(&self, user: &str, now: UnixMillis) {
        let lifted = Ended::Lifted { user: user.to_owned(), at: now.as_millis() };
        if let Err(error) = self.tell(&lifted, now).await {
            tracing::warn!(error = %chain(&error), "a user whose sessions were ended stays locked out for up to {MARK:?}");
        }
    }

    /// Ends one token, which would have gone on until then.
    ///
    /// # Errors
    /// [`RevocationError`] if that could not be told.
    pub async fn end_token(
        &self,
        jti: &str,
        until: UnixMillis,
        now: UnixMillis,
    ) -> Result<(), RevocationError> {
        self.tell(&Ended::Token { jti: jti.to_owned(), until: until.as_millis() }, now).await
    }

    /// A user, as a hash.
    pub fn user(&self, client_id: &str, sub: &str) -> String {
        self.keys.user(client_id, sub)
    }

    /// Whose a session is, as a hash.
    pub(super) fn user_of<T>(&self, session: &Session<T>) -> String {
        self.user(&session.client_id, &session.sub)
    }

    pub(super) async fn mark(
        &self,
        user: &str,
        spared: &Spared,
        now: UnixMillis,
    ) -> Result<(), RevocationError> {
        let until = now.plus(MARK).as_millis();
        self.tell(&Ended::User { user: user.to_owned(), spared: spared.clone(), until }, now).await
    }

    /// Tells that a session is over whose record is gone. If that is not heard, it is over all the same.
    pub(super) async fn bury<T>(&self, session: &Session<T>, record: Option<&Record>, now: UnixMillis) {
        let ended = Ended::Session {
            sid: session.sid.as_str().to_owned(),
            user: self.user_of(session),
            record: record.map(|record| self.keys.record(record)).unwrap_or_default(),
            until: now.plus(self.keep).as_millis(),
        };
        if let Err(error) = self.tell(&ended, now).await {
            tracing::warn!(sid = %session.sid.as_str(), error = %chain(&error), "a session was ended, and other gateways may not hear of it");
        }
    }

    /// What came of a session that is over; it is of no use any more, so a failure costs nothing but room.
    async fn forget<T>(&self, session: &Session<T>) {
        let sid = session.sid.as_str();
        let families = self.state.end_families(sid).await;
        let noted = self.state.forget(sid, &self.user_of(session)).await;
        if let Err(error) = families.and(noted) {
            tracing::debug!(error = %chain(&error), "what came of a session outlives it, which it cannot use");
        }
    }
}

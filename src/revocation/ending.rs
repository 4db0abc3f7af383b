//! The end of one session, or of all that a user has.

use crate::clock::UnixMillis;
use crate::config::ProfileId;
use crate::revocation::RevocationError;
use crate::revocation::register::{Live, Revoker};
use crate::revocation::search::Search;
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

    /// Ends all sessions of a user but the spared one; what is left to be searched for. Here, and at all gateways, all are over by then.
    ///
    /// # Errors
    /// [`RevocationError`] if that could not even be begun.
    pub async fn end_all<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        (profile, client_id, sub): (ProfileId, &str, &str),
        spared: Spared,
        now: UnixMillis,
    ) -> Result<Search, RevocationError> {
        let user = self.keys.user(client_id, sub);
        self.mark(&user, &spared, now).await?;
        let search = Search::new(profile, user, spared);
        match self.end_noted(authenticator, &search, now).await {
            Ok(()) => Ok(search),
            Err(error) => {
                // Who was told that it failed is not to be locked out.
                self.lift(&search.user, now).await;
                Err(error)
            }
        }
    }

    /// Ends what is noted.
    async fn end_noted<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        search: &Search,
        now: UnixMillis,
    ) -> Result<(), RevocationError> {
        let noted = self.state.noted_of(&search.user).await.map_err(RevocationError::State)?;
        for (sid, sealed) in noted.into_iter().filter(|(sid, _)| search.spared.as_ref() != Some(sid)) {
            let Some((name, cookies)) = self.seal.open(&sid, sealed) else { continue };
            let profile = authenticator.profiles().iter().find(|profile| *profile.name == *name);
            let Some(profile) = profile.map(|profile| profile.id) else { continue };
            let owner = authenticator.owner_of(&cookies, profile).await.map_err(RevocationError::Ending)?;
            match owner.filter(|(session, _)| self.user_of(session) == search.user) {
                Some((session, _)) => {
                    let record = authenticator.end(&cookies, profile).await;
                    let record = record.map_err(RevocationError::Ending)?;
                    self.bury(&session, record.as_ref(), now).await;
                    self.forget(&session).await;
                }
                // Somebody else's by now, or nobody's.
                None => self.state.forget(&sid, &search.user).await.map_err(RevocationError::State)?,
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

    /// Whose a session is, as a hash.
    pub(super) fn user_of<T>(&self, session: &Session<T>) -> String {
        self.keys.user(&session.client_id, &session.sub)
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

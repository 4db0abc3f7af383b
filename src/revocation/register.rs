//! Noting sessions, and finding them again.

use crate::clock::UnixMillis;
use crate::config::{Freshness, Outage, ProfileId};
use crate::request::Cookies;
use crate::revocation::RevocationError;
use crate::revocation::seal::Seal;
use crate::session::{Authenticator, Behind, FingerprintKey, Policy, Verdict, VerifiedSession, Voucher};
use crate::state::{Ended, Endings, Noted, State};
use crate::telemetry::chain;
use std::sync::Arc;
use std::time::Duration;

/// Whether a session lives is worth a question, whatever routes do.
pub(super) const ASK: Policy =
    Policy { freshness: Some(Freshness::Strict), outage: Some(Outage::Deny), ahead: Duration::ZERO };
/// How long a session is remembered that says no end; it is noted again while it is used.
const ENDLESS: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// A session slides while it is used; it is remembered for so much longer than it has left.
const SLACK: Duration = Duration::from_secs(15 * 60);
/// How soon a note that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often the list is read on, and how far back each time: an entry of the same millisecond may come late.
const READ_EVERY: Duration = Duration::from_millis(250);
const OVERLAP: u64 = 5_000;
/// How often it is said how far `iat` is set back here.
const SKEW_EVERY: Duration = Duration::from_secs(120);

/// A worker's way to know and end sessions.
#[derive(Debug)]
pub struct Revoker {
    pub(super) state: State,
    pub(super) endings: Arc<Endings>,
    pub(super) keys: FingerprintKey,
    /// How long an ending is kept: longer than any token that was made before it.
    pub(super) keep: Duration,
    pub(super) seal: Seal,
}

/// A session that was found to live just now.
#[derive(Debug)]
pub struct Live<T> {
    /// The session.
    pub session: VerifiedSession<T>,
    /// Whose it is.
    pub profile: ProfileId,
    /// What leads to it.
    pub cookies: Cookies,
}

impl Revoker {
    /// With what is kept there; `None` if the system has no cipher for it.
    pub fn new(state: State, endings: Arc<Endings>, keys: FingerprintKey, keep: Duration) -> Option<Self> {
        Some(Self { seal: Seal::new(&keys)?, state, endings, keys, keep })
    }

    /// What is kept.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// What was ended.
    pub const fn endings(&self) -> &Arc<Endings> {
        &self.endings
    }

    /// Notes a session that just passed, where it has not been noted for a while. A failure is tried again with one of its next requests.
    pub async fn note<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        session: &VerifiedSession<T>,
        cookies: &Cookies,
        now: UnixMillis,
    ) {
        let known = session.session();
        let Voucher::Profile(id) = known.by else { return };
        let Some(profile) = authenticator.profiles().get(id.0) else { return };
        let left = session.ends_at().map_or(ENDLESS, |end| now.until(end) + SLACK);
        known.marks.noted_until(now.plus(left / 2));
        let cookies = cookies.only(&profile.format.cookie_names());
        let Some(sealed) = self.seal.seal(known.sid.as_str(), &profile.name, &cookies) else { return };
        let user = self.keys.user(&known.client_id, &known.sub);
        let noted = Noted { sid: known.sid.as_str(), user: &user, sealed: &sealed, life: left };
        if let Err(error) = self.state.note(&noted).await {
            known.marks.noted_until(now.plus(AGAIN));
            tracing::debug!(error = %chain(&error), "a session could not be noted");
        }
    }

    /// The session of a fingerprint, if it lives: asked of its own store.
    ///
    /// # Errors
    /// [`RevocationError`] if that could not be asked.
    pub async fn find<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        sid: &str,
        now: UnixMillis,
    ) -> Result<Option<Live<T>>, RevocationError> {
        match self.state.noted(sid).await.map_err(RevocationError::State)? {
            Some(sealed) => self.open(authenticator, sid, sealed, now).await,
            None => Ok(None),
        }
    }

    /// What leads to the session of a fingerprint, as it was noted; whether it lives is another question.
    ///
    /// # Errors
    /// [`RevocationError`] if that could not be asked.
    pub async fn behind<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        sid: &str,
    ) -> Result<Option<Behind>, RevocationError> {
        let noted = self.state.noted(sid).await.map_err(RevocationError::State)?;
        Ok(noted.and_then(|sealed| self.unseal(authenticator, sid, sealed)))
    }

    fn unseal<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        sid: &str,
        sealed: Vec<u8>,
    ) -> Option<Behind> {
        let (name, cookies) = self.seal.open(sid, sealed)?;
        let profile = authenticator.profiles().iter().find(|profile| *profile.name == *name)?.id;
        Some(Behind { profile, cookies, jti: None })
    }

    /// What was noted, if it leads to a session that lives and has this fingerprint.
    pub(super) async fn open<T: Default + Send + Sync + 'static>(
        &self,
        authenticator: &Authenticator<T>,
        sid: &str,
        sealed: Vec<u8>,
        now: UnixMillis,
    ) -> Result<Option<Live<T>>, RevocationError> {
        let Some(Behind { profile, cookies, .. }) = self.unseal(authenticator, sid, sealed) else {
            return Ok(None);
        };
        let asked = authenticator.authenticate(&cookies, &[profile], ASK, now).await;
        Ok(match asked.map_err(RevocationError::Session)?.verdict {
            Verdict::Verified(session) if session.session().sid.as_str() == sid => {
                Some(Live { session, profile, cookies })
            }
            Verdict::Verified(_) | Verdict::Absent | Verdict::Rejected(_) => None,
        })
    }

    /// Reads on what other gateways ended, for as long as it is polled.
    pub async fn follow(&self, now: impl Fn() -> UnixMillis) {
        let (mut last, mut reached) = (0_u64, true);
        let mut due = tokio::time::Instant::now();
        loop {
            if due <= tokio::time::Instant::now() && self.tell(&self.endings.skew(), now()).await.is_ok() {
                due += SKEW_EVERY;
            }
            match self.state.ended_since(last.saturating_sub(OVERLAP)).await {
                Ok(entries) => {
                    for (at, ended) in entries {
                        last = last.max(at);
                        self.endings.learn(at, &ended, now());
                    }
                    reached = true;
                }
                Err(error) => {
                    if std::mem::take(&mut reached) {
                        tracing::warn!(error = %chain(&error), "what other gateways end is not heard of just now");
                    }
                }
            }
            tokio::time::sleep(READ_EVERY).await;
        }
    }

    /// Tells all gateways, this one first of all.
    pub(super) async fn tell(&self, ended: &Ended, now: UnixMillis) -> Result<(), RevocationError> {
        let at = self.state.tell_ended(ended, self.keep).await.map_err(RevocationError::State)?;
        self.endings.learn(at, ended, now);
        Ok(())
    }
}

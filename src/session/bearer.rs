//! The second way to a [`VerifiedSession`]: a bearer token that its issuer's keys verified.

use crate::clock::UnixMillis;
use crate::codec::Value;
use crate::config::IssuerId;
use crate::format::Reject;
use crate::session::fingerprint::{Fingerprint, FingerprintKey};
use crate::session::identity::Identity;
use crate::session::verified::{Session, VerifiedSession, Voucher};
use std::sync::Arc;

/// What a bearer is turned into a session with. `issuer` alone makes use of it, after it checked signature and claims: this room
/// knows no keys of others.
#[derive(Debug)]
pub struct BearerIdentity {
    id: IssuerId,
    client_id: Arc<str>,
    identity: Identity,
}

impl BearerIdentity {
    /// Of the issuer with this name.
    pub fn new(id: IssuerId, name: &str, identity: Identity) -> Self {
        Self { id, client_id: name.into(), identity }
    }

    /// The session of a token's `claims`; `signed` is what tells it from every other token.
    ///
    /// # Errors
    /// [`Reject`] if there is no subject, or one that is none: a token of nobody is not one for us.
    pub fn session<T: Default>(
        &self,
        claims: &Value,
        signed: &[u8],
        fingerprints: &FingerprintKey,
    ) -> Result<Session<T>, Reject> {
        let sid = fingerprints.fingerprint(&self.client_id, signed);
        let subject = self.identity.subject_value(claims).flatten();
        let by = (Voucher::Issuer(self.id), &self.client_id);
        let session = self.identity.session(by, subject, claims, sid)?;
        if session.subject.is_none() {
            return Err(Reject::ClaimRefused("it names no subject"));
        }
        Ok(session)
    }

    /// The same of a token of ours, which says of what session, whose and by whom it was made.
    ///
    /// # Errors
    /// As [`BearerIdentity::session`].
    pub fn session_of_ours<T: Default>(
        &self,
        (claims, own): (&Value, &serde_json::Map<String, serde_json::Value>),
        signed: &[u8],
        fingerprints: &FingerprintKey,
    ) -> Result<Session<T>, Reject> {
        let text = |name: &str| own.get(name).and_then(serde_json::Value::as_str);
        let mut session = self.session(claims, signed, fingerprints)?;
        if let Some(sid) = text("sid") {
            session.sid = Fingerprint::named(sid);
        }
        if let Some(client_id) = text("client_id") {
            session.client_id = client_id.into();
        }
        session.act = own.get("act").filter(|act| act.is_object()).cloned();
        Ok(session)
    }

    /// The proof that a token was verified, and is good at `now` until `ends_at`.
    pub fn proof<T>(
        session: Arc<Session<T>>,
        ends_at: Option<UnixMillis>,
        now: UnixMillis,
    ) -> VerifiedSession<T> {
        VerifiedSession::new(session, ends_at, now)
    }
}

//! How each web framework keeps a session: from the browser's cookie to a key, and from a record to data.
//!
//! Job: for one framework, (1) take the session cookie out of the request the way the framework itself does,
//! verify its signature or open its encryption, and name the [`StoreKey`] to look up, or, where the cookie is all there is,
//! say what it carries; (2) decode the record that
//! was found there, say when the framework itself would call it ended, and where its user id is by convention.
//! Not the job: asking the store (`store`), caching, the subject's rules and `valid_if` (`session`).
//!
//! Invariant: a signature is checked before a key is made, so that no store is asked for an id that the app did
//! not issue; comparison is constant in time; nothing of a record is ever executed (`codec`).
//!
//! # How to add a framework
//! One file beside this one, under 200 lines: a struct with the options it reads from the profile, a `new` that
//! checks them, and an implementation of [`SessionFormat`]. Then one variant in `config::Framework`, one
//! arm in [`build`], and a folder of vectors captured from the real framework under `tests/sessions/`. The test
//! `vectors` finds them by themselves.

pub mod actix;
pub mod aspnet;
pub mod bare;
pub mod bare_id;
pub mod better_auth;
mod build;
pub mod claims;
pub mod cookies;
pub mod data_protection;
pub mod date;
pub mod django;
mod encrypter;
pub mod express;
pub mod fastify;
#[cfg(test)]
pub(crate) mod fixture;
pub mod flask;
pub mod go_scs;
pub mod gorilla;
pub mod jackson;
pub mod jar;
pub mod jwk;
pub mod jws;
pub mod jwt;
pub mod koa;
pub mod laravel;
pub mod options;
pub mod php;
pub mod rack;
pub mod rack_id;
pub mod rails;
pub mod rails_cookie;
pub mod rails_entry;
pub mod record;
pub mod spring;
pub mod starlette;
pub mod symfony;
pub mod tower;
pub mod verified;

use crate::clock::UnixMillis;
use crate::codec::{DecodeError, Value};
use crate::request::Cookies;
use crate::store::{Change, Ending, Record, RecordKind, StoreKey};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

pub use build::build;

/// One framework's way of keeping sessions. Implementations are pure: no I/O, no clock, no state that shows.
pub trait SessionFormat: Send + Sync {
    /// Names of every cookie that carries or signs the session, in the order the framework reads them. They are
    /// removed from what services get. The first is the session cookie itself.
    fn cookie_names(&self) -> Vec<String>;

    /// Whether the record is a string or a hash.
    fn record_kind(&self) -> RecordKind {
        RecordKind::String
    }

    /// Finds the session cookie, verifies it, and names the keys to look up.
    fn present(&self, cookies: &Cookies) -> Presented;

    /// Decodes what was found under one of the keys of `lookup`; never asked of a format that only presents
    /// [`Presented::Carried`] sessions.
    ///
    /// # Errors
    /// [`Reject`] if the framework itself would not accept the record.
    fn decode(&self, record: &Record, lookup: &Lookup) -> Result<Decoded, Reject>;

    /// How the framework keeps a session alive that is in use.
    fn touching(&self) -> Touching {
        Touching::Expire
    }

    /// How long a session may idle, if its record says so.
    fn idle(&self, _record: &Record) -> Option<Duration> {
        None
    }

    /// What the framework writes into the record when it is used at `now`; `None` if that cannot be done safely to this one. Asked only
    /// where [`SessionFormat::touching`] says [`Touching::Rewrite`].
    fn rewritten(
        &self,
        _record: &Record,
        _id: &SessionId,
        _now: UnixMillis,
        _life: Duration,
    ) -> Option<Rewritten> {
        None
    }

    /// The key of a session with this id, for a touch that is tried on one that nobody has; `None`: there are no keys.
    fn key_of(&self, _id: &[u8]) -> Option<StoreKey> {
        None
    }

    /// How the framework itself ends the session of this record; asked only where records are hashes.
    fn ending(&self, _record: &Record, _id: &SessionId) -> Ending {
        Ending::Delete
    }

    /// The user id by the framework's own convention, for profiles that name no `subject`; `None` if it has none or
    /// nobody is logged in.
    fn subject(&self, _data: &Value) -> Option<Value> {
        None
    }

    /// The path that [`SessionFormat::subject`] follows, in words for `explain`; `None` if the framework has no
    /// convention and a profile must name its `subject`.
    fn subject_convention(&self) -> Option<&'static str> {
        None
    }

    /// Paths of users that the convention leaves out because they may be other people under the same numbers, as the admins of
    /// another guard: for `explain` to name, so that a profile can.
    fn other_subjects(&self, _data: &Value) -> Vec<String> {
        Vec::new()
    }
}

/// How a framework keeps a session alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touching {
    /// It sets the key's TTL anew.
    Expire,
    /// It writes into the record.
    Rewrite,
    /// Not at all, or in a way that only the app itself can; the text says why.
    Never(&'static str),
}

/// What a framework writes when a session is used.
#[derive(Debug)]
pub struct Rewritten {
    /// Into the record.
    pub change: Change,
    /// As the key's TTL.
    pub ttl: Duration,
}

/// What the client's cookies say before any store is asked.
#[derive(Debug)]
pub enum Presented {
    /// No session cookie.
    Absent,
    /// A session cookie that the framework would not take.
    Rejected(Reject),
    /// A verified cookie: look these keys up.
    Session(Lookup),
    /// A verified cookie that is the session itself.
    Carried(Arc<Carried>),
}

impl Presented {
    /// What `open` makes of the picked cookie; an absent one is absent, a refused one rejected.
    pub fn from_cookie<'c>(
        picked: Result<Option<Cow<'c, [u8]>>, Reject>,
        open: impl FnOnce(&[u8]) -> Result<Lookup, Reject>,
    ) -> Self {
        match picked.map(|value| value.map(|value| open(&value))) {
            Ok(None) => Self::Absent,
            Ok(Some(Ok(lookup))) => Self::Session(lookup),
            Ok(Some(Err(reject))) | Err(reject) => Self::Rejected(reject),
        }
    }
}

/// A verified cookie's claim: which records may be the session.
#[derive(Debug)]
pub struct Lookup {
    /// The session id as the framework puts it into the key; what the fingerprint is made of.
    pub id: SessionId,
    /// Keys in the order the framework tries them; at least one, rarely two (Rack's private and public id).
    pub keys: Vec<StoreKey>,
    /// Which of the configured secrets verified the cookie, counted from 0; `None` if nothing is signed.
    pub secret: Option<usize>,
    /// When the cookie itself ends, if it says so (gorilla's timestamp).
    pub ends_at: Option<UnixMillis>,
}

/// A session that is complete in its cookie: no store holds a record of it, so that nothing but its own end can end it.
#[derive(Debug)]
pub struct Carried {
    /// What tells it from every other session of its profile; what the fingerprint is made of.
    pub id: SessionId,
    /// Which of the configured secrets verified it, counted from 0.
    pub secret: usize,
    /// When it begins, if it says so.
    pub begins_at: Option<UnixMillis>,
    /// What it says, and when it ends.
    pub decoded: Decoded,
}

impl Carried {
    /// Whether it has begun and not ended.
    ///
    /// # Errors
    /// [`Reject::Expired`] or [`Reject::NotYetValid`].
    pub fn judge(&self, now: UnixMillis) -> Result<(), Reject> {
        if self.decoded.ends_at.is_some_and(|end| end <= now) {
            return Err(Reject::Expired);
        }
        if self.begins_at.is_some_and(|begin| begin > now) {
            return Err(Reject::NotYetValid);
        }
        Ok(())
    }
}

/// A session id: a credential, so it has neither `Display` nor a telling `Debug`, and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(Vec<u8>);

impl SessionId {
    /// The id with exactly these bytes.
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for the key and the fingerprint.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for SessionId {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionId")
    }
}

/// A decoded record.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The session as the app itself sees it.
    pub data: Value,
    /// When the framework ends it by what the record says, apart from the store's TTL; `None` if the record is silent.
    pub ends_at: Option<UnixMillis>,
}

/// Why a session is not accepted. The client sees the same 401 for all of them; logs and metrics carry the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reject {
    /// The cookie's signature or MAC verifies with none of the secrets, or its encryption opens with none.
    BadSignature {
        /// How many secrets were tried.
        secrets: usize,
    },
    /// A genuine session that is not meant for this use; the text says which claim shows it.
    ClaimRefused(&'static str),
    /// The session cookie's name comes with two different values; frameworks disagree on which one counts.
    DuplicateCookie,
    /// The session is past its own expiry.
    Expired,
    /// The cookie's value is not what the framework writes; the text says what is wrong with it.
    MalformedCookie(&'static str),
    /// The session begins later than now, by its own word.
    NotYetValid,
    /// It was ended at a gateway; its app, or what the app was still doing, has it still.
    Revoked,
    /// The subject path leads to a list or a map.
    SubjectNotScalar,
    /// The record is not what the framework writes.
    Undecodable(DecodeError),
    /// No record under the key: logged out, expired, or never issued.
    UnknownSession,
    /// `valid_if` does not hold; the path that is not what it must be.
    UserChanged(Arc<str>),
    /// The record is longer than `value_bytes`.
    ValueTooLarge {
        /// How long it is.
        bytes: usize,
    },
    /// The key holds another type than the framework writes.
    WrongType,
}

impl Reject {
    /// Stable kebab-case code for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadSignature { .. } => "bad-signature",
            Self::ClaimRefused(_) => "claim-refused",
            Self::DuplicateCookie => "duplicate-cookie",
            Self::Expired => "expired",
            Self::MalformedCookie(_) => "malformed-cookie",
            Self::NotYetValid => "not-yet-valid",
            Self::Revoked => "revoked",
            Self::SubjectNotScalar => "subject-not-scalar",
            Self::Undecodable(_) => "undecodable",
            Self::UnknownSession => "unknown-session",
            Self::UserChanged(_) => "user-changed",
            Self::ValueTooLarge { .. } => "value-too-large",
            Self::WrongType => "wrong-type",
        }
    }
}

impl std::fmt::Display for Reject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BadSignature { secrets: 1 } => {
                f.write_str("the cookie's MAC does not verify with the one secret there is")
            }
            Self::BadSignature { secrets } => {
                write!(f, "the cookie's MAC does not verify with any of {secrets} secrets")
            }
            Self::ClaimRefused(what) => write!(f, "the session is not for this use: {what}"),
            Self::DuplicateCookie => f.write_str("the session cookie comes twice with different values"),
            Self::Expired => f.write_str("the session has ended"),
            Self::MalformedCookie(what) => write!(f, "the cookie is not what the framework writes: {what}"),
            Self::NotYetValid => f.write_str("the session has not begun"),
            Self::Revoked => f.write_str("the session was ended at a gateway"),
            Self::SubjectNotScalar => {
                f.write_str("the subject path leads to a list, a map or a flag, not to a user id")
            }
            Self::Undecodable(error) => write!(f, "the record is not what the framework writes: {error}"),
            Self::UnknownSession => f.write_str("no record under the key"),
            Self::UserChanged(path) => write!(f, "`{path}` is not what `valid_if` asks for"),
            Self::ValueTooLarge { bytes } => {
                write!(f, "the record is {bytes} bytes long, more than `value_bytes`")
            }
            Self::WrongType => f.write_str("the key holds another type than the framework writes"),
        }
    }
}

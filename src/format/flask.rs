//! Flask-Session, with Flask-Login on top of it or without.
//!
//! Captured from Flask-Session 0.5.0 (signed, pickle), 0.6.0 (pickle) and 0.8.0 (MessagePack by msgspec) on Flask 2.3 to 3.1,
//! Flask-Login 0.6; the serializer `json` and the fallback to pickle are from 0.8's source.
//! * Cookie `session`: the bare id, a UUID up to 0.5, 43 characters of base64url since. With SESSION_USE_SIGNER id + `.` +
//!   base64url (unpadded) of HMAC-SHA1(k, id), where k = HMAC-SHA1(SECRET_KEY, `flask-session`) (itsdangerous).
//! * Key: SESSION_KEY_PREFIX (`session:`) + id.
//! * Value: pickle up to 0.6; since 0.7 MessagePack or JSON, and what does not decode is tried as the pickle that an older
//!   version left there. Bytes behind a pickle are ignored. There is no expiry but the TTL.
//! * The user is Flask-Login's `_user_id`, a text. With Flask-Security that is `fs_uniquifier` and not the user's key.

use crate::codec::seal::{self, Base64, Hash, MacKey};
use crate::codec::{DecodeError, Limits, Value, json, msgpack, pickle};
use crate::config::{ConfigError, DuplicateCookie, Profile};
use crate::format::cookies::{self, CookieRules};
use crate::format::express::split_signature;
use crate::format::options::{KeyTemplate, Options};
use crate::format::{Decoded, Lookup, Presented, Reject, SessionFormat, bare_id, record};
use crate::request::Cookies;
use crate::store::{Record, StoreKey};

/// Flask-Session.
#[derive(Debug)]
pub struct Flask {
    cookie: String,
    key: KeyTemplate,
    /// `None`: the cookie is not signed.
    secrets: Option<Vec<MacKey>>,
    serializer: Serializer,
    duplicate: DuplicateCookie,
}

#[derive(Clone, Copy, Debug)]
enum Serializer {
    Json,
    Msgpack,
    Pickle,
}

impl Flask {
    /// Reads `cookie`, `key`, `signed`, `serializer`, and `secrets` where the cookie is signed.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        let mut options = Options::new(profile);
        let cookie = options.cookie("session");
        let key = options.key("session:{id}");
        let secrets = (options.signed() == Some(true)).then(|| {
            let secrets = options.secrets("SECRET_KEY of the app's configuration");
            secrets.iter().map(|secret| derive(secret.expose())).collect()
        });
        let serializer = options.serializer(&[
            ("msgpack", Serializer::Msgpack),
            ("json", Serializer::Json),
            ("pickle", Serializer::Pickle),
        ]);
        let serializer = serializer.unwrap_or(Serializer::Msgpack);
        let duplicate = profile.duplicate_cookie;
        options.finish(|| Self { cookie, key, secrets, serializer, duplicate })
    }

    fn verify(&self, value: &[u8]) -> Result<Lookup, Reject> {
        let Some(secrets) = &self.secrets else { return bare_id::lookup(value, 1, &self.key) };
        let (id, signature) = split_signature(value)?;
        let tag = Base64::UrlNoPad.decode(signature);
        let secret = tag.and_then(|tag| seal::verify_any(secrets, &[id], &tag));
        let secret = secret.ok_or(Reject::BadSignature { secrets: secrets.len() })?;
        Ok(Lookup { secret: Some(secret), ..bare_id::lookup(id, 1, &self.key)? })
    }
}

/// itsdangerous's key derivation `hmac` with the salt of Flask-Session.
fn derive(secret: &[u8]) -> MacKey {
    MacKey::new(Hash::Sha1, &MacKey::new(Hash::Sha1, secret).sign(&[b"flask-session"]))
}

/// What the new serializer reads, or the pickle from before it. Of two errors that one counts whose format the record has.
fn or_pickle(bytes: &[u8], read: Result<Value, DecodeError>) -> Result<Value, DecodeError> {
    match read {
        Err(error) => match unpickle(bytes) {
            Err(_) if !bytes.starts_with(b"\x80") => Err(error),
            pickled => pickled,
        },
        read => read,
    }
}

fn unpickle(bytes: &[u8]) -> Result<Value, DecodeError> {
    pickle::read_prefix(bytes, Limits::default()).map(|(value, _)| value)
}

impl SessionFormat for Flask {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.clone()]
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        let picked = cookies::pick(cookies, &self.cookie, CookieRules::FLASK, self.duplicate);
        Presented::from_cookie(picked, |value| self.verify(value))
    }

    fn decode(&self, record: &Record, _lookup: &Lookup) -> Result<Decoded, Reject> {
        let bytes = record::string(record)?;
        let value = match self.serializer {
            Serializer::Json => or_pickle(bytes, json::decode(bytes, Limits::default())),
            Serializer::Msgpack => or_pickle(bytes, msgpack::read(bytes, Limits::default())),
            Serializer::Pickle => unpickle(bytes),
        };
        Ok(Decoded { data: record::object(value.map_err(Reject::Undecodable)?)?, ends_at: None })
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.key.key(id))
    }

    fn subject(&self, data: &Value) -> Option<Value> {
        data.get("_user_id").cloned()
    }

    fn subject_convention(&self) -> Option<&'static str> {
        Some("_user_id")
    }
}

#[cfg(test)]
mod tests;

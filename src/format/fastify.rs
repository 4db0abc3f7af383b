//! @fastify/session.
//!
//! Captured from @fastify/session 11.1 with @fastify/cookie 11.1 on fastify 5 and connect-redis 9; the rest is from their
//! source.
//! * Cookie `sessionId`: `cookiePrefix` + id + `.` + base64 (standard, unpadded) of HMAC-SHA256(secret, id). The prefix is
//!   neither signed nor in the key. `secret` may be a list.
//! * Key: by the store, with connect-redis `sess:` + id.
//! * Value: JSON of the session with its `cookie` inside; a `cookie.expires` in the past is refused by the app.
//! * No convention for the user.

use crate::clock::UnixMillis;
use crate::codec::Value;
use crate::codec::seal::{self, Base64, Hash, MacKey};
use crate::config::{ConfigError, DuplicateCookie, Profile};
use crate::format::cookies::{self, CookieRules};
use crate::format::express::split_signature;
use crate::format::options::{KeyTemplate, Options};
use crate::format::{Decoded, Lookup, Presented, Reject, SessionFormat, SessionId, date, record};
use crate::request::Cookies;
use crate::store::Record;

/// @fastify/session.
#[derive(Debug)]
pub struct Fastify {
    cookie: String,
    prefix: String,
    key: KeyTemplate,
    secrets: Vec<MacKey>,
    duplicate: DuplicateCookie,
}

impl Fastify {
    /// Reads `cookie`, `cookie_prefix`, `key`, `secrets` and `serializer`.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        let mut options = Options::new(profile);
        let cookie = options.cookie("sessionId");
        let prefix = options.cookie_prefix();
        let key = options.key("sess:{id}");
        let secrets = options.secrets("the value of `secret` where the app registers @fastify/session");
        options.serializer(&[("json", ())]);
        let duplicate = profile.duplicate_cookie;
        let secrets = secrets.iter().map(|secret| MacKey::new(Hash::Sha256, secret.expose())).collect();
        options.finish(|| Self { cookie, prefix, key, secrets, duplicate })
    }

    fn verify(&self, value: &[u8]) -> Result<Lookup, Reject> {
        let signed = value.strip_prefix(self.prefix.as_bytes());
        let signed = signed.ok_or(Reject::MalformedCookie("`cookie_prefix` is not before the id"))?;
        let (id, signature) = split_signature(signed)?;
        let tag = Base64::StandardNoPad.decode(signature);
        let secret = tag.and_then(|tag| seal::verify_any(&self.secrets, &[id], &tag));
        let secret = secret.ok_or(Reject::BadSignature { secrets: self.secrets.len() })?;
        Ok(Lookup {
            id: SessionId::new(id.to_vec()),
            keys: vec![self.key.key(id)],
            secret: Some(secret),
            ends_at: None,
        })
    }
}

/// When the session says that its cookie ends: a timestamp, or milliseconds from an old version.
fn ends_at(session: &Value) -> Result<Option<UnixMillis>, Reject> {
    let Some(cookie @ Value::Map(_)) = session.get("cookie") else {
        return Err(record::malformed("no `cookie` in the session"));
    };
    let unreadable = record::malformed("`cookie.expires` is no timestamp");
    match cookie.get("expires") {
        None | Some(Value::Null | Value::Bool(false)) => Ok(None),
        Some(Value::Text(text)) => date::rfc3339(text).map(Some).ok_or(unreadable),
        Some(Value::Int(millis)) => Ok(Some(UnixMillis::new(u64::try_from(*millis).unwrap_or(0)))),
        Some(_) => Err(unreadable),
    }
}

impl SessionFormat for Fastify {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.clone()]
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        let picked = cookies::pick(cookies, &self.cookie, CookieRules::FASTIFY, self.duplicate);
        Presented::from_cookie(picked, |value| self.verify(value))
    }

    fn decode(&self, record: &Record, _lookup: &Lookup) -> Result<Decoded, Reject> {
        let session = record::json_object(record)?;
        let ends_at = ends_at(&session)?;
        Ok(Decoded { data: record::without(session, &["cookie"]), ends_at })
    }

    fn subject(&self, _data: &Value) -> Option<Value> {
        None
    }

    fn subject_convention(&self) -> Option<&'static str> {
        None
    }
}

//! koa-session with an external store, and koa-generic-session.
//!
//! Captured from koa-session 7.0 and from koa-generic-session 2.3 with koa-redis 4.0 on koa 3; the rest is from the
//! source of cookies 0.9 and keygrip 1.1.
//! * Cookie: the id itself. Its signature is a second cookie, `{name}.sig`: base64url (unpadded) of
//!   HMAC-SHA1(key, `name=value`). `keys` is a list; `signed: false` leaves the second cookie out.
//! * Key: koa-session, the whole cookie value (its `prefix` option is part of the cookie); koa-generic-session,
//!   `koa:sess:` + id.
//! * Value: JSON of the session. koa-session keeps `_expire` (milliseconds, refused once past: the TTL is ten seconds longer),
//!   `_maxAge` and `_session` in it; koa-generic-session does not look at such names.
//! * No convention for the user.

use crate::clock::UnixMillis;
use crate::codec::Value;
use crate::codec::seal::{self, Base64, Hash, MacKey};
use crate::config::{ConfigError, DuplicateCookie, Profile};
use crate::format::cookies::{self, CookieRules};
use crate::format::options::{KeyTemplate, Options};
use crate::format::{Decoded, Lookup, Presented, Reject, SessionFormat, SessionId, record};
use crate::request::Cookies;
use crate::store::Record;

/// koa-session and koa-generic-session.
#[derive(Debug)]
pub struct Koa {
    cookie: String,
    signature: String,
    key: KeyTemplate,
    /// `None` if the app does not sign.
    secrets: Option<Vec<MacKey>>,
    duplicate: DuplicateCookie,
}

impl Koa {
    /// Reads `cookie`, `key`, `signed`, `secrets` and `serializer`.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        let mut options = Options::new(profile);
        let cookie = options.cookie("koa.sess");
        let key = options.key("{id}");
        let signed = options.signed() != Some(false);
        let secrets = signed.then(|| options.secrets("the app's `app.keys`, in the same order"));
        options.serializer(&[("json", ())]);
        let duplicate = profile.duplicate_cookie;
        let keys = |secrets: Vec<crate::config::Secret>| {
            secrets.iter().map(|secret| MacKey::new(Hash::Sha1, secret.expose())).collect()
        };
        let secrets = secrets.map(keys);
        let signature = format!("{cookie}.sig");
        options.finish(|| Self { cookie, signature, key, secrets, duplicate })
    }

    fn verify(&self, cookies: &Cookies, value: &[u8]) -> Result<Lookup, Reject> {
        if value.is_empty() {
            return Err(Reject::MalformedCookie("the value is empty"));
        }
        let secret = match &self.secrets {
            None => None,
            Some(keys) => Some(self.verify_signature(keys, cookies, value)?),
        };
        Ok(Lookup {
            id: SessionId::new(value.to_vec()),
            keys: vec![self.key.key(value)],
            secret,
            ends_at: None,
        })
    }

    fn verify_signature(&self, keys: &[MacKey], cookies: &Cookies, value: &[u8]) -> Result<usize, Reject> {
        let signature = cookies::pick(cookies, &self.signature, CookieRules::KOA, self.duplicate)?
            .ok_or(Reject::MalformedCookie("the signature's cookie is missing"))?;
        Base64::UrlNoPad
            .decode(&signature)
            .and_then(|tag| seal::verify_any(keys, &[self.cookie.as_bytes(), b"=", value], &tag))
            .ok_or(Reject::BadSignature { secrets: keys.len() })
    }
}

impl SessionFormat for Koa {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.clone(), self.signature.clone()]
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        let picked = cookies::pick(cookies, &self.cookie, CookieRules::KOA, self.duplicate);
        Presented::from_cookie(picked, |value| self.verify(cookies, value))
    }

    fn decode(&self, record: &Record, _lookup: &Lookup) -> Result<Decoded, Reject> {
        let session = record::json_object(record)?;
        let ends_at = match session.get("_expire") {
            None | Some(Value::Null) => None,
            Some(Value::Int(millis)) => Some(UnixMillis::new(u64::try_from(*millis).unwrap_or(0))),
            Some(_) => return Err(record::malformed("`_expire` is not a number of milliseconds")),
        };
        Ok(Decoded { data: record::without(session, &["_expire", "_maxAge", "_session"]), ends_at })
    }

    fn subject(&self, _data: &Value) -> Option<Value> {
        None
    }

    fn subject_convention(&self) -> Option<&'static str> {
        None
    }
}

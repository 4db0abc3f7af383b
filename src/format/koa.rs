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
use crate::format::{
    Decoded, Lookup, Presented, Reject, Rewritten, SessionFormat, SessionId, Touching, record,
};
use crate::request::Cookies;
use crate::store::{Record, StoreKey};
use std::time::Duration;

/// The key outlives its session by this.
const KEY_OUTLIVES: Duration = Duration::from_secs(10);

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

    fn touching(&self) -> Touching {
        Touching::Rewrite
    }

    fn idle(&self, record: &Record) -> Option<Duration> {
        match record::json_object(record).ok()?.get("_maxAge")? {
            Value::Int(millis) => u64::try_from(*millis).ok().map(Duration::from_millis),
            _ => None,
        }
    }

    fn rewritten(
        &self,
        record: &Record,
        _: &SessionId,
        now: UnixMillis,
        life: Duration,
    ) -> Option<Rewritten> {
        let Some(Value::Int(expire)) = record::json_object(record).ok()?.get("_expire").cloned() else {
            return None;
        };
        let old = format!("\"_expire\":{expire},");
        let new = format!("\"_expire\":{},", now.plus(life).as_millis());
        let change = record::replaced_once(record, old.as_bytes(), new.as_bytes())?;
        Some(Rewritten { change, ttl: life + KEY_OUTLIVES })
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.key.key(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FormatOptions, Framework};
    use crate::format::fixture::{at, key, present, profile, secret};

    fn koa(signed: bool) -> Koa {
        let secrets = if signed { secret("k1") } else { Vec::new() };
        let options = FormatOptions { signed: Some(at(signed)), secrets, ..FormatOptions::default() };
        Koa::new(&profile(Framework::Koa, options)).unwrap()
    }

    fn signed(name: &str) -> String {
        let tag = MacKey::new(Hash::Sha1, b"k1").sign(&[name.as_bytes(), b"=web:1"]);
        format!("koa.sess=web:1; koa.sess.sig={}", Base64::UrlNoPad.encode(&tag))
    }

    #[test]
    fn a_signature_made_for_another_cookie_does_not_verify() {
        assert_eq!(key(&koa(true), &signed("koa.sess")), Ok("web:1".into()));
        assert_eq!(key(&koa(true), &signed("other")), Err(Reject::BadSignature { secrets: 1 }));
    }

    #[test]
    fn a_second_signature_is_a_second_value() {
        let line = format!("{}; koa.sess.sig=x", signed("koa.sess"));
        assert_eq!(key(&koa(true), &line), Err(Reject::DuplicateCookie));
    }

    #[test]
    fn an_unsigned_app_has_no_signature_to_miss() {
        assert_eq!(key(&koa(false), "koa.sess=1"), Ok("1".into()));
        assert!(matches!(present(&koa(true), "koa.sess=1"), Some(Err(Reject::MalformedCookie(_)))));
        assert!(matches!(present(&koa(false), "koa.sess="), Some(Err(Reject::MalformedCookie(_)))));
    }

    #[test]
    fn an_end_that_cannot_be_read_is_not_taken_for_none() {
        let Some(Ok(lookup)) = present(&koa(false), "koa.sess=1") else { panic!("a session") };
        let end = |text: &str| {
            let record = Record::String(format!("{{\"_expire\":{text},\"a\":1}}").into());
            koa(false).decode(&record, &lookup).map(|decoded| decoded.ends_at)
        };
        assert_eq!(end("1795305825440").unwrap(), Some(UnixMillis::new(1_795_305_825_440)));
        assert_eq!(end("-1").unwrap(), Some(UnixMillis::new(0)));
        assert_eq!(end("null").unwrap(), None);
        for text in ["\"1\"", "1.5", "[]", "true", "99999999999999999999"] {
            assert!(end(text).is_err(), "{text}");
        }
    }
}

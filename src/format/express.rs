//! express-session with connect-redis; NestJS and Passport keep their sessions with it too.
//!
//! Captured from express-session 1.15 and 1.19 with connect-redis 3, 4, 6, 7, 8 and 9 on express 4 and 5, NestJS 10 and
//! Passport 0.7; the rest is from express-session 1.19's and cookie-signature 1.0's source.
//! * Cookie `connect.sid`: `s:` + id + `.` + base64 (standard, unpadded) of HMAC-SHA256(secret, id), percent-encoded. The
//!   id is whatever `genid` makes, dots included, so the signature begins behind the last one. `secret` may be a list.
//! * Key: `prefix` (`sess:`) + id; ioredis puts its `keyPrefix` before it.
//! * Value: JSON of the session with its `cookie` inside. Without an object there the app answers 500, so it is no session.
//!   A past `cookie.expires` is not looked at by the app: the key's TTL was set from it.
//! * No convention for the user; with Passport it is `passport.user`.

use crate::codec::Value;
use crate::codec::seal::{self, Base64, Hash, MacKey};
use crate::config::{ConfigError, DuplicateCookie, Profile};
use crate::format::cookies::{self, CookieRules};
use crate::format::options::{KeyTemplate, Options};
use crate::format::{Decoded, Lookup, Presented, Reject, SessionFormat, SessionId, record};
use crate::request::Cookies;
use crate::store::{Record, StoreKey};
use std::time::Duration;

/// express-session.
#[derive(Debug)]
pub struct Express {
    cookie: String,
    key: KeyTemplate,
    secrets: Vec<MacKey>,
    duplicate: DuplicateCookie,
}

impl Express {
    /// Reads `cookie`, `key`, `secrets` and `serializer`.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        let mut options = Options::new(profile);
        let cookie = options.cookie("connect.sid");
        let key = options.key("sess:{id}");
        let secrets = options.secrets("the value of `secret` in the app's `session({ secret })`");
        options.serializer(&[("json", ())]);
        let duplicate = profile.duplicate_cookie;
        let secrets = secrets.iter().map(|secret| MacKey::new(Hash::Sha256, secret.expose())).collect();
        options.finish(|| Self { cookie, key, secrets, duplicate })
    }

    fn verify(&self, value: &[u8]) -> Result<Lookup, Reject> {
        let signed = value.strip_prefix(b"s:").ok_or(Reject::MalformedCookie("no `s:` before the id"))?;
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

/// The id and the signature of `id.signature`, parted at the last dot.
///
/// # Errors
/// [`Reject::MalformedCookie`] if there is no dot, or nothing before it.
pub fn split_signature(value: &[u8]) -> Result<(&[u8], &[u8]), Reject> {
    let dot = memchr::memrchr(b'.', value).filter(|dot| *dot > 0);
    let dot = dot.ok_or(Reject::MalformedCookie("no signature behind the id"))?;
    let (id, signature) = value.split_at(dot);
    Ok((id, signature.get(1..).unwrap_or_default()))
}

/// How long the cookie of a session is kept, which is how long its record idles; `None`: as long as the store is told.
pub fn original_max_age(session: &Value) -> Option<Duration> {
    match session.get("cookie")?.get("originalMaxAge")? {
        Value::Int(millis) => {
            u64::try_from(*millis).ok().filter(|millis| *millis > 0).map(Duration::from_millis)
        }
        _ => None,
    }
}

impl SessionFormat for Express {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.clone()]
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        let picked = cookies::pick(cookies, &self.cookie, CookieRules::EXPRESS, self.duplicate);
        Presented::from_cookie(picked, |value| self.verify(value))
    }

    fn decode(&self, record: &Record, _lookup: &Lookup) -> Result<Decoded, Reject> {
        let session = record::json_object(record)?;
        match session.get("cookie") {
            Some(Value::Map(_)) => Ok(Decoded { data: record::without(session, &["cookie"]), ends_at: None }),
            _ => Err(record::malformed("no `cookie` in the session")),
        }
    }

    fn idle(&self, record: &Record) -> Option<Duration> {
        original_max_age(&record::json_object(record).ok()?)
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.key.key(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FormatOptions, Framework};
    use crate::format::fixture::{key, present, profile, secret};

    fn express() -> Express {
        let options = FormatOptions { secrets: secret("keyboard cat"), ..FormatOptions::default() };
        Express::new(&profile(Framework::Express, options)).unwrap()
    }

    fn cookie(id: &str) -> String {
        let tag = MacKey::new(Hash::Sha256, b"keyboard cat").sign(&[id.as_bytes()]);
        let value = format!("s:{id}.{}", Base64::StandardNoPad.encode(&tag));
        let value = percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC);
        format!("connect.sid={value}")
    }

    #[test]
    fn what_the_app_would_not_unsign_is_rejected_before_a_key_is_made() {
        let express = express();
        for value in ["", "s", "s:", "s:.", "s:a", "s:a.", "s:.a", "j:{}", "a.b", "S:a.b", "s%3Aa.b"] {
            let rejected = present(&express, &format!("connect.sid={value}"));
            assert!(matches!(rejected, Some(Err(_))), "{value}");
        }
        assert!(present(&express, "sid=1").is_none());
        let nobody = present(&express, &cookie(""));
        assert!(matches!(nobody, Some(Err(Reject::MalformedCookie(_)))));
    }

    #[test]
    fn an_id_may_hold_dots_and_whatever_else_genid_makes() {
        for id in ["a.b.c", ".a", "a.", "user:1/2+3", "é ;,"] {
            assert_eq!(key(&express(), &cookie(id)), Ok(format!("sess:{id}")), "{id}");
        }
    }
}

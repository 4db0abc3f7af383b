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
use crate::format::express::{original_max_age, split_signature};
use crate::format::options::{KeyTemplate, Options};
use crate::format::{
    Decoded, Lookup, Presented, Reject, Rewritten, SessionFormat, SessionId, Touching, date, record,
};
use crate::request::Cookies;
use crate::store::{Record, StoreKey};
use std::time::Duration;

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

    fn touching(&self) -> Touching {
        Touching::Rewrite
    }

    fn idle(&self, record: &Record) -> Option<Duration> {
        original_max_age(&record::json_object(record).ok()?)
    }

    fn rewritten(
        &self,
        record: &Record,
        _: &SessionId,
        now: UnixMillis,
        life: Duration,
    ) -> Option<Rewritten> {
        let session = record::json_object(record).ok()?;
        let Some(Value::Text(expires)) = session.get("cookie")?.get("expires") else { return None };
        let old = format!("\"expires\":\"{expires}\"");
        let new = format!("\"expires\":\"{}\"", now.plus(life).rfc3339());
        let change = record::replaced_once(record, old.as_bytes(), new.as_bytes())?;
        Some(Rewritten { change, ttl: life })
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.key.key(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FormatOptions, Framework};
    use crate::format::fixture::{at, key, profile, secret};

    #[test]
    fn the_cookies_prefix_is_neither_signed_nor_in_the_key() {
        let options = FormatOptions {
            cookie_prefix: Some(at("s:".into())),
            secrets: secret("secret"),
            ..FormatOptions::default()
        };
        let fastify = Fastify::new(&profile(Framework::Fastify, options)).unwrap();
        let tag = Base64::StandardNoPad.encode(&MacKey::new(Hash::Sha256, b"secret").sign(&[b"a.b"]));
        assert_eq!(key(&fastify, &format!("sessionId=s:a.b.{tag}")), Ok("sess:a.b".into()));
        let bare = key(&fastify, &format!("sessionId=a.b.{tag}"));
        assert!(matches!(bare, Err(Reject::MalformedCookie(_))));
    }

    #[test]
    fn an_end_that_cannot_be_read_is_not_taken_for_none() {
        let end = |expires: Value| {
            let cookie = Value::Map(vec![("expires".into(), expires)]);
            ends_at(&Value::Map(vec![("cookie".into(), cookie)]))
        };
        assert_eq!(end(Value::Null), Ok(None));
        assert_eq!(
            end(Value::Text("2001-01-01T00:00:00.000Z".into())),
            Ok(Some(UnixMillis::from_secs(978_307_200)))
        );
        assert_eq!(end(Value::Int(5)), Ok(Some(UnixMillis::new(5))));
        for value in [Value::Text("soon".into()), Value::Bool(true), Value::Float(1.5), Value::List(vec![])] {
            assert!(end(value).is_err());
        }
    }
}

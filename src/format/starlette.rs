//! starsessions, for Starlette and FastAPI.
//!
//! Captured from starsessions 2.2.1 on Starlette 1.10 (`RedisStore`, `JsonSerializer`).
//! * Cookie `session`: the bare id, 32 hexadecimal digits.
//! * Key: `prefix` (`starsessions.`) + id.
//! * Value: JSON, with `__metadata__` {lifetime, created, last_access} in it, which the app does not see and by which nothing
//!   expires: the library leaves that to the TTL.
//! * A login makes a new id but leaves the old key alive, so the old cookie still names its user, here as in the app.
//! * No convention for the user.

use crate::config::{ConfigError, DuplicateCookie, Profile};
use crate::format::cookies::{self, CookieRules};
use crate::format::options::{KeyTemplate, Options};
use crate::format::{Decoded, Lookup, Presented, Reject, SessionFormat, bare_id, record};
use crate::request::Cookies;
use crate::store::{Record, StoreKey};

/// starsessions.
#[derive(Debug)]
pub struct Starlette {
    cookie: String,
    key: KeyTemplate,
    duplicate: DuplicateCookie,
}

impl Starlette {
    /// Reads `cookie`, `key` and `serializer`.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        let mut options = Options::new(profile);
        let cookie = options.cookie("session");
        let key = options.key("starsessions.{id}");
        options.serializer(&[("json", ())]);
        let duplicate = profile.duplicate_cookie;
        options.finish(|| Self { cookie, key, duplicate })
    }
}

impl SessionFormat for Starlette {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.clone()]
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        let picked = cookies::pick(cookies, &self.cookie, CookieRules::DJANGO, self.duplicate);
        Presented::from_cookie(picked, |id| bare_id::lookup(id, 1, &self.key))
    }

    fn decode(&self, record: &Record, _lookup: &Lookup) -> Result<Decoded, Reject> {
        let session = record::json_object(record)?;
        Ok(Decoded { data: record::without(session, &["__metadata__"]), ends_at: None })
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.key.key(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Value;
    use crate::config::{FormatOptions, Framework};
    use crate::format::fixture::{key, present, profile};

    fn starlette() -> Starlette {
        Starlette::new(&profile(Framework::Starlette, FormatOptions::default())).unwrap()
    }

    #[test]
    fn what_is_no_id_is_rejected_before_a_key_is_made() {
        for value in ["", "a:b", "../x", "*", "a%62", "\"\""] {
            let rejected = present(&starlette(), &format!("session={value}"));
            assert!(matches!(rejected, Some(Err(Reject::MalformedCookie(_)))), "{value}");
        }
        assert_eq!(key(&starlette(), "session=\"a1\""), Ok("starsessions.a1".into()));
    }

    #[test]
    fn the_app_does_not_see_the_metadata_and_nothing_expires_by_it() {
        let Some(Ok(lookup)) = present(&starlette(), "session=a") else { panic!("a session") };
        let json = br#"{"user_id":42,"__metadata__":{"lifetime":1,"created":0,"last_access":0}}"#;
        let decoded = starlette().decode(&Record::String(json.to_vec()), &lookup).unwrap();
        assert!(decoded.data == Value::Map(vec![("user_id".into(), Value::Int(42))]));
        assert_eq!(decoded.ends_at, None);
    }
}

//! actix-session, and actix-identity on top of it.
//!
//! Captured from actix-session 0.10.1 on actix-web 4.18, private and signed cookies, with actix-identity 0.8; that 0.11
//! stores plain JSON values is from its source.
//! * Cookie `id`, in the private jar of the crate cookie by default, in its signed jar with `signed = true` (see `jar`). The
//!   value is 64 letters and digits.
//! * Key: the value, with whatever `cache_keygen` puts before it.
//! * Value: JSON. Up to 0.10 an object of texts, each itself JSON: `{"user_id":"42"}` is the number 42. From 0.11 the
//!   values are plain. An object whose values are all texts that read as JSON is taken for the former.
//! * The user is actix-identity's `actix_identity.user_id`, one name with a dot in it.

use crate::codec::{Limits, Value, json};
use crate::config::{ConfigError, DuplicateCookie, Profile};
use crate::format::cookies::{self, CookieRules};
use crate::format::jar::{Jar, Protection};
use crate::format::options::{KeyTemplate, Options};
use crate::format::{Decoded, Lookup, Presented, Reject, SessionFormat, SessionId, record};
use crate::request::Cookies;
use crate::store::{Record, StoreKey};

/// actix-identity's name for the user id.
const USER: &str = "actix_identity.user_id";

/// actix-session.
#[derive(Debug)]
pub struct Actix {
    cookie: String,
    key: KeyTemplate,
    jar: Jar,
    duplicate: DuplicateCookie,
}

impl Actix {
    /// Reads `cookie`, `key`, `signed`, `secrets` and `serializer`.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        let mut options = Options::new(profile);
        let cookie = options.cookie("id");
        let key = options.key("{id}");
        let protection =
            if options.signed() == Some(true) { Protection::Signed } else { Protection::Private };
        let jar = Jar::new(&mut options, protection, "the bytes of the app's `cookie::Key`");
        options.serializer(&[("json", ())]);
        let duplicate = profile.duplicate_cookie;
        options.finish(|| Self { cookie, key, jar, duplicate })
    }

    fn open(&self, value: &[u8]) -> Result<Lookup, Reject> {
        let (id, secret) = self.jar.open(&self.cookie, value)?;
        if id.is_empty() {
            return Err(Reject::MalformedCookie("the id is empty"));
        }
        Ok(Lookup { keys: vec![self.key.key(&id)], id: SessionId::new(id), secret, ends_at: None })
    }
}

/// The fields decoded once more, if every one of them is a text of JSON.
fn unwrap_texts(session: Value) -> Value {
    let Value::Map(fields) = &session else { return session };
    let inner: Option<Vec<_>> = fields
        .iter()
        .map(|(name, value)| {
            let inner = json::decode(value.as_text()?.as_bytes(), Limits::default()).ok()?;
            Some((name.clone(), inner))
        })
        .collect();
    inner.map_or(session, Value::Map)
}

impl SessionFormat for Actix {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.clone()]
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        let picked = cookies::pick(cookies, &self.cookie, CookieRules::ACTIX, self.duplicate);
        Presented::from_cookie(picked, |value| self.open(value))
    }

    fn decode(&self, record: &Record, _lookup: &Lookup) -> Result<Decoded, Reject> {
        Ok(Decoded { data: unwrap_texts(record::json_object(record)?), ends_at: None })
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.key.key(id))
    }

    fn subject(&self, data: &Value) -> Option<Value> {
        data.get(USER).cloned()
    }

    fn subject_convention(&self) -> Option<&'static str> {
        Some(USER)
    }
}

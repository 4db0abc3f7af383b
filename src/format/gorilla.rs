//! gorilla/sessions with boj/redistore, and gin-contrib/sessions with its redis store, which is the same.
//!
//! Captured from gorilla/sessions 1.2.1, securecookie 1.1.1, redistore of 2018 and gin-contrib/sessions 0.0.5; block keys
//! and rbcervilla/redisstore (`key = "session:{id}"`) are from the source.
//! * Cookie: the app chooses its name; ours are those of the examples, `session-name` and `mysession`. securecookie:
//!   base64url (padded) of `time|value|mac`. The time is in decimal seconds; the value base64url (padded) of gob of the id,
//!   encrypted with AES-CTR behind a 16-byte IV where there is a block key; the MAC the 32 bytes of
//!   HMAC-SHA256(hash key, `name|time|value`). Keys come in pairs of hash and block key and are tried in order. Older
//!   than 30 days is refused, from the future is not; longer than 4096 bytes is.
//! * Key: `session_` + the id, 32 bytes of base32.
//! * Value: gob of `map[interface{}]interface{}`, or a JSON object. Of a gob that is cut, the app takes what it got.
//! * No convention for the user. A login keeps the id.

use crate::clock::UnixMillis;
use crate::codec::seal::{self, Base64, Hash, MacKey};
use crate::codec::{Limits, Value, gob};
use crate::config::{ConfigError, DuplicateCookie, Framework, Profile, Secret};
use crate::format::cookies::{self, CookieRules};
use crate::format::options::{KeyTemplate, Options};
use crate::format::{Decoded, Lookup, Presented, Reject, SessionFormat, SessionId, Touching, record};
use crate::request::Cookies;
use crate::store::{Record, StoreKey};
use std::time::Duration;

/// `securecookie`'s and `redistore`'s default.
const MAX_AGE: Duration = Duration::from_secs(30 * 86_400);

/// `securecookie.maxLength`.
const COOKIE_BYTES_MAX: usize = 4096;

/// gorilla/sessions and gin-contrib/sessions.
#[derive(Debug)]
pub struct Gorilla {
    cookie: String,
    key: KeyTemplate,
    hash_keys: Vec<MacKey>,
    block_keys: Vec<Secret>,
    serializer: Serializer,
    duplicate: DuplicateCookie,
}

#[derive(Clone, Copy, Debug)]
enum Serializer {
    Gob,
    Json,
}

impl Gorilla {
    /// Reads `cookie`, `key`, `secrets`, `encryption_secrets` and `serializer`.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        let mut options = Options::new(profile);
        let gin = profile.framework.value == Framework::Gin;
        let cookie = options.cookie(if gin { "mysession" } else { "session-name" });
        let key = options.key("session_{id}");
        let hash_keys =
            options.secrets("the hash keys given to the app's `NewRediStore` or `redis.NewStore`");
        let hash_keys = hash_keys.iter().map(|key| MacKey::new(Hash::Sha256, key.expose())).collect();
        let block_keys = options.encryption_secrets();
        if block_keys.iter().any(|key| !matches!(key.expose().len(), 16 | 24 | 32)) {
            options.wrong("encryption_secrets", "a block key of another length", "16, 24 or 32 bytes");
        }
        let serializer = options
            .serializer(&[("gob", Serializer::Gob), ("json", Serializer::Json)])
            .unwrap_or(Serializer::Gob);
        let duplicate = profile.duplicate_cookie;
        options.finish(|| Self { cookie, key, hash_keys, block_keys, serializer, duplicate })
    }

    fn open(&self, cookie: &[u8]) -> Result<Lookup, Reject> {
        if cookie.len() > COOKIE_BYTES_MAX {
            return Err(Reject::MalformedCookie("the value is longer than 4096 bytes"));
        }
        let bytes = Base64::Url.decode(cookie).ok_or(Reject::MalformedCookie("not base64url"))?;
        let (time, value, mac) = split(&bytes).ok_or(Reject::MalformedCookie("not `time|value|mac`"))?;
        let name = self.cookie.as_bytes();
        let secret = seal::verify_any(&self.hash_keys, &[name, b"|", time, b"|", value], mac);
        let secret = secret.ok_or(Reject::BadSignature { secrets: self.hash_keys.len() })?;
        let issued = std::str::from_utf8(time).ok().and_then(|time| time.parse().ok());
        let issued =
            UnixMillis::from_secs(issued.ok_or(Reject::MalformedCookie("the time is not a number"))?);
        let id = self.id(value, secret).ok_or(Reject::MalformedCookie("no id inside"))?;
        Ok(Lookup {
            keys: vec![self.key.key(&id)],
            id: SessionId::new(id),
            secret: Some(secret),
            ends_at: Some(issued.plus(MAX_AGE)),
        })
    }

    /// The id in a value whose MAC verified with the secret at `secret`.
    fn id(&self, value: &[u8], secret: usize) -> Option<Vec<u8>> {
        let mut value = Base64::Url.decode(value)?;
        if let Some(key) = self.block_keys.get(secret) {
            let (iv, sealed) = value.split_at_checked(16)?;
            value = seal::open_ctr(key.expose(), iv, sealed)?;
        }
        match gob::read(&value, Limits::default()).ok()? {
            Value::Text(id) if !id.is_empty() => Some(id.into_bytes()),
            _ => None,
        }
    }
}

/// The MAC may hold any byte, a bar too: it is what follows the second bar.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut parts = bytes.splitn(3, |byte| *byte == b'|');
    Some((parts.next()?, parts.next()?, parts.next()?))
}

impl SessionFormat for Gorilla {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.clone()]
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        let picked = cookies::pick(cookies, &self.cookie, CookieRules::GO, self.duplicate);
        Presented::from_cookie(picked, |cookie| self.open(cookie))
    }

    fn decode(&self, record: &Record, _lookup: &Lookup) -> Result<Decoded, Reject> {
        let data = match self.serializer {
            Serializer::Json => record::json_object(record)?,
            Serializer::Gob => {
                let value = gob::read(record::string(record)?, Limits::default());
                record::object(value.map_err(Reject::Undecodable)?)?
            }
        };
        Ok(Decoded { data, ends_at: None })
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.key.key(id))
    }

    fn touching(&self) -> Touching {
        Touching::Never("the cookie says itself when it ends")
    }
}

#[cfg(test)]
mod tests;

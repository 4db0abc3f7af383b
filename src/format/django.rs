//! Django's sessions in a Redis cache, and django-redis-sessions.
//!
//! Captured from Django 4.2.30 and 5.2.19 with the core `RedisCache` and django-redis 7.0.0 (pickle, JSON with zlib,
//! MessagePack), the engines `cache` and `cached_db`, and Django 3.2.25 with django-redis-sessions 0.6.2. From source: the
//! other compressors, the text of Django before 3.1, and SECRET_KEY_FALLBACKS (4.1).
//! * Cookie `sessionid`: the bare key, 32 of `[a-z0-9]`; Django takes whatever has 8 characters or more.
//! * Key: `{KEY_PREFIX}:{VERSION}:` + the class's prefix + id, nothing between them; so `:1:django.contrib.sessions.cache{id}`,
//!   with `cached_db` instead of `cache`, or `session:{id}` for `redis_sessions`.
//! * Value of the cache engines: the dict as the cache's serializer writes it, neither signed nor in base64. django-redis
//!   compresses what is longer than 15 bytes, and what does not inflate it takes as it is, so both occur.
//! * Value of `redis_sessions`: `[.]base64url(payload):timestamp:signature`, the dot for zlib, HMAC-SHA256 with the key
//!   SHA-256(salt + `signer` + SECRET_KEY) and the salt `django.contrib.sessions.SessionStore`. Before 3.1:
//!   base64(hex of HMAC-SHA1 + `:` + payload) with the key SHA-1(`django.contrib.sessionsSessionStore` + SECRET_KEY).
//! * The user is `_auth_user_id`, a text. A password change shows in the database only, so until that browser's next request
//!   to the app the record still names the user.

use crate::codec::inflate::{self, Compression};
use crate::codec::seal::{self, Base64, Hash, MacKey};
use crate::codec::{Fault, Limits, Value, json, msgpack, pickle};
use crate::config::{ConfigError, DuplicateCookie, Profile, Secret};
use crate::format::cookies::{self, CookieRules};
use crate::format::options::{KeyTemplate, Options};
use crate::format::{Decoded, Lookup, Presented, Reject, SessionFormat, bare_id, record};
use crate::request::Cookies;
use crate::store::{Record, StoreKey};
use std::borrow::Cow;

/// Shortest id that Django takes (`SessionBase._validate_session_key`).
const ID_MIN: usize = 8;

/// Django.
#[derive(Debug)]
pub struct Django {
    cookie: String,
    key: KeyTemplate,
    wrapping: Wrapping,
    serializer: Serializer,
    duplicate: DuplicateCookie,
}

/// What is around the serialised dict.
#[derive(Debug)]
enum Wrapping {
    /// Perhaps a compression.
    Cache(Option<Compression>),
    /// A signature, by any of these.
    Signed { current: Vec<MacKey>, before_3_1: Vec<MacKey> },
}

#[derive(Clone, Copy, Debug)]
enum Engine {
    Cache,
    CachedDb,
    RedisSessions,
}

#[derive(Clone, Copy, Debug)]
enum Serializer {
    Json,
    Msgpack,
    Pickle,
}

impl Django {
    /// Reads `cookie`, `key`, `engine` and `serializer`; `compressor` for the cache engines, `secrets` for `redis_sessions`.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        const ENGINES: [(&str, Engine); 3] = [
            ("cache", Engine::Cache),
            ("cached_db", Engine::CachedDb),
            ("redis_sessions", Engine::RedisSessions),
        ];
        let mut options = Options::new(profile);
        let cookie = options.cookie("sessionid");
        let engine = options.engine(&ENGINES).unwrap_or(Engine::Cache);
        let (json, pickle) = (("json", Serializer::Json), ("pickle", Serializer::Pickle));
        let (key, serializer, wrapping) = match engine {
            Engine::RedisSessions => {
                let serializer = options.serializer(&[json, pickle]);
                let secrets = options.secrets("SECRET_KEY, then SECRET_KEY_FALLBACKS, of the app's settings");
                ("session:{id}", serializer, signed(&secrets))
            }
            Engine::Cache | Engine::CachedDb => {
                let serializer = options.serializer(&[pickle, json, ("msgpack", Serializer::Msgpack)]);
                let key = match engine {
                    Engine::CachedDb => ":1:django.contrib.sessions.cached_db{id}",
                    Engine::Cache | Engine::RedisSessions => ":1:django.contrib.sessions.cache{id}",
                };
                (key, serializer, Wrapping::Cache(options.compressor(&COMPRESSORS)))
            }
        };
        let key = options.key(key);
        let serializer = serializer.unwrap_or(Serializer::Json);
        let duplicate = profile.duplicate_cookie;
        options.finish(|| Self { cookie, key, wrapping, serializer, duplicate })
    }

    fn unwrap<'r>(&self, bytes: &'r [u8]) -> Result<Cow<'r, [u8]>, Reject> {
        match &self.wrapping {
            Wrapping::Cache(None) => Ok(Cow::Borrowed(bytes)),
            Wrapping::Cache(Some(compression)) => {
                match inflate::read(*compression, bytes, Limits::default()) {
                    Ok(plain) => Ok(Cow::Owned(plain)),
                    Err(error) if matches!(error.fault, Fault::LengthExceeded { .. }) => {
                        Err(Reject::Undecodable(error))
                    }
                    Err(_) => Ok(Cow::Borrowed(bytes)),
                }
            }
            Wrapping::Signed { current, before_3_1 } => {
                let payload = match open(current, bytes) {
                    Some((payload, true)) => inflate::read(Compression::Zlib, &payload, Limits::default())
                        .map_err(Reject::Undecodable)?,
                    Some((payload, false)) => payload,
                    None => {
                        let secrets = current.len();
                        open_before_3_1(before_3_1, bytes).ok_or(Reject::BadSignature { secrets })?
                    }
                };
                Ok(Cow::Owned(payload))
            }
        }
    }
}

const COMPRESSORS: [(&str, Compression); 5] = [
    ("zlib", Compression::Zlib),
    ("gzip", Compression::Gzip),
    ("lzma", Compression::Lzma),
    ("lz4", Compression::Lz4),
    ("zstd", Compression::Zstd),
];

fn signed(secrets: &[Secret]) -> Wrapping {
    let keys = |hash, salt: &[u8]| {
        let key = |secret: &Secret| MacKey::new(hash, &seal::digest(hash, &[salt, secret.expose()]));
        secrets.iter().map(key).collect()
    };
    Wrapping::Signed {
        current: keys(Hash::Sha256, b"django.contrib.sessions.SessionStoresigner"),
        before_3_1: keys(Hash::Sha1, b"django.contrib.sessionsSessionStore"),
    }
}

/// The payload of a text that one of the keys signed, and whether it is compressed.
fn open(keys: &[MacKey], text: &[u8]) -> Option<(Vec<u8>, bool)> {
    let (value, signature) = text.split_at_checked(memchr::memrchr(b':', text)?)?;
    let tag = Base64::UrlNoPad.decode(signature.get(1..)?)?;
    seal::verify_any(keys, &[value], &tag)?;
    let payload = value.get(..memchr::memrchr(b':', value)?)?;
    match payload.strip_prefix(b".") {
        Some(compressed) => Some((Base64::UrlNoPad.decode(compressed)?, true)),
        None => Some((Base64::UrlNoPad.decode(payload)?, false)),
    }
}

fn open_before_3_1(keys: &[MacKey], text: &[u8]) -> Option<Vec<u8>> {
    let decoded = Base64::Standard.decode(text)?;
    let (tag, payload) = decoded.split_at_checked(memchr::memchr(b':', &decoded)?)?;
    let payload = payload.get(1..)?;
    let signed = keys.iter().any(|key| seal::same(&seal::hex(&key.sign(&[payload])), tag));
    signed.then(|| payload.to_vec())
}

impl SessionFormat for Django {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.clone()]
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        let picked = cookies::pick(cookies, &self.cookie, CookieRules::DJANGO, self.duplicate);
        Presented::from_cookie(picked, |id| bare_id::lookup(id, ID_MIN, &self.key))
    }

    fn decode(&self, record: &Record, _lookup: &Lookup) -> Result<Decoded, Reject> {
        let bytes = self.unwrap(record::string(record)?)?;
        let limits = Limits::default();
        let value = match self.serializer {
            Serializer::Json => json::decode(&bytes, limits),
            Serializer::Msgpack => msgpack::read(&bytes, limits),
            Serializer::Pickle => pickle::read_prefix(&bytes, limits).map(|(value, _)| value),
        };
        let data = record::object(value.map_err(Reject::Undecodable)?)?;
        Ok(Decoded { data, ends_at: None })
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.key.key(id))
    }

    fn subject(&self, data: &Value) -> Option<Value> {
        data.get("_auth_user_id").cloned()
    }

    fn subject_convention(&self) -> Option<&'static str> {
        Some("_auth_user_id")
    }
}

#[cfg(test)]
mod tests;

//! Laravel's redis session driver.
//!
//! Facts [captured with 8.83, 10.50, 11.56 and 12.67; Encrypter, EncryptCookies, CookieValuePrefix, Store and
//! SessionGuard read]: the cookie is base64 of a JSON object of `iv`, `value`, `mac` and `tag` (`Keyring`); its plain
//! text is `hex(hmac_sha1(key, name + "v2"))|id`, so that no other cookie's ciphertext passes for it. An app may
//! except the cookie from encryption: then it is the bare id (`secrets = []`). The id is 40 of `[A-Za-z0-9]`. The key
//! is Redis's prefix, the cache's prefix (before 11 with a `:` behind it), the id.
//!
//! The value is a serialised string, and in it the session: serialised too, or JSON (`session.serialization`), or either
//! of them in an encrypted payload (`session.encrypt`). phpredis's own serializer adds a layer outside. The user is
//! under `login_{guard}_{sha1 of the guard's class}`; `remember_web_*` is a cookie that no store knows.

use crate::codec::{DecodeError, Limits, Value, igbinary, json, msgpack, php, php_session};
use crate::config::{ConfigError, DuplicateCookie, Profile};
use crate::format::cookies::{self, CookieRules};
use crate::format::encrypter::{Cipher, Keyring, NOT_SEALED, Sealed};
use crate::format::options::{KeyTemplate, Options};
use crate::format::{Decoded, Lookup, Presented, Reject, SessionFormat, SessionId, record};
use crate::request::Cookies;
use crate::store::{Record, StoreKey};

/// Layers of serialised strings at most: phpredis's, the cache's, the encrypter's.
const LAYERS_MAX: usize = 3;

/// Laravel's sessions in Redis.
#[derive(Debug)]
pub struct Laravel {
    cookie: String,
    key: KeyTemplate,
    duplicate: DuplicateCookie,
    keyring: Keyring,
    encrypted: bool,
    serializer: Serializer,
    store_serializer: Option<StoreSerializer>,
}

/// `session.serialization`
#[derive(Clone, Copy, Debug)]
enum Serializer {
    Json,
    Php,
}

/// phpredis's `serializer` option.
#[derive(Clone, Copy, Debug)]
enum StoreSerializer {
    Igbinary,
    Json,
    Msgpack,
    Php,
}

impl Laravel {
    /// The format of this profile.
    ///
    /// # Errors
    /// Every mistake in its options.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        let mut options = Options::new(profile);
        let cookie = options.cookie("laravel_session");
        let key = options.key("laravel_database_laravel_cache_{id}");
        let cipher = options.cipher(&Cipher::WORDS).unwrap_or(Cipher::Aes256Cbc);
        let secrets = options.secrets_if_any();
        if secrets.iter().any(|secret| secret.expose().len() != cipher.key_bytes()) {
            let accepted = format!("{} bytes; APP_KEY with its `base64:`", cipher.key_bytes());
            options.wrong("secrets", "a key of another length than the cipher's", accepted);
        }
        let encrypted = options.encrypted();
        if encrypted && secrets.is_empty() {
            options.wrong("encrypted", "an encrypted value and no `secrets`", "APP_KEY in `secrets`");
        }
        let serializer = options.serializer(&[("php", Serializer::Php), ("json", Serializer::Json)]);
        let serializer = serializer.unwrap_or(Serializer::Php);
        let store_serializer = options.store_serializer(&[
            ("php", StoreSerializer::Php),
            ("igbinary", StoreSerializer::Igbinary),
            ("msgpack", StoreSerializer::Msgpack),
            ("json", StoreSerializer::Json),
        ]);
        let duplicate = profile.duplicate_cookie;
        options.finish(|| {
            let keyring = Keyring::new(cipher, &secrets, &cookie);
            Self { cookie, key, duplicate, keyring, encrypted, serializer, store_serializer }
        })
    }

    /// Which key opened the cookie, and the id in it.
    fn id(&self, value: &[u8]) -> Result<(Option<usize>, Vec<u8>), Reject> {
        let (secret, id) = if self.keyring.is_empty() {
            (None, value.to_vec())
        } else {
            let sealed = Sealed::parse(value).ok_or(Reject::MalformedCookie(NOT_SEALED))?;
            let (secret, plain) = self.keyring.open(&sealed)?;
            (Some(secret), self.keyring.take_prefix(&plain)?.to_vec())
        };
        if id.len() == 40 && id.iter().all(u8::is_ascii_alphanumeric) {
            return Ok((secret, id));
        }
        Err(Reject::MalformedCookie("the value is no id that Laravel makes"))
    }

    fn layers(&self, bytes: &[u8]) -> Result<Vec<u8>, Reject> {
        let limits = Limits::default();
        let outer = match self.store_serializer {
            None => return text(php::read(bytes, limits)),
            Some(StoreSerializer::Igbinary) => igbinary::read(bytes, limits),
            Some(StoreSerializer::Msgpack) => msgpack::read_php(bytes, limits),
            Some(StoreSerializer::Json) => json::decode(bytes, limits),
            Some(StoreSerializer::Php) => php::read(bytes, limits),
        };
        text(outer)
    }
}

impl SessionFormat for Laravel {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.clone()]
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        let picked = cookies::pick(cookies, &self.cookie, CookieRules::PHP, self.duplicate);
        Presented::from_cookie(picked, |value| {
            let (secret, id) = self.id(value)?;
            let keys = vec![self.key.key(&id)];
            Ok(Lookup { id: SessionId::new(id), keys, secret, ends_at: None })
        })
    }

    fn decode(&self, record: &Record, _: &Lookup) -> Result<Decoded, Reject> {
        let mut bytes = peel(self.layers(record::string(record)?)?)?;
        if self.encrypted {
            let sealed = Sealed::parse(&bytes).ok_or(record::malformed(NOT_SEALED))?;
            bytes = peel(self.keyring.open(&sealed)?.1)?;
        }
        let session = match self.serializer {
            Serializer::Json => json::decode(&bytes, Limits::default()),
            Serializer::Php => php::read(&bytes, Limits::default()),
        };
        let data = session.and_then(php_session::session).map_err(Reject::Undecodable)?;
        Ok(Decoded { data, ends_at: None })
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.key.key(id))
    }

    fn subject(&self, data: &Value) -> Option<Value> {
        let Value::Map(fields) = data else { return None };
        only(fields.iter().filter_map(|(name, id)| (guard(name)? == "web").then_some(id)))
    }

    fn subject_convention(&self) -> Option<&'static str> {
        Some("`login_web_{sha1}`; for another guard name its key as `subject`")
    }

    fn other_subjects(&self, data: &Value) -> Vec<String> {
        let Value::Map(fields) = data else { return Vec::new() };
        fields.iter().filter(|(name, _)| guard(name).is_some()).map(|(name, _)| name.clone()).collect()
    }
}

/// The id, if there is one login. Other guards are left out, since they may number another table of people: admin 1 must not
/// become user 1. Of one guard under two classes the app knows only the class it has now.
fn only<'v>(mut logins: impl Iterator<Item = &'v Value>) -> Option<Value> {
    match (logins.next(), logins.next()) {
        (Some(id), None) => Some(id.clone()),
        _ => None,
    }
}

/// The guard in `login_{guard}_{sha1}`.
fn guard(name: &str) -> Option<&str> {
    let (guard, class) = name.strip_prefix("login_")?.rsplit_once('_')?;
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (!guard.is_empty() && guard.bytes().all(word) && class.len() == 40 && class.bytes().all(digit))
        .then_some(guard)
}

/// Takes serialised strings off until something else is inside.
fn peel(mut bytes: Vec<u8>) -> Result<Vec<u8>, Reject> {
    for _ in 0..LAYERS_MAX {
        if !bytes.starts_with(b"s:") {
            return Ok(bytes);
        }
        bytes = text(php::read(&bytes, Limits::default()))?;
    }
    Ok(bytes)
}

fn text(value: Result<Value, DecodeError>) -> Result<Vec<u8>, Reject> {
    match value.map_err(Reject::Undecodable)? {
        Value::Text(text) => Ok(text.into_bytes()),
        Value::Bytes(bytes) => Ok(bytes),
        _ => Err(record::malformed("the session is no serialised string")),
    }
}

#[cfg(test)]
mod tests;

//! Plain PHP over phpredis: `session.save_handler = redis`.
//!
//! Facts [captured with PHP 8.2 and phpredis 5.3; ext/session and phpredis's redis_session.c read]: the cookie `PHPSESSID`
//! is the bare id, 22 to 256 of `[a-zA-Z0-9,-]`; the key is `PHPREDIS_SESSION:{id}` unless `session.save_path` has a
//! `prefix=`. PHP files `app.sid` and `app sid` under `app_sid` too, and ignores the session if the cookie is sent as an
//! array. The value is what `session.serialize_handler` wrote; a session without a variable is an empty string.
//! phpredis 6 may compress it (`redis.session.compression`), and takes what does not inflate as it is.
//!
//! There is no convention for the user: a profile names its `subject`.

use crate::codec::{DecodeError, Limits, Value, igbinary, inflate, lzf, msgpack, php_session};
use crate::config::{ConfigError, DuplicateCookie, Profile};
use crate::format::cookies::{self, CookieRules};
use crate::format::options::{KeyTemplate, Options};
use crate::format::{Decoded, Lookup, Presented, Reject, SessionFormat, SessionId, record};
use crate::request::Cookies;
use crate::store::{Record, StoreKey};

/// PHP's sessions in Redis.
#[derive(Debug)]
pub struct Php {
    cookie: PhpCookie,
    handler: Handler,
    compressor: Option<Compressor>,
}

impl Php {
    /// The format of this profile.
    ///
    /// # Errors
    /// Every mistake in its options.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        let mut options = Options::new(profile);
        let cookie = PhpCookie::new(&mut options, "PHPREDIS_SESSION:{id}", profile.duplicate_cookie);
        let handler = Handler::new(&mut options);
        let compressor = options.compressor(&Compressor::WORDS);
        options.finish(|| Self { cookie, handler, compressor })
    }
}

impl SessionFormat for Php {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.name.clone()]
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        self.cookie.present(cookies)
    }

    fn decode(&self, record: &Record, _: &Lookup) -> Result<Decoded, Reject> {
        let bytes = record::string(record)?;
        let inflated = self.compressor.and_then(|compressor| compressor.inflate(bytes));
        let data = self.handler.read(inflated.as_deref().unwrap_or(bytes)).map_err(Reject::Undecodable)?;
        Ok(Decoded { data, ends_at: None })
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.cookie.key_of(id))
    }

    fn subject(&self, _: &Value) -> Option<Value> {
        None
    }

    fn subject_convention(&self) -> Option<&'static str> {
        None
    }
}

/// PHP's own session cookie, which Symfony uses too.
#[derive(Debug)]
pub(crate) struct PhpCookie {
    pub(crate) name: String,
    key: KeyTemplate,
    duplicate: DuplicateCookie,
}

impl PhpCookie {
    pub(crate) fn key_of(&self, id: &[u8]) -> StoreKey {
        self.key.key(id)
    }

    pub(crate) fn new(options: &mut Options<'_>, key: &str, duplicate: DuplicateCookie) -> Self {
        Self { name: options.cookie("PHPSESSID"), key: options.key(key), duplicate }
    }

    pub(crate) fn present(&self, cookies: &Cookies) -> Presented {
        let picked = cookies::pick(cookies, &self.name, CookieRules::PHP, self.duplicate);
        Presented::from_cookie(picked, |id| {
            let of_php = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b',' | b'-');
            if !(22..=256).contains(&id.len()) || !id.iter().all(of_php) {
                return Err(Reject::MalformedCookie("the value is no id that PHP makes"));
            }
            let (id, keys) = (SessionId::new(id.to_vec()), vec![self.key.key(id)]);
            Ok(Lookup { id, keys, secret: None, ends_at: None })
        })
    }
}

/// `session.serialize_handler`
#[derive(Clone, Copy, Debug)]
pub(crate) enum Handler {
    Igbinary,
    Msgpack,
    Php,
    PhpBinary,
    PhpSerialize,
}

impl Handler {
    pub(crate) fn new(options: &mut Options<'_>) -> Self {
        let words = [
            ("php", Self::Php),
            ("php_serialize", Self::PhpSerialize),
            ("php_binary", Self::PhpBinary),
            ("igbinary", Self::Igbinary),
            ("msgpack", Self::Msgpack),
        ];
        options.serializer(&words).unwrap_or(Self::Php)
    }

    /// A session's variables.
    pub(crate) fn read(self, bytes: &[u8]) -> Result<Value, DecodeError> {
        let limits = Limits::default();
        if bytes.is_empty() {
            return Ok(Value::Map(Vec::new()));
        }
        match self {
            Self::Igbinary => php_session::session(igbinary::read(bytes, limits)?),
            Self::Msgpack => php_session::session(msgpack::read_php(bytes, limits)?),
            Self::Php => php_session::read_php(bytes, limits),
            Self::PhpBinary => php_session::read_php_binary(bytes, limits),
            Self::PhpSerialize => php_session::read_php_serialize(bytes, limits),
        }
    }
}

/// `redis.session.compression`
#[derive(Clone, Copy, Debug)]
enum Compressor {
    Lz4,
    Lzf,
    Zstd,
}

impl Compressor {
    const WORDS: [(&'static str, Self); 3] = [("lzf", Self::Lzf), ("zstd", Self::Zstd), ("lz4", Self::Lz4)];

    /// What phpredis makes of the value; `None` if it takes it as it is.
    fn inflate(self, bytes: &[u8]) -> Option<Vec<u8>> {
        let limits = Limits::default();
        match self {
            Self::Lz4 => {
                let ([check, length @ ..], block) = bytes.split_first_chunk::<5>()?;
                let declared = usize::try_from(u32::from_le_bytes(*length)).ok()?;
                (crc8(*length) == *check).then(|| inflate::lz4_block(block, declared, limits).ok())?
            }
            Self::Lzf => lzf::read(bytes, limits).ok(),
            Self::Zstd => inflate::read(inflate::Compression::Zstd, bytes, limits).ok(),
        }
    }
}

/// phpredis's check byte over the length in front of an LZ4 block: polynomial 0x31, start value 0xff [library.c].
fn crc8(bytes: [u8; 4]) -> u8 {
    bytes.into_iter().fold(0xff, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x31 })
    })
}

#[cfg(test)]
pub(crate) mod tests;

//! ASP.NET Core's session middleware over the distributed Redis cache.
//!
//! All from the source of .NET 8 (`SessionMiddleware`, `DistributedSession`, `RedisCache`), nothing captured.
//! * Cookie `.AspNetCore.Session`: base64 (standard, unpadded) of a data protection payload with the 36 characters of a GUID
//!   inside. Its purposes are the application's discriminator and `SessionMiddleware`. `secrets` are the key ring's master
//!   keys, `base64:` as in the `<value>` of the ring's XML; `cookie_prefix` is the discriminator, set by
//!   `SetApplicationName` and else the path of the app on its server.
//! * Key: the cache's `InstanceName` + the GUID, a hash: `absexp`, `sldexp` (ticks, -1 for none) and `data`. The sliding
//!   expiry is the key's TTL.
//! * `data`: 2, a count of 3 bytes, an id of 16, then for each entry a length of 2, the name, a length of 4, the value; all
//!   big-endian. Values have no type: `SetString` writes UTF-8, `SetInt32` four bytes. Four bytes that are
//!   also printable text are text, unless `serializer = "int32"` says that the app keeps numbers. What is neither is bytes.
//! * No convention for the user: ASP.NET's own login is in a cookie of its own that is a ticket by itself.

use crate::clock::UnixMillis;
use crate::codec::seal::Base64;
use crate::codec::{Budget, Cursor, DecodeError, Fault, Limits, Value};
use crate::config::{ConfigError, DuplicateCookie, Profile, Secret};
use crate::format::cookies::{self, CookieRules};
use crate::format::options::{KeyTemplate, Options};
use crate::format::{Decoded, Lookup, Presented, Reject, SessionFormat, SessionId, data_protection, record};
use crate::request::Cookies;
use crate::store::{Record, RecordKind, StoreKey};
use std::time::Duration;

/// Ticks of 100 ns from the year 1 to 1970.
const TICKS_TO_1970: i64 = 621_355_968_000_000_000;

/// ASP.NET Core.
#[derive(Debug)]
pub struct Aspnet {
    cookie: String,
    key: KeyTemplate,
    master_keys: Vec<Secret>,
    application: String,
    numbers: bool,
    duplicate: DuplicateCookie,
}

impl Aspnet {
    /// Reads `cookie`, `key`, `secrets`, `cookie_prefix`, `cipher` and `serializer`.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        let mut options = Options::new(profile);
        let cookie = options.cookie(".AspNetCore.Session");
        let key = options.key("{id}");
        let master_keys = options.secrets("the master keys of the data protection key ring, as `base64:...`");
        if master_keys.iter().any(|key| key.expose().len() != 64) {
            options.wrong("secrets", "a master key of another length", "64 bytes: `base64:` or `hex:`");
        }
        let application = options.cookie_prefix();
        options.cipher(&[("AES-256-CBC", ())]);
        let numbers = options.serializer(&[("text", false), ("int32", true)]).unwrap_or(false);
        let duplicate = profile.duplicate_cookie;
        options.finish(|| Self { cookie, key, master_keys, application, numbers, duplicate })
    }

    fn open(&self, cookie: &[u8]) -> Result<Lookup, Reject> {
        let payload = Base64::StandardNoPad.decode(cookie).ok_or(Reject::MalformedCookie("not base64"))?;
        let purposes = [self.application.as_str(), "SessionMiddleware"];
        let skip = usize::from(self.application.trim().is_empty());
        let purposes = purposes.get(skip..).unwrap_or_default();
        let (id, secret) = data_protection::unprotect(&self.master_keys, purposes, &payload)
            .ok_or(Reject::BadSignature { secrets: self.master_keys.len() })?;
        if id.len() != 36 || !id.is_ascii() {
            return Err(Reject::MalformedCookie("no session key of 36 characters inside"));
        }
        let keys = vec![self.key.key(&id)];
        Ok(Lookup { keys, id: SessionId::new(id), secret: Some(secret), ends_at: None })
    }

    fn entries(&self, data: &[u8]) -> Result<Vec<(String, Value)>, DecodeError> {
        let (mut cursor, limits) = (Cursor::new(data), Limits::default());
        let mut budget = Budget::new(limits);
        budget.copy(data.len(), &cursor)?;
        if cursor.byte()? != 2 {
            return Err(cursor.fail(Fault::Malformed("another revision than 2")));
        }
        let [high, middle, low] = cursor.array()?;
        let count = u32::from_be_bytes([0, high, middle, low]);
        cursor.take(16)?;
        let mut entries = Vec::new();
        for _ in 0..count {
            budget.node(&cursor)?;
            let length = u16::from_be_bytes(cursor.array()?);
            let name = std::str::from_utf8(cursor.take(usize::from(length))?);
            let name = name.map_err(|_| cursor.fail(Fault::Malformed("a name that is not UTF-8")))?;
            let length = u32::from_be_bytes(cursor.array()?);
            let value = cursor.take(usize::try_from(length).unwrap_or(usize::MAX))?;
            entries.push((name.to_owned(), self.value(value)));
        }
        if cursor.is_empty() {
            Ok(entries)
        } else {
            Err(cursor.fail(Fault::Malformed("bytes after the entries")))
        }
    }

    fn value(&self, bytes: &[u8]) -> Value {
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control));
        match (<[u8; 4]>::try_from(bytes), text) {
            (Ok(_), Some(text)) if !self.numbers => Value::Text(text.to_owned()),
            (Ok(number), _) => Value::Int(i64::from(i32::from_be_bytes(number))),
            (Err(_), _) => match std::str::from_utf8(bytes) {
                Ok(text) => Value::Text(text.to_owned()),
                Err(_) => Value::Bytes(bytes.to_vec()),
            },
        }
    }
}

/// `absexp`: ticks since the year 1 in UTC, or -1.
fn end(ticks: &[u8]) -> Option<Option<UnixMillis>> {
    match std::str::from_utf8(ticks).ok()?.parse::<i64>().ok()? {
        -1 => Some(None),
        ticks => {
            let millis = ticks.saturating_sub(TICKS_TO_1970) / 10_000;
            Some(Some(UnixMillis::new(u64::try_from(millis).unwrap_or(0))))
        }
    }
}

impl SessionFormat for Aspnet {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.clone()]
    }

    fn record_kind(&self) -> RecordKind {
        RecordKind::Hash
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        let picked = cookies::pick(cookies, &self.cookie, CookieRules::ASPNET, self.duplicate);
        Presented::from_cookie(picked, |cookie| self.open(cookie))
    }

    fn decode(&self, record: &Record, _lookup: &Lookup) -> Result<Decoded, Reject> {
        let Record::Hash(fields) = record else { return Err(Reject::WrongType) };
        let field =
            |name: &[u8]| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_slice());
        let (Some(ends_at), Some(data)) = (field(b"absexp").and_then(end), field(b"data")) else {
            return Err(record::malformed("no `absexp` and `data` in the hash"));
        };
        let entries = self.entries(data).map_err(Reject::Undecodable)?;
        Ok(Decoded { data: Value::Map(entries), ends_at })
    }

    fn idle(&self, record: &Record) -> Option<Duration> {
        let Record::Hash(fields) = record else { return None };
        let (_, ticks) = fields.iter().find(|(field, _)| field == b"sldexp")?;
        let ticks = std::str::from_utf8(ticks).ok()?.parse::<u64>().ok()?;
        Some(Duration::from_micros(ticks / 10)).filter(|idle| !idle.is_zero())
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.key.key(id))
    }
}

#[cfg(test)]
mod tests;

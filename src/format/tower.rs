//! tower-sessions with tower-sessions-redis-store.
//!
//! Captured from tower-sessions 0.14 with its redis store 0.16 on axum 0.8, plain and signed; the private jar is from
//! the source.
//! * Cookie `id`: base64url (unpadded) of 16 bytes, 22 characters; with `signed = true` in the signed jar of the crate
//!   cookie, with `encrypted = true` in its private jar (see `jar`).
//! * Key: those 22 characters, no prefix.
//! * Value: MessagePack `[id, data, expiry]`. The id is the cookie's 16 bytes in reverse; a record with another
//!   one is not this session's. The expiry is `[year, day of year, h, m, s, ns, offset h, m, s]`.
//! * No convention for the user.

use crate::clock::UnixMillis;
use crate::codec::seal::Base64;
use crate::codec::{Limits, Value, msgpack};
use crate::config::{ConfigError, DuplicateCookie, Profile};
use crate::format::cookies::{self, CookieRules};
use crate::format::jar::{Jar, Protection};
use crate::format::options::{KeyTemplate, Options};
use crate::format::{Decoded, Lookup, Presented, Reject, SessionFormat, SessionId, Touching, date, record};
use crate::request::Cookies;
use crate::store::{Record, StoreKey};
use std::time::Duration;

/// tower-sessions.
#[derive(Debug)]
pub struct Tower {
    cookie: String,
    key: KeyTemplate,
    jar: Jar,
    duplicate: DuplicateCookie,
}

impl Tower {
    /// Reads `cookie`, `key`, `signed`, `encrypted`, `secrets` and `serializer`.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        let mut options = Options::new(profile);
        let cookie = options.cookie("id");
        let key = options.key("{id}");
        let protection = match (options.signed(), options.encrypted()) {
            (_, true) => Protection::Private,
            (Some(true), false) => Protection::Signed,
            (_, false) => Protection::Plain,
        };
        let jar = Jar::new(&mut options, protection, "the bytes of the app's `cookie::Key`");
        options.serializer(&[("msgpack", ())]);
        let duplicate = profile.duplicate_cookie;
        options.finish(|| Self { cookie, key, jar, duplicate })
    }

    fn open(&self, value: &[u8]) -> Result<Lookup, Reject> {
        let (id, secret) = self.jar.open(&self.cookie, value)?;
        if Base64::UrlNoPad.decode(&id).is_none_or(|bytes| bytes.len() != 16) {
            return Err(Reject::MalformedCookie("the id is not 16 bytes of base64url"));
        }
        Ok(Lookup { keys: vec![self.key.key(&id)], id: SessionId::new(id), secret, ends_at: None })
    }
}

fn parts(record: Value, id: &[u8]) -> Option<(Value, UnixMillis)> {
    let Value::List(parts) = record else { return None };
    let [Value::Bytes(stored), data @ Value::Map(_), expiry] = <[Value; 3]>::try_from(parts).ok()? else {
        return None;
    };
    let named = Base64::UrlNoPad.decode(id)?;
    let same = named.iter().rev().eq(stored.iter());
    same.then_some((data, instant(&expiry)?))
}

/// `time::OffsetDateTime` as serde writes it without `human_readable`.
fn instant(expiry: &Value) -> Option<UnixMillis> {
    let number = |index| match expiry.at(index)? {
        Value::Int(number) => Some(*number),
        _ => None,
    };
    let local = date::from_ordinal(number(0)?, number(1)?, [number(2)?, number(3)?, number(4)?], number(5)?)?;
    let offset = number(6)?.checked_mul(3600)?.checked_add(number(7)?.checked_mul(60)?)?;
    let offset = offset.checked_add(number(8)?)?;
    let by = Duration::from_secs(offset.unsigned_abs());
    Some(if offset < 0 { local.plus(by) } else { local.minus(by) })
}

impl SessionFormat for Tower {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.clone()]
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        let picked = cookies::pick(cookies, &self.cookie, CookieRules::TOWER, self.duplicate);
        Presented::from_cookie(picked, |value| self.open(value))
    }

    fn decode(&self, record: &Record, lookup: &Lookup) -> Result<Decoded, Reject> {
        let value = msgpack::read(record::string(record)?, Limits::default()).map_err(Reject::Undecodable)?;
        let (data, ends_at) = parts(value, lookup.id.expose())
            .ok_or(record::malformed("not this session's id, data and expiry"))?;
        Ok(Decoded { data, ends_at: Some(ends_at) })
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.key.key(id))
    }

    fn touching(&self) -> Touching {
        Touching::Never("the record says when it ends, and only the app can write it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FormatOptions, Framework};
    use crate::format::fixture::{at, key, present, profile, secret};

    const ID: &str = "AMHt59fmkn2xa7hvfuAqhA";

    fn tower(options: FormatOptions) -> Tower {
        Tower::new(&profile(Framework::Tower, options)).unwrap()
    }

    #[test]
    fn what_is_not_sixteen_bytes_is_no_id() {
        let tower = tower(FormatOptions::default());
        for id in
            ["", "AMHt59fm", "AMHt59fmkn2xa7hvfuAqhB", "AMHt59fmkn2xa7hvfuAqhA==", "AMHt59fmkn2xa7hvfuAqhAAA"]
        {
            assert!(
                matches!(present(&tower, &format!("id={id}")), Some(Err(Reject::MalformedCookie(_)))),
                "{id}"
            );
        }
        assert_eq!(key(&tower, &format!("id={ID}")), Ok(ID.into()));
    }

    #[test]
    fn a_record_of_another_id_is_not_this_session() {
        let session = |stored: &[u8]| {
            let expiry = [2026, 325, 1, 13, 52, 0, 2, 0, 0].map(Value::Int).to_vec();
            Value::List(vec![Value::Bytes(stored.to_vec()), Value::Map(Vec::new()), Value::List(expiry)])
        };
        let mut stored = Base64::UrlNoPad.decode(ID.as_bytes()).unwrap();
        assert_eq!(parts(session(&stored), ID.as_bytes()), None);
        stored.reverse();
        let (_, ends_at) = parts(session(&stored), ID.as_bytes()).unwrap();
        assert_eq!(ends_at, UnixMillis::from_secs(1_795_223_632 - 7200));
    }

    #[test]
    fn an_expiry_that_is_no_date_is_refused() {
        for expiry in [vec![], vec![2026, 325], vec![2026, 400, 1, 1, 1, 0, 0, 0, 0], vec![i64::MAX; 9]] {
            assert_eq!(instant(&Value::List(expiry.into_iter().map(Value::Int).collect())), None);
        }
    }

    #[test]
    fn a_private_cookie_opens_with_its_own_name_only() {
        let options = |cookie: &str| FormatOptions {
            cookie: Some(at(cookie.into())),
            encrypted: Some(at(true)),
            secrets: secret(&format!("hex:{}", "07".repeat(64))),
            ..FormatOptions::default()
        };
        // Sealed with the crate cookie's construction by another implementation: nonce of twelve ones, name `id`.
        let sealed = "AQEBAQEBAQEBAQEBN6zBw6WGimO6uu5ZEQAYR86OVYVw1lzXjY1yvQcDJt6Z80ukMn0=";
        assert_eq!(key(&tower(options("id")), &format!("id={sealed}")), Ok(ID.into()));
        let other = key(&tower(options("di")), &format!("di={sealed}"));
        assert_eq!(other, Err(Reject::BadSignature { secrets: 1 }));
    }
}

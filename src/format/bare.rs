//! Frameworks `json` and `msgpack`: a bare id in the cookie, a map in the store, every name configurable.
//!
//! For apps that keep sessions by hand, and for libraries without a reader of their own. Defaults: cookie `sid`, key
//! `sess:{id}`. As nothing is signed, the cookie is read to the letter of RFC 6265 (no quotes, no percent-decoding, no
//! blank before `=`), and an id is 1 to 256 letters, digits and `-_.~+/=`, not beginning with a dot: every spelling
//! of random bytes that we have seen, but neither a colon, which parts the names of keys, nor a path.
//! There is no expiry but the key's TTL and no convention for the user: a profile names its `subject`.

use crate::codec::{Limits, msgpack};
use crate::config::{ConfigError, DuplicateCookie, Framework, Profile};
use crate::format::cookies::{self, CookieRules};
use crate::format::options::{KeyTemplate, Options, word};
use crate::format::{Decoded, Lookup, Presented, Reject, SessionFormat, SessionId, record};
use crate::request::Cookies;
use crate::store::{Record, StoreKey};

/// Longest id, in characters; 256 bits in hexadecimal are 64.
const ID_MAX: usize = 256;

/// A bare id and a map.
#[derive(Debug)]
pub struct Bare {
    cookie: String,
    key: KeyTemplate,
    serializer: Serializer,
    duplicate: DuplicateCookie,
}

#[derive(Clone, Copy, Debug)]
enum Serializer {
    Json,
    Msgpack,
}

impl Bare {
    /// Reads `cookie`, `key` and `serializer`; the framework's name says which serializer.
    ///
    /// # Errors
    /// Every mistake in them, and a missing `subject`.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        let mut options = Options::new(profile);
        let cookie = options.cookie("sid");
        let key = options.key("sess:{id}");
        let framework = profile.framework.value;
        let msgpack = framework == Framework::Msgpack;
        let serializer = if msgpack { Serializer::Msgpack } else { Serializer::Json };
        options.serializer(&[(word(framework), ())]);
        let duplicate = profile.duplicate_cookie;
        options.finish(|| Self { cookie, key, serializer, duplicate })
    }

    fn accept(&self, id: &[u8]) -> Result<Lookup, Reject> {
        let known = |byte: u8| {
            byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'_' | b'.' | b'~' | b'+' | b'/' | b'=')
        };
        if id.is_empty() || id.len() > ID_MAX || id.starts_with(b".") || !cookies::all(id, known) {
            return Err(Reject::MalformedCookie("no session id"));
        }
        Ok(Lookup {
            id: SessionId::new(id.to_vec()),
            keys: vec![self.key.key(id)],
            secret: None,
            ends_at: None,
        })
    }
}

impl SessionFormat for Bare {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.clone()]
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        let picked = cookies::pick(cookies, &self.cookie, CookieRules::STRICT, self.duplicate);
        Presented::from_cookie(picked, |id| self.accept(id))
    }

    fn decode(&self, record: &Record, _lookup: &Lookup) -> Result<Decoded, Reject> {
        let data = match self.serializer {
            Serializer::Json => record::json_object(record)?,
            Serializer::Msgpack => {
                let value = msgpack::read(record::string(record)?, Limits::default());
                record::object(value.map_err(Reject::Undecodable)?)?
            }
        };
        Ok(Decoded { data, ends_at: None })
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.key.key(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FormatOptions;
    use crate::format::fixture::{at, key, present, profile};

    fn bare(options: FormatOptions) -> Bare {
        Bare::new(&profile(Framework::Json, options)).unwrap()
    }

    #[test]
    fn what_is_no_id_is_rejected_before_a_key_is_made() {
        let bare = bare(FormatOptions::default());
        let long = "a".repeat(257);
        let ids = [
            "", "../../x", ".", "a:b", "%00", "a%2Fb", "\"a\"", "a b", "a,sid=b", "a*", "{id}", "a\\", &long,
        ];
        for id in ids {
            let rejected = present(&bare, &format!("sid={id}"));
            assert!(matches!(rejected, Some(Err(Reject::MalformedCookie(_)))), "{id}");
        }
        for line in ["", "sid", "sid =a", "SID=a", "=sid=a", "xsid=a"] {
            assert!(present(&bare, line).is_none(), "{line}");
        }
    }

    #[test]
    fn every_name_is_configurable() {
        let options = FormatOptions {
            cookie: Some(at("__Host-s".into())),
            key: Some(at("app:{id}:session".into())),
            ..FormatOptions::default()
        };
        let bare = bare(options);
        for id in ["a", "7f9c24e5-1c2b-4b1f-9d0e-8a1d2c3b4e5f", "+/a=", "v1.abc~_", &"a".repeat(256)] {
            assert_eq!(key(&bare, &format!("__Host-s={id}")), Ok(format!("app:{id}:session")));
        }
        assert_eq!(bare.cookie_names(), ["__Host-s"]);
    }

    #[test]
    fn a_record_that_is_no_map_is_no_session() {
        let bare = bare(FormatOptions::default());
        let Some(Ok(lookup)) = present(&bare, "sid=a") else { panic!("a session") };
        for record in ["", "null", "[]", "1", "\"a\"", "{"] {
            let decoded = bare.decode(&Record::String(record.into()), &lookup);
            assert!(matches!(decoded, Err(Reject::Undecodable(_))), "{record}");
        }
        assert!(matches!(bare.decode(&Record::Hash(Vec::new()), &lookup), Err(Reject::WrongType)));
        assert!(bare.decode(&Record::String(b"{}".to_vec()), &lookup).is_ok());
    }
}

//! Rack with redis-rack, without Rails around it.
//!
//! Captured from redis-rack 2.1.2 on Rack 2.2.
//! * Cookie `rack.session`: the bare public id, 64 hexadecimal digits.
//! * Key: namespace (`rack:session`) + `:` + private id, see `rack_id`; no TTL without `expire_after`.
//! * Value: Marshal of a hash whose keys are texts. Bytes behind it are ignored.
//! * No convention for the user.

use crate::codec::{Limits, marshal};
use crate::config::{ConfigError, DuplicateCookie, Profile};
use crate::format::cookies::{self, CookieRules};
use crate::format::options::{KeyTemplate, Options};
use crate::format::{Decoded, Lookup, Presented, Reject, SessionFormat, rack_id, record};
use crate::request::Cookies;
use crate::store::{Record, StoreKey};

/// redis-rack.
#[derive(Debug)]
pub struct Rack {
    cookie: String,
    key: KeyTemplate,
    duplicate: DuplicateCookie,
}

impl Rack {
    /// Reads `cookie`, `key` and `serializer`.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        let mut options = Options::new(profile);
        let cookie = options.cookie("rack.session");
        let key = options.key("rack:session:{id}");
        options.serializer(&[("marshal", ())]);
        let duplicate = profile.duplicate_cookie;
        options.finish(|| Self { cookie, key, duplicate })
    }
}

impl SessionFormat for Rack {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.clone()]
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        let picked = cookies::pick(cookies, &self.cookie, CookieRules::RACK, self.duplicate);
        Presented::from_cookie(picked, |id| rack_id::lookup(id, &self.key))
    }

    fn decode(&self, record: &Record, _lookup: &Lookup) -> Result<Decoded, Reject> {
        let value = marshal::read_prefix(record::string(record)?, Limits::default());
        let (value, _) = value.map_err(Reject::Undecodable)?;
        Ok(Decoded { data: record::object(value)?, ends_at: None })
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.key.key(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FormatOptions, Framework};
    use crate::format::fixture::{present, profile};

    fn rack() -> Rack {
        Rack::new(&profile(Framework::Rack, FormatOptions::default())).unwrap()
    }

    #[test]
    fn who_can_list_keys_cannot_log_in_with_one() {
        let private = "b".repeat(64);
        for value in [format!("2::{private}"), format!("2%3A%3A{private}"), "1::a".into(), "22::".into()] {
            let rejected = present(&rack(), &format!("rack.session={value}"));
            let said = Reject::MalformedCookie("a private id, which only the store may know");
            assert!(matches!(rejected, Some(Err(reject)) if reject == said), "{value}");
        }
        for value in ["", "::a", "a::b", "../x", "*", "rack:session"] {
            let rejected = present(&rack(), &format!("rack.session={value}"));
            assert!(matches!(rejected, Some(Err(Reject::MalformedCookie(_)))), "{value}");
        }
    }

    #[test]
    fn the_private_id_is_tried_before_the_public_one() {
        let Some(Ok(lookup)) = present(&rack(), "rack.session=abc") else { panic!("a session") };
        let keys: Vec<_> = lookup.keys.iter().map(|key| String::from_utf8_lossy(key.expose())).collect();
        let private = "2::ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(keys, [format!("rack:session:{private}"), "rack:session:abc".into()]);
    }

    #[test]
    fn what_is_no_hash_is_no_session() {
        let Some(Ok(lookup)) = present(&rack(), "rack.session=abc") else { panic!("a session") };
        for record in
            [b"".as_slice(), b"\x04\x080", b"\x04\x08[\0", b"\x04\x09{\0", b"{}", b"\x04\x08c\x0bString"]
        {
            let decoded = rack().decode(&Record::String(record.to_vec()), &lookup);
            assert!(matches!(decoded, Err(Reject::Undecodable(_))), "{}", record.escape_ascii());
        }
        assert!(rack().decode(&Record::String(b"\x04\x08{\0x".to_vec()), &lookup).is_ok());
    }
}

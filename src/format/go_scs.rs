//! alexedwards/scs v2 with redisstore or goredisstore.
//!
//! Captured from scs 2.5.0 with redisstore 2.5.0, Go 1.19; `HashTokenInStore` (scs 2.7) is from its source.
//! * Cookie `session`: base64url (unpadded) of 32 random bytes, 43 characters, not signed.
//! * Key: `scs:session:` + the token. With `engine = "hash_token"` for `HashTokenInStore`: base64url (unpadded) of the
//!   token's SHA-256 instead.
//! * Value: gob of `struct { Deadline time.Time; Values map[string]interface{} }`. The app leaves the deadline to the
//!   key's TTL, which was set from it; where both are there they say the same.
//! * No convention for the user.

use crate::codec::seal::Base64;
use crate::codec::{Limits, Value, gob};
use crate::config::{ConfigError, DuplicateCookie, Profile};
use crate::format::cookies::{self, CookieRules};
use crate::format::options::{KeyTemplate, Options};
use crate::format::{Decoded, Lookup, Presented, Reject, SessionFormat, SessionId, date, record};
use crate::request::Cookies;
use crate::store::{Record, StoreKey};
use aws_lc_rs::digest;

/// scs.
#[derive(Debug)]
pub struct Scs {
    cookie: String,
    key: KeyTemplate,
    hashed: bool,
    duplicate: DuplicateCookie,
}

impl Scs {
    /// Reads `cookie`, `key`, `engine` and `serializer`.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        let mut options = Options::new(profile);
        let cookie = options.cookie("session");
        let key = options.key("scs:session:{id}");
        let hashed = options.engine(&[("token", false), ("hash_token", true)]).unwrap_or(false);
        options.serializer(&[("gob", ())]);
        let duplicate = profile.duplicate_cookie;
        options.finish(|| Self { cookie, key, hashed, duplicate })
    }

    fn find(&self, token: &[u8]) -> Result<Lookup, Reject> {
        if Base64::UrlNoPad.decode(token).is_none_or(|bytes| bytes.len() != 32) {
            return Err(Reject::MalformedCookie("the token is not 32 bytes of base64url"));
        }
        let id = if self.hashed {
            Base64::UrlNoPad.encode(digest::digest(&digest::SHA256, token).as_ref()).into_bytes()
        } else {
            token.to_vec()
        };
        Ok(Lookup { keys: vec![self.key.key(&id)], id: SessionId::new(id), secret: None, ends_at: None })
    }
}

impl SessionFormat for Scs {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.clone()]
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        let picked = cookies::pick(cookies, &self.cookie, CookieRules::GO, self.duplicate);
        Presented::from_cookie(picked, |token| self.find(token))
    }

    fn decode(&self, record: &Record, _lookup: &Lookup) -> Result<Decoded, Reject> {
        let session = gob::read(record::string(record)?, Limits::default()).map_err(Reject::Undecodable)?;
        let deadline = session.get("Deadline").and_then(Value::as_text).and_then(date::rfc3339);
        match (deadline, session.get("Values")) {
            (Some(deadline), Some(values @ Value::Map(_))) => {
                Ok(Decoded { data: values.clone(), ends_at: Some(deadline) })
            }
            _ => Err(record::malformed("no deadline and values in the session")),
        }
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.key.key(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FormatOptions, Framework};
    use crate::format::fixture::{at, key, present, profile};

    const TOKEN: &str = "YXZyyw0zoqjlZcJOB_I3SV-LEmLJzz0_7pNsoQLydgw";

    fn scs(engine: &str) -> Scs {
        let options = FormatOptions { engine: Some(at(engine.to_owned())), ..FormatOptions::default() };
        Scs::new(&profile(Framework::GoScs, options)).unwrap()
    }

    #[test]
    fn what_is_no_token_is_never_looked_up() {
        for token in
            ["", "a", &TOKEN[1..], &format!("{TOKEN}A"), &TOKEN.replace('_', "/"), &format!("{TOKEN}=")]
        {
            let refused = Reject::MalformedCookie("the token is not 32 bytes of base64url");
            assert_eq!(key(&scs("token"), &format!("session={token}")), Err(refused), "{token}");
        }
    }

    #[test]
    fn a_hashed_token_is_not_in_the_key() {
        // python3: base64.urlsafe_b64encode(hashlib.sha256(TOKEN).digest())
        let line = format!("session={TOKEN}");
        assert_eq!(
            key(&scs("hash_token"), &line),
            Ok("scs:session:V-JTBYs0SGNnrQbVmfw6Nt9Uu78Oaq74ojAni5SS3u0".into())
        );
        assert_eq!(key(&scs("token"), &line), Ok(format!("scs:session:{TOKEN}")));
    }

    #[test]
    fn a_value_without_deadline_and_values_is_no_session() {
        let Some(Ok(lookup)) = present(&scs("token"), &format!("session={TOKEN}")) else {
            panic!("a session")
        };
        for value in [&b""[..], b"null", b"\x04\x0c\x00\x01a", b"\x03\x04\x00\x54"] {
            let decoded = scs("token").decode(&Record::String(value.to_vec()), &lookup);
            assert!(matches!(decoded, Err(Reject::Undecodable(_))));
        }
        assert_eq!(scs("token").decode(&Record::Hash(vec![]), &lookup).unwrap_err(), Reject::WrongType);
    }
}

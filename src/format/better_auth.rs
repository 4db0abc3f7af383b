//! better-auth with a `secondaryStorage`.
//!
//! Captured from better-auth 1.1, 1.2, 1.3 and 1.4; the rest is from its and better-call's source. Of two cookies of one name
//! 1.1 takes the last; ours is what later versions take, the first.
//! * Cookie `better-auth.session_token` (`__Secure-` before it on https; `cookiePrefix` replaces the first word): token +
//!   `.` + base64 (standard, padded) of HMAC-SHA256(secret, token), percent-encoded.
//! * Beside it `..session_data`, a signed copy of the session which the app itself believes for some minutes. It is not read
//!   here, because nobody can revoke it, and not shown to services either.
//! * Key: the token, with whatever the app's `set` puts before it.
//! * Value: JSON `{session, user}`. `session.expiresAt` must be in the future.
//! * The user is `user.id`.

use crate::codec::Value;
use crate::codec::seal::{self, Base64, Hash, MacKey};
use crate::config::{ConfigError, DuplicateCookie, Profile};
use crate::format::cookies::{self, CookieRules};
use crate::format::express::split_signature;
use crate::format::options::{KeyTemplate, Options};
use crate::format::{Decoded, Lookup, Presented, Reject, SessionFormat, SessionId, Touching, date, record};
use crate::request::Cookies;
use crate::store::{Record, StoreKey};

/// better-auth.
#[derive(Debug)]
pub struct BetterAuth {
    cookie: String,
    key: KeyTemplate,
    secrets: Vec<MacKey>,
    duplicate: DuplicateCookie,
}

impl BetterAuth {
    /// Reads `cookie`, `key`, `secrets` and `serializer`.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        let mut options = Options::new(profile);
        let cookie = options.cookie("better-auth.session_token");
        let key = options.key("{id}");
        let secrets = options.secrets("the app's BETTER_AUTH_SECRET");
        options.serializer(&[("json", ())]);
        let duplicate = profile.duplicate_cookie;
        let secrets = secrets.iter().map(|secret| MacKey::new(Hash::Sha256, secret.expose())).collect();
        options.finish(|| Self { cookie, key, secrets, duplicate })
    }

    fn verify(&self, value: &[u8]) -> Result<Lookup, Reject> {
        let (token, signature) = split_signature(value)?;
        let tag = Base64::Standard.decode(signature);
        let secret = tag.and_then(|tag| seal::verify_any(&self.secrets, &[token], &tag));
        let secret = secret.ok_or(Reject::BadSignature { secrets: self.secrets.len() })?;
        Ok(Lookup {
            id: SessionId::new(token.to_vec()),
            keys: vec![self.key.key(token)],
            secret: Some(secret),
            ends_at: None,
        })
    }
}

impl SessionFormat for BetterAuth {
    fn cookie_names(&self) -> Vec<String> {
        let copy = self.cookie.strip_suffix("session_token").map(|prefix| format!("{prefix}session_data"));
        std::iter::once(self.cookie.clone()).chain(copy).collect()
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        let picked = cookies::pick(cookies, &self.cookie, CookieRules::EXPRESS, self.duplicate);
        Presented::from_cookie(picked, |value| self.verify(value))
    }

    fn decode(&self, record: &Record, _lookup: &Lookup) -> Result<Decoded, Reject> {
        let data = record::json_object(record)?;
        let (Some(session @ Value::Map(_)), Some(Value::Map(_))) = (data.get("session"), data.get("user"))
        else {
            return Err(record::malformed("no `session` or no `user` in the record"));
        };
        let expires = session.get("expiresAt").and_then(Value::as_text).and_then(date::rfc3339);
        let ends_at = expires.ok_or(record::malformed("`session.expiresAt` is no timestamp"))?;
        Ok(Decoded { ends_at: Some(ends_at), data })
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.key.key(id))
    }

    fn touching(&self) -> Touching {
        Touching::Never("the record and the app's database say when it ends")
    }

    fn subject(&self, data: &Value) -> Option<Value> {
        data.get("user")?.get("id").cloned()
    }

    fn subject_convention(&self) -> Option<&'static str> {
        Some("user.id")
    }
}

//! A JWT kept in the session cookie: the cookie is the session, and there is no record.
//!
//! Read from RFC 7515, 7519, 8725; checked against tokens of jose (Node) and PyJWT (`tests/sessions/jwt`).
//! * Cookie: the token itself, `token` if the profile names none; `cookie_prefix` for apps that write `Bearer ` before it.
//! * Key: none. Nothing is looked up, so that nothing but its own `exp` ends such a session: an app that logs out only
//!   takes the cookie out of the browser, and who has a copy stays in until then.
//! * `secrets`: HMAC secrets or public keys as PEM; several are a rotation. The kind of the key says which algorithms count.
//! * Claims: `exp` must be there and ahead; `nbf` and `iat` must not lie ahead by more than `server.skew`; `iss` and `aud` as
//!   the profile has them, and an `aud` that the profile does not name is refused (RFC 7519 §4.1.3). Times are numbers of
//!   seconds. A name that comes twice is refused, in the header and among the claims.
//! * Subject: `sub`.

use crate::codec::{Limits, Value};
use crate::config::{ConfigError, DuplicateCookie, Profile, Secret};
use crate::format::claims::{ClaimRules, Claims};
use crate::format::cookies::{self, CookieRules, VALUE_BYTES_MAX};
use crate::format::jws::{self, ALGORITHMS, JwsKey, Typ};
use crate::format::options::Options;
use crate::format::verified::Verified;
use crate::format::{Carried, Decoded, Lookup, Presented, Reject, SessionFormat, SessionId, Touching};
use crate::request::Cookies;
use crate::store::Record;
use jsonwebtoken::Algorithm;
use std::sync::Arc;

/// Claims are shallow, and a cookie is short.
const CLAIMS: Limits = Limits { bytes: VALUE_BYTES_MAX, depth: 16, nodes: 1_000 };

/// A JWT in a cookie.
#[derive(Debug)]
pub struct Jwt {
    cookie: String,
    prefix: String,
    keys: Vec<JwsKey>,
    algorithms: Vec<Algorithm>,
    typ: Typ,
    claims: ClaimRules,
    duplicate: DuplicateCookie,
    verified: Verified,
}

/// What a token without `exp` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MissingExp {
    Reject,
    NeverExpires,
}

impl Jwt {
    /// Reads `cookie`, `cookie_prefix`, `secrets`, `algorithms`, `typ`, `issuer`, `audience` and `missing_exp`.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        let mut options = Options::new(profile);
        let cookie = options.cookie("token");
        let prefix = options.cookie_prefix();
        let secrets = options
            .secrets("the app's signing secret (HS256), or its public key as PEM (RS256, ES256, EdDSA)");
        let keys = keys(&mut options, &secrets);
        let algorithms = options.algorithms(&ALGORITHMS);
        for key in keys.iter().filter(|key| !algorithms.iter().any(|algorithm| key.allows(*algorithm))) {
            let found = "the kind of one of the `secrets` allows none of these";
            let allowed: Vec<_> = key.algorithms().iter().map(|one| format!("`{one:?}`")).collect();
            options.wrong("algorithms", found, allowed.join(", "));
        }
        let typ = options.typ().map_or(Typ::Usual, Typ::Exactly);
        let (issuer, audience) = (options.issuer(), options.audience());
        let words = [("reject", MissingExp::Reject), ("never-expires", MissingExp::NeverExpires)];
        let missing_exp = options.missing_exp(&words).unwrap_or(MissingExp::Reject);
        let (skew, duplicate) = (profile.skew, profile.duplicate_cookie);
        options.finish(|| Self {
            cookie,
            prefix,
            keys,
            algorithms,
            typ,
            claims: ClaimRules { issuer, audience, must_end: missing_exp == MissingExp::Reject, skew },
            duplicate,
            verified: Verified::new(),
        })
    }

    fn open(&self, value: &[u8]) -> Result<Arc<Carried>, Reject> {
        let token = value
            .strip_prefix(self.prefix.as_bytes())
            .ok_or(Reject::MalformedCookie("the value does not begin with `cookie_prefix`"))?;
        self.verified.get(token, || self.verify(token))
    }

    fn verify(&self, token: &[u8]) -> Result<Carried, Reject> {
        let verified = jws::verify(token, &self.keys, &self.algorithms, &self.typ)?;
        let Claims { data, ends_at, begins_at } = self.claims.read(&verified.payload, CLAIMS)?;
        Ok(Carried {
            id: SessionId::new(verified.signed.to_vec()),
            secret: verified.key,
            begins_at,
            decoded: Decoded { data, ends_at },
        })
    }
}

impl SessionFormat for Jwt {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.clone()]
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        // A token needs no escapes; a prefix with a blank in it comes quoted or escaped.
        let rules = if self.prefix.is_empty() { CookieRules::STRICT } else { CookieRules::EXPRESS };
        match cookies::pick(cookies, &self.cookie, rules, self.duplicate) {
            Ok(None) => Presented::Absent,
            Ok(Some(value)) => self.open(&value).map_or_else(Presented::Rejected, Presented::Carried),
            Err(reject) => Presented::Rejected(reject),
        }
    }

    fn decode(&self, _record: &Record, _lookup: &Lookup) -> Result<Decoded, Reject> {
        Err(Reject::UnknownSession)
    }

    fn touching(&self) -> Touching {
        Touching::Never("the cookie says itself when it ends")
    }

    fn subject(&self, data: &Value) -> Option<Value> {
        data.get("sub").cloned()
    }

    fn subject_convention(&self) -> Option<&'static str> {
        Some("sub")
    }
}

fn keys(options: &mut Options<'_>, secrets: &[Secret]) -> Vec<JwsKey> {
    let mut keys = Vec::new();
    for secret in secrets {
        match JwsKey::new(secret) {
            Ok(key) => keys.push(key),
            Err(found) => options.wrong(
                "secrets",
                found,
                "an HMAC secret, or one public key as PEM (`-----BEGIN PUBLIC KEY-----`); `openssl pkey -pubout` and `openssl x509 -pubkey` make one",
            ),
        }
    }
    keys
}

#[cfg(test)]
mod tests;

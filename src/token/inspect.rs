//! A look into a token, without trust, for `cloakroom token inspect`.

use crate::clock::{UnixMillis, in_words};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::time::Duration;

/// Longest token that is looked at; a header line of most servers holds far less.
const TOKEN_BYTES_MAX: usize = 64 * 1024;
/// Claims that are times (RFC 7519 §4.1, OpenID Connect Core §2).
const MOMENTS: [&str; 4] = ["iat", "nbf", "exp", "auth_time"];

/// What a token says, and whether a key of a set signed it. Nothing else is judged: not issuer, audience or time.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// The header, as it is.
    pub header: Value,
    /// The claims, as they are.
    pub claims: Value,
    /// Members that stand there more than once, as `claims.sub`: the last is shown, and verifiers differ in which they take.
    pub repeated: Vec<String>,
    /// The claims that are times, in words.
    pub moments: Vec<Moment>,
    /// Whether the signature holds.
    pub signature: Signature,
}

/// A claim that is a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The claim's name.
    pub claim: &'static str,
    /// Where it lies from now: `in 25 s`, `3 min 2 s ago`, or why that cannot be said.
    pub words: String,
}

/// Whether a signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// No key set was given.
    NotChecked,
    /// It does not, or cannot be checked.
    NotVerified {
        /// Why, in words.
        why: String,
    },
    /// The key of this `kid` made it.
    Verified {
        /// Its `kid`; empty if the key has none.
        kid: String,
        /// The one algorithm of that key.
        algorithm: String,
    },
}

/// Why a text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InspectError {
    /// Five parts: an encrypted token (JWE), which only its receiver can open.
    Encrypted,
    /// The key set is not JSON with `keys`.
    NoKeySet,
    /// Not three parts with dots between.
    NotThreeParts,
    /// A part is not base64url, or not a JSON object; the text names it.
    PartUnreadable(&'static str),
    /// Longer than any header.
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
}

impl std::fmt::Display for InspectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Encrypted => {
                f.write_str("five parts: an encrypted token, which only its receiver can open")
            }
            Self::NoKeySet => f.write_str("the key set is not JSON with a list `keys`"),
            Self::NotThreeParts => f.write_str("not three parts with dots between"),
            Self::PartUnreadable(part) => write!(f, "not base64url of a JSON object: the {part}"),
            Self::TooLong { limit } => write!(f, "the token is over the limit of bytes: {limit}"),
        }
    }
}

impl std::error::Error for InspectError {}

/// Takes a token apart, with or without `Bearer` before it, and checks its signature if a key set is given as JSON.
///
/// # Errors
/// [`InspectError`] if it is no token, or the set no key set.
pub fn inspect(token: &str, jwks: Option<&str>, now: UnixMillis) -> Result<Inspection, InspectError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(InspectError::TooLong { limit: TOKEN_BYTES_MAX });
    }
    let token = token.trim();
    let token = match token.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => rest.trim(),
        Some(_) | None => token,
    };
    let parts: Vec<&str> = token.split('.').collect();
    let (header_text, claims_text, signature) = match parts.as_slice() {
        [header, claims, signature] => (*header, *claims, *signature),
        [_, _, _, _, _] => return Err(InspectError::Encrypted),
        _ => return Err(InspectError::NotThreeParts),
    };
    let (header, mut repeated) = object(header_text, "header")?;
    let (claims, more) = object(claims_text, "claims")?;
    repeated.extend(more);
    let message = format!("{header_text}.{claims_text}");
    let signature = match jwks {
        None => Signature::NotChecked,
        Some(jwks) => match verify(&header, &message, signature, &key_set(jwks)?) {
            Ok((kid, algorithm)) => Signature::Verified { kid, algorithm },
            Err(why) => Signature::NotVerified { why },
        },
    };
    let moments = MOMENTS
        .into_iter()
        .filter_map(|claim| Some(Moment { claim, words: moment(claims.get(claim)?, now) }))
        .collect();
    Ok(Inspection { header, claims, repeated, moments, signature })
}

/// A part, and which of its members it has more than once.
fn object(part: &str, name: &'static str) -> Result<(Value, Vec<String>), InspectError> {
    let unreadable = InspectError::PartUnreadable(name);
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| unreadable)?;
    let Ok(value @ Value::Object(_)) = serde_json::from_slice(&bytes) else { return Err(unreadable) };
    let Members(mut names) = serde_json::from_slice(&bytes).map_err(|_| unreadable)?;
    names.sort_unstable();
    let mut repeated: Vec<String> = Vec::new();
    for (one, next) in names.iter().zip(names.iter().skip(1)) {
        let shown = format!("{name}.{one}");
        if one == next && !repeated.contains(&shown) {
            repeated.push(shown);
        }
    }
    Ok((value, repeated))
}

/// The names of an object's members, as often as they are there.
struct Members(Vec<String>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Members(names))
            }
        }
        from.deserialize_map(Names)
    }
}

/// The keys that can be read; RFC 7517 §5 says to ignore the others.
fn key_set(text: &str) -> Result<Vec<Jwk>, InspectError> {
    let set: Value = serde_json::from_str(text).map_err(|_| InspectError::NoKeySet)?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or(InspectError::NoKeySet)?;
    Ok(keys.iter().filter_map(|key| serde_json::from_value(key.clone()).ok()).collect())
}

/// The `kid` and algorithm of the key that signed it, or why none did. The algorithm is the key's, never the token's.
fn verify(header: &Value, message: &str, signature: &str, keys: &[Jwk]) -> Result<(String, String), String> {
    if header.get("crit").is_some() {
        return Err("its header has `crit`, extensions that a verifier must know or refuse".into());
    }
    let key = match (header.get("kid"), keys) {
        (Some(Value::String(kid)), _) => keys
            .iter()
            .find(|key| key.common.key_id.as_deref() == Some(kid))
            .ok_or_else(|| format!("no key of the set has its kid: {}", Value::from(kid.as_str())))?,
        (Some(_), _) => return Err("its kid is not text".into()),
        (None, [only]) => only,
        (None, several) => return Err(format!("it has no kid, and the set has {} keys", several.len())),
    };
    let algorithm = algorithm_of(key)?;
    let name = format!("{algorithm:?}");
    if header.get("alg").and_then(Value::as_str) != Some(name.as_str()) {
        let alg = header.get("alg").unwrap_or(&Value::Null);
        return Err(format!("its alg is {alg}, but its key is for {name} only"));
    }
    let decoding = DecodingKey::from_jwk(key).map_err(|_| "its key in the set is broken".to_owned())?;
    match jsonwebtoken::crypto::verify(signature, message.as_bytes(), &decoding, algorithm) {
        Ok(true) => Ok((key.common.key_id.clone().unwrap_or_default(), name)),
        Ok(false) => Err(format!("the signature is not one of its key ({name})")),
        Err(_) => Err("the signature or its key in the set is malformed".into()),
    }
}

/// The one algorithm of a public key.
fn algorithm_of(key: &Jwk) -> Result<Algorithm, String> {
    let by_curve = match &key.algorithm {
        AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
            EllipticCurve::P256 => Some(Algorithm::ES256),
            EllipticCurve::P384 => Some(Algorithm::ES384),
            _ => None,
        },
        AlgorithmParameters::OctetKeyPair(_) => Some(Algorithm::EdDSA),
        AlgorithmParameters::RSA(_) => None,
        AlgorithmParameters::OctetKey(_) => return Err("its key in the set is a shared secret".into()),
        _ => return Err("its key in the set is of an unknown kind".into()),
    };
    match key.common.key_algorithm {
        Some(named) => {
            let named: Algorithm =
                named.to_string().parse().map_err(|_| format!("its key is not for signatures: {named}"))?;
            let fits = match by_curve {
                Some(algorithm) => algorithm == named,
                None => format!("{named:?}").starts_with(['R', 'P']),
            };
            if fits { Ok(named) } else { Err("its key's alg does not fit the key".into()) }
        }
        None => by_curve.ok_or_else(|| "its key in the set has no alg, and could be for several".into()),
    }
}

fn moment(value: &Value, now: UnixMillis) -> String {
    // A whole number; `exp` as text was once read as "no exp" by verifiers (CVE-2026-25537).
    let Some(secs) = value.as_u64().or_else(|| value.as_f64().filter(|f| *f >= 0.0).map(|f| f as u64)) else {
        return format!("not a number of seconds, so verifiers refuse it: {value}");
    };
    let at = UnixMillis::from_secs(secs);
    if at > now {
        // Rounded up: a token that ends in half a second has not ended.
        format!("in {}", in_words(now.until(at) + Duration::from_millis(999)))
    } else {
        format!("{} ago", in_words(at.until(now)))
    }
}

#[cfg(test)]
mod tests;

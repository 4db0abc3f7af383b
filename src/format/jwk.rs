//! Public keys as a JWK set (RFC 7517), of which only those are taken that can verify a signature.
//!
//! A set is often for more than signatures, and for readers of every age: what is for encryption, of an unknown kind, too
//! short or broken is left out, and counted. A shared secret is left out always: whoever can read a set has it.

use crate::codec::{Fault, Limits, Value, json};
use crate::format::jws::{EC_P256, EC_P384, ED25519, JwsKey, RSA, algorithm_named, each_once};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ParsedPublicKey, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};

/// Longest set; Google's has 2 KiB, one with chains of certificates some 20.
pub const SET_BYTES_MAX: usize = 256 * 1024;
/// Most keys that are kept of a set. A token without `kid` is tried with every one of its kind.
pub const KEYS_MAX: usize = 64;
const SET: Limits = Limits { bytes: SET_BYTES_MAX, depth: 6, nodes: 4_000 };
/// A modulus of 2048 bits: shorter ones can be factored; longer ones than 8192 only cost time.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// A set.
#[derive(Debug, Default)]
pub struct JwkSet {
    /// The keys that can verify, with their `kid`.
    pub keys: Vec<(Option<String>, JwsKey)>,
    /// How many others there were.
    pub left_out: usize,
}

impl JwkSet {
    /// Reads a set.
    ///
    /// # Errors
    /// What it is instead, for a person to read.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let set = json::decode(bytes, SET).map_err(|error| match error.fault {
            Fault::LengthExceeded { .. } | Fault::NodesExceeded { .. } | Fault::DepthExceeded { .. } => {
                "larger than a key set that is read: at most 256 KiB, and some hundreds of keys"
            }
            Fault::Malformed(_) | Fault::NeedsCode { .. } | Fault::UnknownReference | Fault::Truncated => {
                "no JSON"
            }
        })?;
        let Some(Value::List(members)) = set.get("keys") else { return Err("no list of `keys`") };
        let mut found = Self::default();
        for member in members {
            match key(member) {
                Some(key) if found.keys.len() < KEYS_MAX => found.keys.push(key),
                Some(_) | None => found.left_out += 1,
            }
        }
        if found.keys.is_empty() { Err("no key that could verify a signature") } else { Ok(found) }
    }
}

fn key(member: &Value) -> Option<(Option<String>, JwsKey)> {
    if !matches!(member, Value::Map(fields) if each_once(fields)) {
        return None;
    }
    let text = |name: &str| member.get(name).and_then(Value::as_text);
    let verifies = match member.get("key_ops") {
        None => true,
        Some(Value::List(all)) => all.iter().any(|one| one.as_text() == Some("verify")),
        Some(_) => false,
    };
    if !verifies || member.get("use").is_some_and(|_| text("use") != Some("sig")) {
        return None;
    }
    let (key, kind) = match (text("kty")?, text("crv")) {
        ("RSA", _) => (rsa(text("n")?, text("e")?)?, RSA),
        ("EC", Some("P-256")) => (point(&ECDSA_P256_SHA256_FIXED, 32, text("x")?, text("y")?)?, EC_P256),
        ("EC", Some("P-384")) => (point(&ECDSA_P384_SHA384_FIXED, 48, text("x")?, text("y")?)?, EC_P384),
        ("OKP", Some("Ed25519")) => (edwards(text("x")?)?, ED25519),
        _ => return None,
    };
    let algorithms = match member.get("alg") {
        None => kind,
        Some(_) => only(kind, algorithm_named(text("alg")?)?)?,
    };
    Some((text("kid").map(str::to_owned), JwsKey::of_kind(key, algorithms)))
}

/// The one of a kind's algorithms that a key says it is for.
fn only(kind: &'static [Algorithm], named: Algorithm) -> Option<&'static [Algorithm]> {
    let at = kind.iter().position(|algorithm| *algorithm == named)?;
    kind.get(at..=at)
}

fn rsa(n: &str, e: &str) -> Option<DecodingKey> {
    let modulus = URL_SAFE_NO_PAD.decode(n).ok()?;
    let leading = modulus.iter().take_while(|byte| **byte == 0).count();
    URL_SAFE_NO_PAD.decode(e).ok().filter(|exponent| !exponent.is_empty())?;
    if !MODULUS_BYTES.contains(&(modulus.len() - leading)) {
        return None;
    }
    DecodingKey::from_rsa_components(n, e).ok()
}

fn point(
    algorithm: &'static dyn VerificationAlgorithm,
    length: usize,
    x: &str,
    y: &str,
) -> Option<DecodingKey> {
    let mut uncompressed = vec![4];
    for coordinate in [x, y] {
        let coordinate = URL_SAFE_NO_PAD.decode(coordinate).ok().filter(|bytes| bytes.len() == length)?;
        uncompressed.extend_from_slice(&coordinate);
    }
    // A point that is not on the curve is no key.
    ParsedPublicKey::new(algorithm, &uncompressed).ok()?;
    DecodingKey::from_ec_components(x, y).ok()
}

fn edwards(x: &str) -> Option<DecodingKey> {
    URL_SAFE_NO_PAD.decode(x).ok().filter(|bytes| bytes.len() == 32)?;
    DecodingKey::from_ed_components(x).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const P256: &str = r#""kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM""#;

    fn read(member: &str) -> Option<Vec<Algorithm>> {
        let set = JwkSet::read(format!("{{\"keys\":[{{{member}}}]}}").as_bytes()).ok()?;
        set.keys.first().map(|(_, key)| key.algorithms().to_vec())
    }

    #[test]
    fn what_cannot_verify_a_signature_is_left_out() {
        let ed = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
        assert_eq!(read(ed), Some(vec![Algorithm::EdDSA]));
        for bad in [
            r#""kty":"oct","k":"c2VjcmV0""#.to_owned(),
            r#""kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#.to_owned(),
            ed.replace("Ro\"", "\""),
            format!("{P256},\"use\":\"enc\""),
            format!("{P256},\"key_ops\":[\"sign\"]"),
            format!("{P256},\"alg\":\"ES384\""),
            format!("{P256},\"alg\":\"none\""),
            format!("{P256},\"alg\":7"),
            format!("{P256},\"kty\":\"EC\""),
            P256.replace("IFyM", "IFyA"),
            r#""kty":"RSA","e":"AQAB","n":"zHSdr7wU""#.to_owned(),
        ] {
            assert_eq!(read(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_key_is_for_the_algorithm_it_names_or_for_all_of_its_kind() {
        assert_eq!(read(P256), Some(vec![Algorithm::ES256]));
        let modulus = URL_SAFE_NO_PAD.encode([0xc1; 256]);
        let rsa = format!(r#""kty":"RSA","e":"AQAB","n":"{modulus}""#);
        assert_eq!(read(&rsa).unwrap().len(), 6);
        assert_eq!(read(&format!("{rsa},\"alg\":\"PS384\"")), Some(vec![Algorithm::PS384]));
    }

    #[test]
    fn what_is_no_set_is_told_as_what_it_is() {
        for (text, told) in [
            ("<html>", "no JSON"),
            ("[]", "no list of `keys`"),
            ("{\"keys\":[]}", "no key that could verify a signature"),
        ] {
            assert_eq!(JwkSet::read(text.as_bytes()).unwrap_err(), told);
        }
        let many = vec![r#"{"kty":"EC","kid":"1","crv":"P-256"}"#; 1001].join(",");
        let told = JwkSet::read(format!("{{\"keys\":[{many}]}}").as_bytes()).unwrap_err();
        assert!(told.starts_with("larger than"), "{told}");
    }
}

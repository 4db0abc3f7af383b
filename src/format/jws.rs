//! A JSON Web Signature in its compact form (RFC 7515), verified the one way that RFC 8725 leaves.
//!
//! The key decides the algorithm, never the token: a secret verifies HMAC and nothing else, a public key its own kind and
//! nothing else, so that neither `none` nor a public key taken for a secret can pass. What a header says about where to
//! find a key (`jku`, `x5u`, `jwk`, `x5c`) is never followed; `kid` only chooses among keys that were there before. Base64url is strict: no padding, no stray bits, one spelling.

use crate::codec::{Limits, Value, json};
use crate::config::Secret;
use crate::format::Reject;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};

/// Longest header, in characters; a chain of certificates, which nobody reads here, is what makes one long.
const HEADER_MAX: usize = 4 * 1024;
/// A header is flat, but for what is not read.
const HEADER: Limits = Limits { bytes: HEADER_MAX, depth: 8, nodes: 200 };
/// A PKCS#1 public key whose modulus has 2048 bits: shorter ones can be factored.
const RSA_DER_MIN: usize = 260;

/// The object identifiers of RSA, elliptic curves and Ed25519, as DER.
const KEY_OIDS: [&[u8]; 3] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01],
    &[0x06, 0x03, 0x2b, 0x65, 0x70],
];

/// Every algorithm there is a verifier for, by its name in a header; that of Ed25519 has an old and a new one (RFC 9864).
pub const ALGORITHMS: [(&str, Algorithm); 13] = [
    ("HS256", Algorithm::HS256),
    ("HS384", Algorithm::HS384),
    ("HS512", Algorithm::HS512),
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
    ("Ed25519", Algorithm::EdDSA),
];

const HMAC: &[Algorithm] = &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
/// What an RSA key can verify.
pub(super) const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// What a key on P-256 can verify.
pub(super) const EC_P256: &[Algorithm] = &[Algorithm::ES256];
/// What a key on P-384 can verify.
pub(super) const EC_P384: &[Algorithm] = &[Algorithm::ES384];
/// What an Ed25519 key can verify.
pub(super) const ED25519: &[Algorithm] = &[Algorithm::EdDSA];

/// A key with the algorithms that its kind allows.
#[derive(Debug)]
pub struct JwsKey {
    key: DecodingKey,
    algorithms: &'static [Algorithm],
}

/// A token that one of the keys verified.
#[derive(Debug)]
pub struct Verified<'t> {
    /// Which key, counted from 0.
    pub key: usize,
    /// What was signed: header and payload as they were sent.
    pub signed: &'t [u8],
    /// The payload.
    pub payload: Vec<u8>,
}

/// What a value looks like, unverified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A signed token, with the algorithm it names.
    Signed(&'static str),
    /// An encrypted one.
    Encrypted,
}

impl Kind {
    /// The kind of a value that looks like a token.
    pub fn of(value: &[u8]) -> Option<Self> {
        let mut parts = value.split(|byte| *byte == b'.');
        let header =
            URL_SAFE_NO_PAD.decode(parts.next().filter(|header| header.len() <= HEADER_MAX)?).ok()?;
        let header = json::decode(&header, HEADER).ok()?;
        let algorithm = header.get("alg")?.as_text()?;
        match (parts.count(), header.get("enc")) {
            (4, Some(_)) => Some(Self::Encrypted),
            (2, None) => {
                let known = ALGORITHMS.iter().find(|(name, _)| *name == algorithm);
                known.map(|(name, _)| Self::Signed(name))
            }
            _ => None,
        }
    }
}

/// What `typ` may say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typ {
    /// `JWT`, `at+jwt` or nothing: a token of some other kind (a logout token, a proof of possession) may well be signed by
    /// the same key.
    Usual,
    /// `JWT` or nothing: what a kind of token said before it had a `typ` of its own.
    Bare,
    /// This, in any case.
    Exactly(String),
}

impl JwsKey {
    /// A public key as PEM, or a secret.
    ///
    /// # Errors
    /// What it is instead, for a person to read; the secret is not in it.
    pub fn new(secret: &Secret) -> Result<Self, &'static str> {
        let bytes = secret.expose();
        if has(bytes, b"-----BEGIN ") {
            return public_key(&unfolded(bytes));
        }
        if is_public(bytes) {
            return Err("a public key in a form that could be taken for a secret");
        }
        Ok(Self { key: DecodingKey::from_secret(bytes), algorithms: HMAC })
    }

    /// A public key whose kind, or whose own word, allows these.
    pub(super) const fn of_kind(key: DecodingKey, algorithms: &'static [Algorithm]) -> Self {
        Self { key, algorithms }
    }

    /// Whether the kind of this key allows `algorithm`.
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// The algorithms that the kind of this key allows.
    pub const fn algorithms(&self) -> &'static [Algorithm] {
        self.algorithms
    }
}

/// A token of which only the header was read.
#[derive(Debug)]
pub struct Unverified<'t> {
    /// The algorithm that it names.
    pub algorithm: Algorithm,
    /// The key that it names.
    pub kid: Option<String>,
    /// Whether it says where to find a key, or brings one.
    pub brings_key: bool,
    typ: Option<String>,
    /// What is signed: header and payload as they were sent.
    pub signed: &'t [u8],
    payload: &'t [u8],
    signature: &'t str,
}

impl<'t> Unverified<'t> {
    /// Reads the header of `token`.
    ///
    /// # Errors
    /// [`Reject::MalformedCookie`] with what is wrong.
    pub fn read(token: &'t [u8]) -> Result<Self, Reject> {
        let (signed, payload, signature) = split(token)?;
        let header = header(signed.get(..signed.len() - payload.len() - 1).unwrap_or_default())?;
        let algorithm = algorithm(&header)?;
        let kid = match header.get("kid") {
            None => None,
            Some(kid) => {
                Some(kid.as_text().ok_or(Reject::MalformedCookie("the token's `kid` is no text"))?.to_owned())
            }
        };
        let brings_key = ["jku", "jwk", "x5u"].iter().any(|name| header.get(name).is_some());
        Ok(Self { algorithm, kid, brings_key, typ: typ(&header)?, signed, payload, signature })
    }

    /// Whether it is a token of this kind.
    ///
    /// # Errors
    /// [`Reject::ClaimRefused`] if it is not.
    pub fn check_typ(&self, wanted: &Typ) -> Result<(), Reject> {
        let fits = match (wanted, self.typ.as_deref()) {
            (Typ::Usual | Typ::Bare, None) => true,
            (Typ::Bare, Some(found)) => found == "jwt",
            (Typ::Usual, Some(found)) => matches!(found, "jwt" | "at+jwt"),
            (Typ::Exactly(wanted), Some(found)) => bare_typ(wanted) == found,
            (Typ::Exactly(_), None) => false,
        };
        if fits {
            Ok(())
        } else {
            Err(Reject::ClaimRefused("its `typ` says that it is a token of another kind"))
        }
    }

    /// Whether `key` signed it, by an algorithm that its kind allows.
    pub fn is_signed_by(&self, key: &JwsKey) -> bool {
        key.allows(self.algorithm)
            && jsonwebtoken::crypto::verify(self.signature, self.signed, &key.key, self.algorithm)
                .unwrap_or(false)
    }

    /// The payload, of which nothing is known to be true.
    ///
    /// # Errors
    /// [`Reject::MalformedCookie`] if it is not base64url.
    pub fn payload(&self) -> Result<Vec<u8>, Reject> {
        let decoded = URL_SAFE_NO_PAD.decode(self.payload);
        decoded.map_err(|_| Reject::MalformedCookie("the payload is not base64url"))
    }
}

/// Verifies `token` with the first of `keys` that does, by one of `algorithms` that its kind allows, too.
///
/// # Errors
/// [`Reject::MalformedCookie`] with what is wrong, or [`Reject::BadSignature`].
pub fn verify<'t>(
    token: &'t [u8],
    keys: &[JwsKey],
    algorithms: &[Algorithm],
    typ: &Typ,
) -> Result<Verified<'t>, Reject> {
    let unverified = Unverified::read(token)?;
    unverified.check_typ(typ)?;
    let algorithm = unverified.algorithm;
    if !keys.iter().any(|key| key.allows(algorithm)) || !algorithms.contains(&algorithm) {
        return Err(Reject::MalformedCookie("the `alg` of the token is not one for the keys in `secrets`"));
    }
    let key = keys
        .iter()
        .position(|key| unverified.is_signed_by(key))
        .ok_or(Reject::BadSignature { secrets: keys.len() })?;
    Ok(Verified { key, signed: unverified.signed, payload: unverified.payload()? })
}

/// The algorithm of this name in a header or a JWK.
pub(super) fn algorithm_named(name: &str) -> Option<Algorithm> {
    ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
}

/// What is signed, the payload within it, and the signature.
fn split(token: &[u8]) -> Result<(&[u8], &[u8], &str), Reject> {
    let text = std::str::from_utf8(token).map_err(|_| Reject::MalformedCookie("not a JWT"))?;
    let parts: Vec<&str> = text.splitn(6, '.').collect();
    match parts.as_slice() {
        [_, _, ""] => Err(Reject::MalformedCookie("an unsigned JWT")),
        [header, payload, signature] => {
            let signed = text.get(..header.len() + 1 + payload.len()).unwrap_or_default();
            Ok((signed.as_bytes(), payload.as_bytes(), signature))
        }
        [_, _, _, _, _] => {
            Err(Reject::MalformedCookie("an encrypted token (JWE), which only the app itself can open"))
        }
        _ => Err(Reject::MalformedCookie("not a JWT: no three parts")),
    }
}

fn header(header: &[u8]) -> Result<Value, Reject> {
    if header.len() > HEADER_MAX {
        return Err(Reject::MalformedCookie("the token's header is longer than 4 KiB"));
    }
    URL_SAFE_NO_PAD
        .decode(header)
        .ok()
        .and_then(|header| json::decode(&header, HEADER).ok())
        .filter(|header| matches!(header, Value::Map(fields) if each_once(fields)))
        .ok_or(Reject::MalformedCookie("the token's header is not a JSON object in base64url"))
}

/// The algorithm that the header names, if nothing else in it stands in the way.
fn algorithm(header: &Value) -> Result<Algorithm, Reject> {
    if header.get("enc").is_some() {
        return Err(Reject::MalformedCookie("an encrypted token (JWE), which only the app itself can open"));
    }
    // RFC 7515 §4.1.11: what must be understood and is not makes the whole invalid; RFC 7797's `b64` needs it.
    if header.get("crit").is_some() || header.get("b64").is_some() {
        return Err(Reject::MalformedCookie("the token's header demands an extension (`crit`)"));
    }
    let name = header.get("alg").and_then(Value::as_text).unwrap_or_default();
    if name.eq_ignore_ascii_case("none") {
        return Err(Reject::MalformedCookie("an unsigned JWT: its `alg` is `none`"));
    }
    algorithm_named(name).ok_or(Reject::MalformedCookie("the `alg` of the token is unknown"))
}

/// RFC 7515 §4.1.9: media types know no case, and `application/` may be left out.
fn typ(header: &Value) -> Result<Option<String>, Reject> {
    match header.get("typ") {
        None => Ok(None),
        Some(Value::Text(text)) => Ok(Some(bare_typ(text))),
        Some(_) => Err(Reject::MalformedCookie("the token's `typ` is no text")),
    }
}

fn bare_typ(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").map_or_else(|| typ.clone(), str::to_owned)
}

/// Whether no name comes twice: readers disagree on which one counts.
pub fn each_once(fields: &[(String, Value)]) -> bool {
    let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.windows(2).all(|pair| !matches!(pair, [one, other] if one == other))
}

fn public_key(pem: &[u8]) -> Result<JwsKey, &'static str> {
    const NO_KEY: &str = "a PEM that holds no public key of RSA, P-256, P-384 or Ed25519";
    if has(pem, b" PRIVATE KEY-----") {
        return Err("a private key, where the public one is enough");
    }
    if has(pem, b"-----BEGIN CERTIFICATE-----") {
        return Err("a certificate, where the public key in it is wanted");
    }
    if memchr::memmem::find_iter(pem, b"-----BEGIN ").count() > 1 {
        return Err("several PEM blocks in one entry");
    }
    let readers = [DecodingKey::from_rsa_pem, DecodingKey::from_ec_pem, DecodingKey::from_ed_pem];
    let [rsa, ec, ed] = readers.map(|read| read(pem).ok());
    let bytes = |key: &DecodingKey| key.try_get_as_bytes().map(<[u8]>::to_vec).map_err(|_| NO_KEY);
    let parses = |algorithm: &'static dyn VerificationAlgorithm, bytes: &[u8]| {
        ParsedPublicKey::new(algorithm, bytes).map(|_| ()).map_err(|_| NO_KEY)
    };
    if let Some(key) = rsa {
        let bytes = bytes(&key)?;
        if bytes.len() < RSA_DER_MIN {
            return Err("an RSA key of less than 2048 bits");
        }
        parses(&RSA_PKCS1_2048_8192_SHA256, &bytes)?;
        return Ok(JwsKey { key, algorithms: RSA });
    }
    if let Some(key) = ec {
        // An uncompressed point: which curve is in its length.
        let bytes = bytes(&key)?;
        let (algorithm, algorithms): (&'static dyn VerificationAlgorithm, &'static [Algorithm]) =
            match bytes.len() {
                65 => (&ECDSA_P256_SHA256_FIXED, EC_P256),
                97 => (&ECDSA_P384_SHA384_FIXED, EC_P384),
                _ => return Err("an elliptic curve key that is neither of P-256 nor of P-384"),
            };
        parses(algorithm, &bytes)?;
        return Ok(JwsKey { key, algorithms });
    }
    let key = ed.ok_or(NO_KEY)?;
    Ok(JwsKey { key, algorithms: ED25519 })
}

/// Whether this is a public key written some other way than PEM. Taken for an HMAC secret, which anybody knows, it would let
/// anybody in.
fn is_public(bytes: &[u8]) -> bool {
    let is_der = |bytes: &[u8]| bytes.first() == Some(&0x30) && KEY_OIDS.iter().any(|oid| has(bytes, oid));
    let text = bytes.trim_ascii();
    let unfolded: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    is_der(bytes)
        || STANDARD.decode(&unfolded).is_ok_and(|der| is_der(&der))
        || [&b"ssh-"[..], b"ecdsa-sha2-"].iter().any(|start| text.starts_with(start))
        || (text.starts_with(b"{") && has(text, b"\"kty\""))
}

/// A PEM whose line feeds are written as `\\n`, as files of environment variables have it.
fn unfolded(pem: &[u8]) -> Vec<u8> {
    if has(pem, b"\n") {
        return pem.to_vec();
    }
    String::from_utf8_lossy(pem).replace("\\n", "\n").into_bytes()
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(bytes, part).is_some()
}

#[cfg(test)]
mod tests;

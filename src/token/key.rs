//! One signing key: parsed once, held, and able to say what it is in public.

use crate::config::Algorithm;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A private key with its `kid` (RFC 7638 thumbprint), its one algorithm, its public JWK and the encoded headers of
/// the tokens it signs. Its debug print shows the `kid` only.
pub struct Key {
    kid: Arc<str>,
    algorithm: Algorithm,
    pair: Pair,
    jwk: String,
    header_at_jwt: String,
    header_jwt: String,
}

/// The kinds of private key that sign one of our algorithms.
pub(super) enum Pair {
    /// Ed25519.
    Ed25519(Ed25519KeyPair),
    /// An EC key on P-256.
    P256(EcdsaKeyPair),
    /// An EC key on P-384.
    P384(EcdsaKeyPair),
    /// RSA, at least 2048 bits.
    Rsa(RsaKeyPair),
}

impl Key {
    /// The key for `algorithm`; `None` if this kind of key cannot sign with it.
    pub(super) fn new(pair: Pair, algorithm: Algorithm) -> Option<Self> {
        if !pair.signs(algorithm) {
            return None;
        }
        let (thumbprint_input, public) = pair.public_members();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, thumbprint_input.as_bytes());
        let kid = URL_SAFE_NO_PAD.encode(digest);
        let alg = name(algorithm);
        let header =
            |typ| URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}","typ":"{typ}","kid":"{kid}"}}"#));
        Some(Self {
            jwk: format!(r#"{{"kid":"{kid}","use":"sig","alg":"{alg}",{public}}}"#),
            header_at_jwt: header("at+jwt"),
            header_jwt: header("JWT"),
            kid: kid.into(),
            algorithm,
            pair,
        })
    }

    /// The thumbprint that names it.
    pub fn kid(&self) -> &Arc<str> {
        &self.kid
    }

    /// The one algorithm it signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public JWK, as JSON.
    pub(super) fn jwk(&self) -> &str {
        &self.jwk
    }

    /// The encoded header of a token of this type.
    pub(super) fn header(&self, profile: crate::config::TokenProfile) -> &str {
        match profile {
            crate::config::TokenProfile::AtJwt => &self.header_at_jwt,
            crate::config::TokenProfile::Jwt => &self.header_jwt,
        }
    }

    /// Length of every signature, in bytes.
    pub(super) fn signature_len(&self) -> usize {
        match &self.pair {
            Pair::Ed25519(_) | Pair::P256(_) => 64,
            Pair::P384(_) => 96,
            Pair::Rsa(pair) => pair.public_modulus_len(),
        }
    }

    /// Signs, and hands the signature to `take`; `None` if the library could not.
    pub(super) fn sign<R>(&self, message: &[u8], take: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ed25519(pair) => pair.try_sign(message).ok().map(|signature| take(signature.as_ref())),
            Pair::P256(pair) | Pair::P384(pair) => {
                pair.sign(&random, message).ok().map(|signature| take(signature.as_ref()))
            }
            Pair::Rsa(pair) => {
                let padding: &'static dyn RsaEncoding = match self.algorithm {
                    Algorithm::PS256 => &RSA_PSS_SHA256,
                    Algorithm::RS256 => &RSA_PKCS1_SHA256,
                    Algorithm::ES256 | Algorithm::ES384 | Algorithm::EdDSA => return None,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature).ok().map(|()| take(&signature))
            }
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({} {})", name(self.algorithm), self.kid)
    }
}

impl Pair {
    /// Reads the private key of a PEM file, or says in words what the file holds instead.
    pub(super) fn from_pem(pem: &[u8]) -> Result<Self, String> {
        match PrivateKeyDer::from_pem_slice(pem) {
            Ok(PrivateKeyDer::Pkcs8(der)) => Self::from_pkcs8(der.secret_pkcs8_der()),
            Ok(PrivateKeyDer::Pkcs1(der)) => rsa(RsaKeyPair::from_der(der.secret_pkcs1_der())),
            Ok(PrivateKeyDer::Sec1(der)) => {
                let der = der.secret_sec1_der();
                EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
                    .map(Self::P256)
                    .or_else(|_| {
                        EcdsaKeyPair::from_private_key_der(&ECDSA_P384_SHA384_FIXED_SIGNING, der)
                            .map(Self::P384)
                    })
                    .map_err(|_| "an EC key on a curve other than P-256 and P-384, or a broken one".into())
            }
            Ok(_) => Err("a private key of an unknown encoding".into()),
            Err(_) => Err(without_key(pem).into()),
        }
    }

    /// Makes a key for `algorithm` and its PEM (PKCS#8 v1, which every tool reads); `None` if the library could not.
    pub(super) fn generate(algorithm: Algorithm) -> Option<Zeroizing<String>> {
        let random = SystemRandom::new();
        let der = match algorithm {
            Algorithm::EdDSA => Ed25519KeyPair::generate_pkcs8v1(&random).ok()?,
            Algorithm::ES256 => {
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).ok()?
            }
            Algorithm::ES384 => {
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).ok()?
            }
            Algorithm::PS256 | Algorithm::RS256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
                let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
                return Some(pem(der.as_ref()));
            }
        };
        Some(pem(der.as_ref()))
    }

    /// Whether this kind of key can sign with `algorithm`.
    pub(super) const fn signs(&self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::ES256 => matches!(self, Self::P256(_)),
            Algorithm::ES384 => matches!(self, Self::P384(_)),
            Algorithm::EdDSA => matches!(self, Self::Ed25519(_)),
            Algorithm::PS256 | Algorithm::RS256 => matches!(self, Self::Rsa(_)),
        }
    }

    /// The algorithm to publish it for; RSA can do two, so `preferred` decides if it is one of them.
    pub(super) const fn algorithm(&self, preferred: Algorithm) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDSA,
            Self::P256(_) => Algorithm::ES256,
            Self::P384(_) => Algorithm::ES384,
            Self::Rsa(_) if matches!(preferred, Algorithm::PS256) => Algorithm::PS256,
            Self::Rsa(_) => Algorithm::RS256,
        }
    }

    /// What it is, in words.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Ed25519(_) => "an Ed25519 key".into(),
            Self::P256(_) => "an EC key on P-256".into(),
            Self::P384(_) => "an EC key on P-384".into(),
            Self::Rsa(pair) => format!("an RSA key of {} bits", 8 * pair.public_modulus_len()),
        }
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, String> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            return Ok(Self::Ed25519(pair));
        }
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
            return Ok(Self::P256(pair));
        }
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, der) {
            return Ok(Self::P384(pair));
        }
        rsa(RsaKeyPair::from_pkcs8(der))
    }

    /// The thumbprint's input (RFC 7638 §3.2: required members only, in lexical order, no spaces), and the members of
    /// the JWK. Both are written from public values alone.
    fn public_members(&self) -> (String, String) {
        match self {
            Self::Ed25519(pair) => {
                let x = URL_SAFE_NO_PAD.encode(pair.public_key());
                let members = format!(r#""crv":"Ed25519","kty":"OKP","x":"{x}""#);
                (format!("{{{members}}}"), members)
            }
            Self::P256(pair) => ec_members("P-256", pair),
            Self::P384(pair) => ec_members("P-384", pair),
            Self::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                let (n, e) = (URL_SAFE_NO_PAD.encode(public.n), URL_SAFE_NO_PAD.encode(public.e));
                let members = format!(r#""e":"{e}","kty":"RSA","n":"{n}""#);
                (format!("{{{members}}}"), members)
            }
        }
    }
}

/// The algorithm's name in JOSE.
pub(super) const fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::ES256 => "ES256",
        Algorithm::ES384 => "ES384",
        Algorithm::EdDSA => "EdDSA",
        Algorithm::PS256 => "PS256",
        Algorithm::RS256 => "RS256",
    }
}

/// The key that an algorithm needs, in words.
pub(super) const fn needed(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::ES256 => "an EC key on P-256",
        Algorithm::ES384 => "an EC key on P-384",
        Algorithm::EdDSA => "an Ed25519 key",
        Algorithm::PS256 | Algorithm::RS256 => "an RSA key of 2048 bits or more",
    }
}

/// The command that makes such a key.
pub(super) const fn recipe(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::ES256 => "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem",
        Algorithm::ES384 => "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key.pem",
        Algorithm::EdDSA => "openssl genpkey -algorithm ED25519 -out key.pem",
        Algorithm::PS256 | Algorithm::RS256 => {
            "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out key.pem"
        }
    }
}

fn ec_members(curve: &str, pair: &EcdsaKeyPair) -> (String, String) {
    // An uncompressed point (SEC 1 §2.3.3): 0x04, then X and Y of equal, fixed length.
    let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
    let (x, y) = point.split_at(point.len() / 2);
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let members = format!(r#""crv":"{curve}","kty":"EC","x":"{x}","y":"{y}""#);
    (format!("{{{members}}}"), members)
}

fn rsa(parsed: Result<RsaKeyPair, aws_lc_rs::error::KeyRejected>) -> Result<Pair, String> {
    parsed.map(Pair::Rsa).map_err(|rejected| match rejected.to_string().as_str() {
        "TooSmall" => "an RSA key of fewer than 2048 bits".into(),
        "TooLarge" => "an RSA key of more than 8192 bits".into(),
        _ => "a private key of a kind that none of our algorithms uses, or a broken one".into(),
    })
}

/// What a PEM file without a usable private key holds.
fn without_key(pem: &[u8]) -> &'static str {
    let has = |mark: &str| memchr::memmem::find(pem, mark.as_bytes()).is_some();
    if has("-----BEGIN ENCRYPTED PRIVATE KEY-----") || has("Proc-Type: 4,ENCRYPTED") {
        "a private key under a passphrase, which nobody can type at start"
    } else if has("PRIVATE KEY-----") {
        "a broken private key"
    } else if has("-----BEGIN PUBLIC KEY-----") || has("-----BEGIN RSA PUBLIC KEY-----") {
        "a public key only"
    } else if has("-----BEGIN CERTIFICATE-----") {
        "a certificate without its private key"
    } else {
        "no private key in PEM"
    }
}

fn pem(der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(String::with_capacity(body.len() + body.len() / 64 + 64));
    text.push_str("-----BEGIN PRIVATE KEY-----\n");
    for (index, character) in body.char_indices() {
        if index > 0 && index % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str("\n-----END PRIVATE KEY-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::jwk::{Jwk, ThumbprintHash};

    const ALL: [Algorithm; 5] =
        [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256];

    fn held(pem: &str) -> String {
        match Pair::from_pem(pem.as_bytes()) {
            Ok(pair) => pair.kind(),
            Err(words) => words,
        }
    }

    #[test]
    fn a_file_without_a_usable_key_is_described() {
        let cases = [
            ("", "no private key in PEM"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA", "a broken private key"),
            (
                include_str!("../../tests/keys/test-p256-encrypted.pem"),
                "a private key under a passphrase, which nobody can type at start",
            ),
            (include_str!("../../tests/keys/test-p256-public.pem"), "a public key only"),
            (include_str!("../../tests/keys/test-rsa1024-pkcs8.pem"), "an RSA key of fewer than 2048 bits"),
            (
                include_str!("../../tests/keys/test-p521-sec1.pem"),
                "an EC key on a curve other than P-256 and P-384, or a broken one",
            ),
        ];
        for (pem, words) in cases {
            assert_eq!(held(pem), words);
        }
    }

    #[test]
    fn openssls_three_encodings_are_read() {
        let cases = [
            (include_str!("../../tests/keys/test-ed25519-pkcs8.pem"), "an Ed25519 key"),
            (include_str!("../../tests/keys/test-p256-pkcs8.pem"), "an EC key on P-256"),
            (include_str!("../../tests/keys/test-p256-sec1.pem"), "an EC key on P-256"),
            (include_str!("../../tests/keys/test-p384-pkcs8.pem"), "an EC key on P-384"),
            (include_str!("../../tests/keys/test-p384-sec1.pem"), "an EC key on P-384"),
            (include_str!("../../tests/keys/test-rsa2048-pkcs1.pem"), "an RSA key of 2048 bits"),
            (include_str!("../../tests/keys/test-rsa2048-pkcs8.pem"), "an RSA key of 2048 bits"),
        ];
        for (pem, words) in cases {
            assert_eq!(held(pem), words);
        }
    }

    #[test]
    fn two_encodings_of_one_key_have_one_kid() {
        let kid = |pem: &str| {
            let pair = Pair::from_pem(pem.as_bytes()).ok().unwrap();
            let algorithm = pair.algorithm(Algorithm::RS256);
            Key::new(pair, algorithm).unwrap().kid().to_string()
        };
        assert_eq!(
            kid(include_str!("../../tests/keys/test-rsa2048-pkcs1.pem")),
            kid(include_str!("../../tests/keys/test-rsa2048-pkcs8.pem")),
        );
        assert_eq!(
            kid(include_str!("../../tests/keys/test-p256-sec1.pem")),
            kid(include_str!("../../tests/keys/test-p256-pkcs8.pem")),
        );
    }

    #[test]
    fn the_kid_is_the_thumbprint_another_implementation_computes() {
        for algorithm in ALL {
            let pair = Pair::from_pem(Pair::generate(algorithm).unwrap().as_bytes()).ok().unwrap();
            let key = Key::new(pair, algorithm).unwrap();
            let jwk: Jwk = serde_json::from_str(key.jwk()).unwrap();
            assert_eq!(*jwk.thumbprint(ThumbprintHash::SHA256).unwrap(), **key.kid());
        }
    }

    #[test]
    fn a_generated_ed25519_key_is_the_48_bytes_that_openssl_reads() {
        let text = Pair::generate(Algorithm::EdDSA).unwrap();
        let PrivateKeyDer::Pkcs8(der) = PrivateKeyDer::from_pem_slice(text.as_bytes()).unwrap() else {
            panic!("not PKCS#8");
        };
        assert_eq!(der.secret_pkcs8_der().len(), 48);
    }

    #[test]
    fn a_key_signs_its_own_algorithm_only() {
        for made in ALL {
            let text = Pair::generate(made).unwrap();
            for wanted in ALL {
                let pair = Pair::from_pem(text.as_bytes()).ok().unwrap();
                let both_rsa =
                    [made, wanted].iter().all(|a| matches!(a, Algorithm::PS256 | Algorithm::RS256));
                assert_eq!(Key::new(pair, wanted).is_some(), made == wanted || both_rsa);
            }
        }
    }

    #[test]
    fn the_debug_print_shows_no_more_than_the_kid() {
        let pair = Pair::from_pem(include_bytes!("../../tests/keys/test-p256-pkcs8.pem")).ok().unwrap();
        let key = Key::new(pair, Algorithm::ES256).unwrap();
        assert_eq!(format!("{key:?}"), format!("Key(ES256 {})", key.kid()));
    }
}

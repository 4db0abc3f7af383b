//! A private key of one of the kinds that sign: read from PEM or made.

use crate::config::Algorithm;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

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
    /// A secret, which is no pair: whoever verifies has it too.
    Secret(Box<hmac::Key>),
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
            Algorithm::HS256 => return None,
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
            Algorithm::HS256 => matches!(self, Self::Secret(_)),
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
            Self::Secret(_) => Algorithm::HS256,
        }
    }

    /// What it is, in words.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Ed25519(_) => "an Ed25519 key".into(),
            Self::P256(_) => "an EC key on P-256".into(),
            Self::P384(_) => "an EC key on P-384".into(),
            Self::Secret(_) => "a secret".into(),
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

    /// The public key as DER, with its kind.
    pub(super) fn public_der(&self) -> Vec<u8> {
        let der: Result<PublicKeyX509Der<'_>, _> = match self {
            Self::Ed25519(pair) => pair.public_key().as_der(),
            Self::P256(pair) | Self::P384(pair) => pair.public_key().as_der(),
            Self::Rsa(pair) => pair.public_key().as_der(),
            Self::Secret(_) => return Vec::new(),
        };
        der.map(|der| der.as_ref().to_vec()).unwrap_or_default()
    }

    /// The thumbprint's input (RFC 7638 §3.2: required members only, in lexical order, no spaces), and the members of
    /// the JWK. Both are written from public values alone.
    pub(super) fn public_members(&self) -> (String, String) {
        match self {
            Self::Ed25519(pair) => {
                let x = URL_SAFE_NO_PAD.encode(pair.public_key());
                let members = format!(r#""crv":"Ed25519","kty":"OKP","x":"{x}""#);
                (format!("{{{members}}}"), members)
            }
            Self::P256(pair) => ec_members("P-256", pair),
            Self::P384(pair) => ec_members("P-384", pair),
            Self::Secret(_) => (String::new(), String::new()),
            Self::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                let (n, e) = (URL_SAFE_NO_PAD.encode(public.n), URL_SAFE_NO_PAD.encode(public.e));
                let members = format!(r#""e":"{e}","kty":"RSA","n":"{n}""#);
                (format!("{{{members}}}"), members)
            }
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
mod tests;

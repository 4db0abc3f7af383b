//! One signing key: held, named, and able to say what it is in public.

use crate::config::{Algorithm, Secret, TokenProfile};
use crate::token::pair::Pair;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;

/// A private key with its `kid` (RFC 7638 thumbprint), its one algorithm, its public JWK and the encoded headers of
/// the tokens it signs. Its debug print shows the `kid` only.
pub struct Key {
    kid: Arc<str>,
    algorithm: Algorithm,
    pair: Pair,
    jwk: String,
    header_at_jwt: String,
    header_jwt: String,
    header_txn: String,
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
        let jwk = format!(r#"{{"kid":"{kid}","use":"sig","alg":"{}",{public}}}"#, name(algorithm));
        Some(Self::named(kid, jwk, algorithm, pair))
    }

    /// A secret that is shared with those who verify, for HS256. It is never in a ring, so never published; its name is of no use to
    /// who does not have it.
    pub(super) fn shared(secret: &Secret) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
        let name = hmac::sign(&key, b"the name of this secret");
        let kid = URL_SAFE_NO_PAD.encode(name.as_ref().get(..16).unwrap_or_default());
        Self::named(kid, String::new(), Algorithm::HS256, Pair::Secret(Box::new(key)))
    }

    fn named(kid: String, jwk: String, algorithm: Algorithm, pair: Pair) -> Self {
        let alg = name(algorithm);
        let header =
            |typ| URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}","typ":"{typ}","kid":"{kid}"}}"#));
        Self {
            header_at_jwt: header("at+jwt"),
            header_jwt: header("JWT"),
            header_txn: header("txntoken+jwt"),
            jwk,
            kid: kid.into(),
            algorithm,
            pair,
        }
    }

    /// The thumbprint that names it.
    pub fn kid(&self) -> &Arc<str> {
        &self.kid
    }

    /// The one algorithm it signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The algorithm's name in JOSE.
    pub const fn alg(&self) -> &'static str {
        name(self.algorithm)
    }

    /// The public JWK, as JSON.
    pub fn public_jwk(&self) -> &str {
        &self.jwk
    }

    /// The public key as DER (RFC 5280 §4.1, SubjectPublicKeyInfo).
    pub fn public_der(&self) -> Vec<u8> {
        self.pair.public_der()
    }

    /// A bare signature, for `attest` alone, which forges tokens; [`Minter`](crate::token::Minter) makes those that are meant.
    pub fn signature(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.sign(message, <[u8]>::to_vec)
    }

    /// The public JWK, as JSON.
    pub(super) fn jwk(&self) -> &str {
        &self.jwk
    }

    /// The encoded header of a token of this type.
    pub(super) fn header(&self, profile: TokenProfile) -> &str {
        match profile {
            TokenProfile::AtJwt => &self.header_at_jwt,
            // One that is sealed has none.
            TokenProfile::Jwt | TokenProfile::Reference => &self.header_jwt,
            TokenProfile::Txn => &self.header_txn,
        }
    }

    /// Length of every signature, in bytes.
    pub(super) fn signature_len(&self) -> usize {
        match &self.pair {
            Pair::Ed25519(_) | Pair::P256(_) => 64,
            Pair::P384(_) => 96,
            Pair::Secret(_) => 32,
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
            Pair::Secret(key) => Some(take(hmac::sign(key, message).as_ref())),
            Pair::Rsa(pair) => {
                let padding: &'static dyn RsaEncoding = match self.algorithm {
                    Algorithm::PS256 => &RSA_PSS_SHA256,
                    Algorithm::RS256 => &RSA_PKCS1_SHA256,
                    Algorithm::ES256 | Algorithm::ES384 | Algorithm::EdDSA | Algorithm::HS256 => return None,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature).ok().map(|()| take(&signature))
            }
        }
    }
}

/// The name says which key it is.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.kid == other.kid && self.algorithm == other.algorithm
    }
}

impl Eq for Key {}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({} {})", name(self.algorithm), self.kid)
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
        Algorithm::HS256 => "HS256",
    }
}

/// The key that an algorithm needs, in words.
pub(super) const fn needed(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::ES256 => "an EC key on P-256",
        Algorithm::ES384 => "an EC key on P-384",
        Algorithm::EdDSA => "an Ed25519 key",
        Algorithm::PS256 | Algorithm::RS256 => "an RSA key of 2048 bits or more",
        Algorithm::HS256 => "a secret",
    }
}

/// The command that makes such a key.
pub(super) const fn recipe(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::ES256 => "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem",
        Algorithm::ES384 => "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key.pem",
        Algorithm::EdDSA => "openssl genpkey -algorithm ED25519 -out key.pem",
        Algorithm::HS256 => "openssl rand -hex 32",
        Algorithm::PS256 | Algorithm::RS256 => {
            "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out key.pem"
        }
    }
}

#[cfg(test)]
mod tests;

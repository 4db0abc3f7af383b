//! Tokens that say nothing to who holds them: their claims are sealed under the deployment's key, and only introspection opens them.
//!
//! Nothing is kept anywhere: what a token says is in it, and whether it still counts is asked of its session, as with any token. So one
//! costs no more than a signed one, is made as rarely, and every gateway of the deployment can open it.

use crate::config::Secret;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const LABEL: &[u8] = b"cloakroom reference tokens";
/// What each begins with, so that scanners of leaked secrets can know one.
const PREFIX: &str = "cr_";
/// Sealed lengths are a multiple of this: how long a name is says something too.
const BLOCK: usize = 64;

/// Seals and opens claims.
pub(super) struct Reference(Option<RandomizedNonceKey>);

impl Reference {
    /// With the key that belongs to this key of fingerprints.
    pub(super) fn new(fingerprints: &Secret) -> Self {
        let master = hmac::Key::new(hmac::HMAC_SHA256, fingerprints.expose());
        Self(RandomizedNonceKey::new(&AES_256_GCM, hmac::sign(&master, LABEL).as_ref()).ok())
    }

    /// A token of these claims.
    pub(super) fn seal(&self, claims: &[u8]) -> Option<String> {
        let mut sealed = claims.to_vec();
        // JSON may end in spaces.
        sealed.resize(claims.len().next_multiple_of(BLOCK), b' ');
        let aad = Aad::from(PREFIX.as_bytes());
        let nonce = self.0.as_ref()?.seal_in_place_append_tag(aad, &mut sealed).ok()?;
        let mut text = PREFIX.to_owned();
        URL_SAFE_NO_PAD.encode_string([nonce.as_ref().as_slice(), &sealed].concat(), &mut text);
        Some(text)
    }

    /// The claims of a token; `None` if it is none of this deployment's.
    pub(super) fn open(&self, token: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX.as_bytes())?).ok()?;
        let (nonce, text) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.0.as_ref()?.open_in_place(nonce, Aad::from(PREFIX.as_bytes()), text).ok()?;
        Some(opened.to_vec())
    }
}

impl std::fmt::Debug for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reference")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_at_its_deployment_alone_and_tells_neither_claims_nor_their_length() {
        let reference = |key: &[u8]| Reference::new(&Secret::new(key.to_vec()));
        let token = reference(b"1").seal(br#"{"sub":"alice"}"#).unwrap();
        assert_eq!(reference(b"1").open(token.as_bytes()).unwrap().trim_ascii(), br#"{"sub":"alice"}"#);
        assert!(reference(b"2").open(token.as_bytes()).is_none());
        assert!(!token.contains(&URL_SAFE_NO_PAD.encode("alice")));
        assert_eq!(token.len(), reference(b"1").seal(br#"{"sub":"al"}"#).unwrap().len());
        for at in 0..token.len() {
            let mut bent = token.clone().into_bytes();
            bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
            assert!(reference(b"1").open(&bent).is_none(), "{at}");
        }
    }
}

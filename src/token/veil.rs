//! The session in a token's id, for nobody but us: where services must not compare sessions a token has no `sid`, and we have to
//! find it all the same.

use crate::config::Secret;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const LABEL: &[u8] = b"cloakroom veiled sessions";

/// Makes ids in which a fingerprint is sealed: each is another, as an id has to be.
pub(super) struct Veil(Option<RandomizedNonceKey>);

impl Veil {
    /// With the key that belongs to this key of fingerprints.
    pub(super) fn new(fingerprints: &Secret) -> Self {
        let master = hmac::Key::new(hmac::HMAC_SHA256, fingerprints.expose());
        Self(RandomizedNonceKey::new(&AES_256_GCM, hmac::sign(&master, LABEL).as_ref()).ok())
    }

    /// An id with a fingerprint in it.
    pub(super) fn id(&self, sid: &str) -> Option<String> {
        let mut sealed = sid.as_bytes().to_vec();
        let nonce = self.0.as_ref()?.seal_in_place_append_tag(Aad::empty(), &mut sealed).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &sealed].concat()))
    }

    /// The fingerprint in an id.
    pub(super) fn sid(&self, id: &str) -> Option<String> {
        let mut sealed = URL_SAFE_NO_PAD.decode(id).ok()?;
        let (nonce, text) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.0.as_ref()?.open_in_place(nonce, Aad::empty(), text).ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }
}

impl std::fmt::Debug for Veil {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Veil")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_again_by_us_and_compared_by_nobody() {
        let veil = Veil::new(&Secret::new(b"1".to_vec()));
        let (one, two) = (veil.id("sid").unwrap(), veil.id("sid").unwrap());
        assert_ne!(one, two);
        assert_eq!(veil.sid(&one).as_deref(), Some("sid"));
        assert_eq!(Veil::new(&Secret::new(b"2".to_vec())).sid(&one), None);
        assert!(veil.sid("").is_none() && veil.sid(&one[1..]).is_none());
    }
}

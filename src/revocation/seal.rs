//! What leads back to a session, for nobody but the gateways of one deployment.

use crate::request::Cookies;
use crate::session::FingerprintKey;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use std::sync::OnceLock;
use zeroize::Zeroizing;

const LABEL: &[u8] = b"cloakroom noted sessions";

/// Seals and opens.
pub(super) struct Seal {
    keys: FingerprintKey,
    /// Made when the deployment's is known.
    key: OnceLock<RandomizedNonceKey>,
}

impl Seal {
    /// With a key that belongs to the deployment's.
    pub(super) fn new(keys: &FingerprintKey) -> Option<Self> {
        Some(Self { keys: keys.clone(), key: OnceLock::new() })
    }

    fn key(&self) -> Option<&RandomizedNonceKey> {
        if let Some(key) = self.key.get() {
            return Some(key);
        }
        if !self.keys.is_known() {
            return None;
        }
        let key = RandomizedNonceKey::new(&AES_256_GCM, &*self.keys.derived(LABEL)).ok()?;
        Some(self.key.get_or_init(|| key))
    }

    /// A profile and its cookies, bound to the session that they lead to.
    pub(super) fn seal(&self, sid: &str, profile: &str, cookies: &Cookies) -> Option<Vec<u8>> {
        let mut sealed = [profile.as_bytes(), b"\n", cookies.as_bytes()].concat();
        let nonce = self.key()?.seal_in_place_append_tag(Aad::from(sid.as_bytes()), &mut sealed).ok()?;
        Some([nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// The same again; `None` if it was sealed for another session, or by another deployment.
    pub(super) fn open(&self, sid: &str, sealed: Vec<u8>) -> Option<(String, Cookies)> {
        let mut sealed = Zeroizing::new(sealed);
        let (nonce, text) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.key()?.open_in_place(nonce, Aad::from(sid.as_bytes()), text).ok()?;
        let at = opened.iter().position(|byte| *byte == b'\n')?;
        let profile = String::from_utf8(opened.get(..at)?.to_vec()).ok()?;
        Some((profile, Cookies::from_line(opened.get(at + 1..)?.to_vec())))
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_session_and_deployment_alone() {
        let seal = |key: &[u8]| Seal::new(&FingerprintKey::new(key)).unwrap();
        let cookies = Cookies::from_line(b"sid=abc; sid.sig=d".to_vec());
        let sealed = seal(b"1").seal("s", "shop", &cookies).unwrap();
        assert!(!sealed.windows(3).any(|part| part == b"abc"));
        let (profile, opened) = seal(b"1").open("s", sealed.clone()).unwrap();
        assert_eq!((profile.as_str(), opened.as_bytes()), ("shop", cookies.as_bytes()));
        for (key, sid) in [(&b"2"[..], "s"), (b"1", "t")] {
            assert!(seal(key).open(sid, sealed.clone()).is_none());
        }
        assert!(seal(b"1").open("s", Vec::new()).is_none());
    }
}

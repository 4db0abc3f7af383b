//! Private keys where others can read them: sealed by a key that is not there.

use crate::config::Secret;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// Sets this use of the secret apart from any other.
const LABEL: &[u8] = b"cloakroom key ring seal 1";

/// Seals with the newest key and opens with all. What is sealed is bound to its name and its purpose, so that no sealed key can be put
/// in another's place.
pub(super) struct Seals(Vec<RandomizedNonceKey>);

impl Seals {
    /// Of these secrets, the newest first.
    pub(super) fn new(secrets: &[Secret]) -> Self {
        let key = |secret: &Secret| {
            let master = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
            RandomizedNonceKey::new(&AES_256_GCM, hmac::sign(&master, LABEL).as_ref()).ok()
        };
        Self(secrets.iter().filter_map(key).collect())
    }

    /// Seals; `None` without a key or randomness.
    pub(super) fn seal(&self, purpose: &str, name: &str, bytes: &[u8]) -> Option<String> {
        let mut sealed = Zeroizing::new(bytes.to_vec());
        let nonce = self.0.first()?.seal_in_place_append_tag(bound(purpose, name), &mut *sealed).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce.as_ref()[..], &sealed].concat()))
    }

    /// What was sealed, and whether the newest key did it; `None` if none of them did.
    pub(super) fn open(&self, purpose: &str, name: &str, text: &str) -> Option<(Zeroizing<Vec<u8>>, bool)> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
        self.0.iter().enumerate().find_map(|(at, key)| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut opened = Zeroizing::new(rest.to_vec());
            let length = key.open_in_place(nonce, bound(purpose, name), &mut opened).ok()?.len();
            opened.truncate(length);
            Some((opened, at == 0))
        })
    }
}

fn bound(purpose: &str, name: &str) -> Aad<Vec<u8>> {
    Aad::from(format!("{}:{purpose}:{name}", purpose.len()).into_bytes())
}

impl std::fmt::Debug for Seals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seals")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seals(secrets: &[&str]) -> Seals {
        let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::new(text.as_bytes().to_vec())).collect();
        Seals::new(&secrets)
    }

    #[test]
    fn what_is_sealed_opens_under_its_name_and_purpose_only() {
        let sealed = seals(&["a"]).seal("key", "kid", b"private").unwrap();
        assert_eq!(&**seals(&["a"]).open("key", "kid", &sealed).unwrap().0, b"private");
        for (purpose, name) in [("key", "dik"), ("fingerprint", "kid"), ("ke", "y:kid"), ("key:k", "id")] {
            assert!(seals(&["a"]).open(purpose, name, &sealed).is_none(), "{purpose} {name}");
        }
        assert!(seals(&["b"]).open("key", "kid", &sealed).is_none());
        assert!(seals(&[]).open("key", "kid", &sealed).is_none());
    }

    #[test]
    fn a_changed_byte_is_no_key() {
        let sealed = seals(&["a"]).seal("key", "kid", b"private").unwrap();
        for at in 0..sealed.len() {
            let mut other = sealed.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let opened = seals(&["a"]).open("key", "kid", std::str::from_utf8(&other).unwrap());
            // The last digit has bits that mean nothing, which the decoder refuses.
            assert!(opened.is_none(), "at {at}");
        }
        for short in ["", "AAAA", "!"] {
            assert!(seals(&["a"]).open("key", "kid", short).is_none());
        }
    }

    #[test]
    fn an_older_seal_still_opens_and_tells_that_it_is_old() {
        let sealed = seals(&["old"]).seal("key", "kid", b"private").unwrap();
        let (opened, newest) = seals(&["new", "old"]).open("key", "kid", &sealed).unwrap();
        assert_eq!((&**opened, newest), (&b"private"[..], false));
    }

    #[test]
    fn the_same_key_is_sealed_differently_each_time() {
        let one = seals(&["a"]);
        assert_ne!(one.seal("key", "kid", b"private"), one.seal("key", "kid", b"private"));
    }
}

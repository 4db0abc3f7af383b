//! A refresh token: a name to find its family by, a key that opens the session, and a secret that changes each time.

use crate::request::Cookies;
use crate::state::FamilyName;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{digest, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::{Zeroize, Zeroizing};

/// What is left of a session's fingerprint in bytes.
const SID: usize = 16;
const FAMILY: usize = 12;
const KEY: usize = 32;
const SECRET: usize = 32;
const WHOLE: usize = SID + FAMILY + KEY + SECRET;
/// What the key is used for, and the secret.
const SEAL: &[u8] = b"cloakroom refresh seal";
const PROOF: &[u8] = b"cloakroom refresh proof";
const SUCCESSOR: &[u8] = b"cloakroom refresh successor";

/// The whole of it. Never printed, and wiped when dropped.
pub(crate) struct RefreshToken([u8; WHOLE]);

impl RefreshToken {
    /// The first of a family of this session; `None` if the fingerprint is none or there is no randomness.
    pub(crate) fn first(sid: &str) -> Option<Self> {
        let sid = URL_SAFE_NO_PAD.decode(sid).ok().filter(|sid| sid.len() == SID)?;
        let mut token = Self([0; WHOLE]);
        let (name, rest) = token.0.split_at_mut_checked(SID)?;
        name.copy_from_slice(&sid);
        rand::fill(rest).ok()?;
        Some(token)
    }

    /// Reads what a client sent.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        <[u8; WHOLE]>::try_from(bytes.as_slice()).ok().map(Self)
    }

    /// As the client gets it.
    pub(crate) fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0))
    }

    /// Which family it is of.
    pub(crate) fn name(&self) -> FamilyName {
        let encode = |from: usize, to: usize| URL_SAFE_NO_PAD.encode(self.part(from, to));
        FamilyName { sid: encode(0, SID), family: encode(SID, SID + FAMILY) }
    }

    /// What shows that one of the family is held.
    pub(crate) fn key_hash(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(PROOF))
    }

    /// What is kept of it.
    pub(crate) fn hash(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &self.0))
    }

    /// The one that follows, for everybody who has this and the nonce.
    pub(crate) fn successor(&self, nonce: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.part(WHOLE - SECRET, WHOLE));
        let mut context = hmac::Context::with_key(&key);
        context.update(SUCCESSOR);
        context.update(nonce.as_bytes());
        let mut next = Self(self.0);
        if let Some(secret) = next.0.get_mut(WHOLE - SECRET..) {
            secret.copy_from_slice(context.sign().as_ref());
        }
        next
    }

    /// A session's cookies, for whoever holds a token of the family.
    pub(crate) fn seal(&self, cookies: &Cookies) -> Option<Vec<u8>> {
        let mut sealed = cookies.as_bytes().to_vec();
        let nonce = self.sealing()?.seal_in_place_append_tag(self.aad(), &mut sealed).ok()?;
        Some([nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// The cookies again; `None` if they were sealed for another family, or are not what was sealed.
    pub(crate) fn open(&self, mut sealed: Vec<u8>) -> Option<Cookies> {
        let (nonce, text) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.sealing()?.open_in_place(nonce, self.aad(), text).ok()?;
        let cookies = Cookies::from_line(opened.to_vec());
        sealed.zeroize();
        Some(cookies)
    }

    fn sealing(&self) -> Option<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM, &self.mac(SEAL)).ok()
    }

    fn aad(&self) -> Aad<&[u8]> {
        Aad::from(self.part(0, SID + FAMILY))
    }

    /// What the family's key makes of a purpose.
    fn mac(&self, purpose: &[u8]) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.part(SID + FAMILY, SID + FAMILY + KEY));
        hmac::sign(&key, purpose).as_ref().to_vec()
    }

    fn part(&self, from: usize, to: usize) -> &[u8] {
        self.0.get(from..to).unwrap_or_default()
    }
}

impl Drop for RefreshToken {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefreshToken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID_TEXT: &str = "AAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn what_is_no_token_is_none() {
        let token = RefreshToken::first(SID_TEXT).unwrap();
        let text = token.expose();
        assert!(RefreshToken::parse(text.as_bytes()).is_some());
        for bad in
            ["", "a", &text[1..], &format!("{}A", *text), &text.replace(|c: char| c.is_alphanumeric(), "+")]
        {
            assert!(RefreshToken::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(RefreshToken::first("short").is_none());
    }

    #[test]
    fn the_successor_depends_on_the_token_and_on_the_nonce_and_stays_in_the_family() {
        let (one, other) = (RefreshToken::first(SID_TEXT).unwrap(), RefreshToken::first(SID_TEXT).unwrap());
        let next = one.successor("n");
        assert_eq!(next.hash(), one.successor("n").hash());
        assert_ne!(next.hash(), one.successor("m").hash());
        assert_ne!(next.hash(), one.hash());
        assert_eq!((next.name(), next.key_hash()), (one.name(), one.key_hash()));
        assert_ne!(one.key_hash(), other.key_hash());
    }

    #[test]
    fn only_the_family_opens_what_it_sealed() {
        let (one, other) = (RefreshToken::first(SID_TEXT).unwrap(), RefreshToken::first(SID_TEXT).unwrap());
        let sealed = one.seal(&Cookies::from_line("sid=s1")).unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"sid=s1"));
        assert_eq!(one.successor("n").open(sealed.clone()).unwrap().as_bytes(), b"sid=s1");
        assert!(other.open(sealed.clone()).is_none());
        let mut bent = sealed.clone();
        *bent.last_mut().unwrap() ^= 1;
        assert!(
            one.open(bent).is_none()
                && one.open(Vec::new()).is_none()
                && one.open(sealed[..12].to_vec()).is_none()
        );
    }
}

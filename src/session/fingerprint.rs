//! The only form in which a session id leaves this room.

use crate::store::Record;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::{Arc, LazyLock, OnceLock};
use zeroize::Zeroizing;

/// Bytes of the MAC that are kept: 128 bits are plenty to tell sessions apart and give nothing to search for an id.
const KEPT_BYTES: usize = 16;

/// The keyed hash of a session id: what logs show, and the `sid` claim. 22 characters of base64url, the same at every
/// gateway of one deployment.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint(Arc<str>);

impl Fingerprint {
    /// For tests of the rooms above, which get theirs from a real key.
    #[cfg(test)]
    pub(crate) fn pretend(text: &str) -> Self {
        Self(text.into())
    }

    /// One that a token of ours names.
    pub(super) fn named(text: &str) -> Self {
        Self(text.into())
    }

    /// The text; it identifies a session but does not open it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The deployment's key for fingerprints. Clones are the same key, though it may be known later only: where it is kept in a Redis that
/// was not reached yet, nothing that takes a fingerprint is served.
#[derive(Clone, Default)]
pub struct FingerprintKey(Arc<OnceLock<hmac::Key>>);

/// In place of a key that is not known yet: what it makes is nothing to anybody.
static NOBODYS: LazyLock<hmac::Key> = LazyLock::new(|| {
    let mut bytes = [0; 32];
    // Without randomness no request is served either.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    hmac::Key::new(hmac::HMAC_SHA256, &bytes)
});

impl FingerprintKey {
    /// A key of these bytes; 32 random ones are right.
    pub fn new(bytes: &[u8]) -> Self {
        let key = Self::default();
        key.set(bytes);
        key
    }

    /// Makes it one of these bytes, unless it is one already.
    pub fn set(&self, bytes: &[u8]) {
        self.0.get_or_init(|| hmac::Key::new(hmac::HMAC_SHA256, bytes));
    }

    /// Whether it is known yet.
    pub fn is_known(&self) -> bool {
        self.0.get().is_some()
    }

    fn key(&self) -> &hmac::Key {
        self.0.get().unwrap_or(&NOBODYS)
    }

    /// The fingerprint of a session id within its profile: two apps may hand out the same id.
    pub fn fingerprint(&self, profile: &str, id: &[u8]) -> Fingerprint {
        let mut context = hmac::Context::with_key(self.key());
        context.update(&u64::try_from(profile.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(profile.as_bytes());
        context.update(id);
        let tag = context.sign();
        let kept = tag.as_ref().get(..KEPT_BYTES).unwrap_or_default();
        Fingerprint(URL_SAFE_NO_PAD.encode(kept).into())
    }
}

impl FingerprintKey {
    /// Whose a session is, as a hash: by the profile that says so, and its `sub`.
    pub fn user(&self, client_id: &str, sub: &str) -> String {
        self.hash(b"cloakroom user", &[client_id.as_bytes(), sub.as_bytes()])
    }

    /// A record, as a hash.
    pub fn record(&self, record: &Record) -> String {
        match record {
            Record::String(bytes) => self.hash(b"cloakroom record", &[bytes]),
            Record::Hash(fields) => {
                // Redis keeps no order in a hash.
                let mut parts: Vec<&[u8]> = Vec::with_capacity(2 * fields.len());
                let mut sorted: Vec<_> = fields.iter().collect();
                sorted.sort_unstable();
                sorted.into_iter().for_each(|(name, value)| parts.extend([name.as_slice(), value]));
                self.hash(b"cloakroom record", &parts)
            }
        }
    }

    /// Another key of the deployment, for a purpose of its own.
    pub fn derived(&self, label: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(hmac::sign(self.key(), label).as_ref());
        key
    }

    /// Each part with its length before it, so that no two lists are one text.
    fn hash(&self, label: &[u8], parts: &[&[u8]]) -> String {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &*self.derived(label)));
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        URL_SAFE_NO_PAD.encode(context.sign())
    }
}

impl std::fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FingerprintKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_id_in_two_profiles_has_two_fingerprints() {
        let key = FingerprintKey::new(b"k");
        assert_ne!(key.fingerprint("a", b"bc"), key.fingerprint("ab", b"c"));
    }

    #[test]
    fn a_fingerprint_depends_on_the_deployments_key_only() {
        let (one, same, other) =
            (FingerprintKey::new(b"1"), FingerprintKey::new(b"1"), FingerprintKey::new(b"2"));
        assert_eq!(one.fingerprint("p", b"id"), same.fingerprint("p", b"id"));
        assert_ne!(one.fingerprint("p", b"id"), other.fingerprint("p", b"id"));
        assert_eq!(one.fingerprint("p", b"id").as_str().len(), 22);
    }
}

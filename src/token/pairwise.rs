//! A `sub` for each audience.

use crate::config::Secret;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Sets these hashes apart from the fingerprints, which are made with the same key of the deployment.
const LABEL: &[u8] = b"cloakroom pairwise sub";

/// Makes the `sub` that one audience knows a user by: what OpenID Connect Core §8.1 calls a pairwise identifier, with the
/// deployment's key where its example has a salt. Two services cannot compare theirs, none can be traced to the user id, and
/// all gateways of one deployment make the same.
pub(super) struct PairwiseKey(hmac::Key);

impl PairwiseKey {
    /// The key that belongs to this key of fingerprints.
    pub(super) fn new(fingerprints: &Secret) -> Self {
        let master = hmac::Key::new(hmac::HMAC_SHA256, fingerprints.expose());
        Self(hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&master, LABEL).as_ref()))
    }

    /// The `sub` of this user for these audiences, in whatever order they are named.
    pub(super) fn sub(&self, audience: &[String], sub: &str) -> String {
        let mut names: Vec<&str> = audience.iter().map(String::as_str).collect();
        names.sort_unstable();
        let mut context = hmac::Context::with_key(&self.0);
        // Each with its length before it, so that no two lists are one text; the user is what is left.
        for name in names {
            context.update(&u64::try_from(name.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(name.as_bytes());
        }
        context.update(&u64::MAX.to_be_bytes());
        context.update(sub.as_bytes());
        URL_SAFE_NO_PAD.encode(context.sign())
    }
}

impl std::fmt::Debug for PairwiseKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PairwiseKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sub(key: &[u8], audience: &[&str], sub: &str) -> String {
        let audience: Vec<String> = audience.iter().map(|name| (*name).to_owned()).collect();
        PairwiseKey::new(&Secret::new(key.to_vec())).sub(&audience, sub)
    }

    #[test]
    fn another_key_audience_or_user_has_another_sub() {
        let all = [
            sub(b"1", &["orders"], "42"),
            sub(b"2", &["orders"], "42"),
            sub(b"1", &["orders"], "43"),
            sub(b"1", &["bills"], "42"),
            sub(b"1", &["orders", "bills"], "42"),
            sub(b"1", &["ordersbills"], "42"),
            sub(b"1", &[], "orders42"),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn the_same_user_has_the_same_sub_at_every_gateway() {
        assert_eq!(sub(b"1", &["a", "b"], "42"), sub(b"1", &["b", "a"], "42"));
    }
}

//! Keys as of one moment: which one signs, and which ones services may still meet or will meet next.

use crate::config::Algorithm;
use crate::token::key::{Key, name};
use crate::token::publish::Document;
use bytes::Bytes;
use http::HeaderValue;
use std::sync::Arc;

/// Where a key is on its way. One that is retired is in no ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It signs: one of each algorithm.
    Signs,
    /// It is published ahead of its time, so that every service knows it when it signs.
    Standby,
    /// It signed, and stays published until the last of its tokens has ended.
    Leaving,
}

impl Phase {
    /// Its name for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Signs => "signs",
            Self::Standby => "standby",
            Self::Leaving => "leaving",
        }
    }
}

/// Every key of one moment with the set that is published of them. Immutable: another moment is another ring.
pub struct Ring {
    keys: Vec<(Arc<Key>, Phase)>,
    jwks: Document,
}

impl Ring {
    /// Of these keys, in this order; each is taken once.
    pub(super) fn new(keys: impl IntoIterator<Item = (Arc<Key>, Phase)>) -> Self {
        let mut distinct: Vec<(Arc<Key>, Phase)> = Vec::new();
        for (key, phase) in keys {
            if !distinct.iter().any(|(known, _)| known.kid() == key.kid()) {
                distinct.push((key, phase));
            }
        }
        let members: Vec<&str> = distinct.iter().map(|(key, _)| key.jwk()).collect();
        let jwks = Document::new(format!(r#"{{"keys":[{}]}}"#, members.join(",")));
        Self { keys: distinct, jwks }
    }

    /// The key that signs with `algorithm`; `None` before the ring has been read from where it is kept.
    pub fn signer(&self, algorithm: Algorithm) -> Option<&Arc<Key>> {
        let signs =
            |(key, phase): &&(Arc<Key>, Phase)| *phase == Phase::Signs && key.algorithm() == algorithm;
        self.keys.iter().find(signs).map(|(key, _)| key)
    }

    /// Every key, in the order they are published.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.keys.iter().map(|(key, _)| key)
    }

    /// Every key with its phase.
    pub fn phases(&self) -> impl Iterator<Item = (&Arc<Key>, Phase)> {
        self.keys.iter().map(|(key, phase)| (key, *phase))
    }

    /// Whether there is no key: the ring has not been read yet.
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The algorithms of all keys, each once.
    pub fn algorithms(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for key in self.keys() {
            let alg = name(key.algorithm());
            if !names.contains(&alg) {
                names.push(alg);
            }
        }
        names
    }

    /// The published set (RFC 7517 §5): public members only.
    pub fn jwks(&self) -> Bytes {
        self.jwks.body()
    }

    /// The strong entity tag of [`Ring::jwks`].
    pub fn etag(&self) -> HeaderValue {
        self.jwks.etag()
    }

    /// The published set with its tag.
    pub(super) const fn document(&self) -> &Document {
        &self.jwks
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys()).finish()
    }
}

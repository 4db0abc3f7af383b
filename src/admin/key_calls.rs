//! Calls about the key ring.

use crate::token::KeyRing;
use serde_json::{Value, json};

/// Every key and its phase.
pub(super) fn list(ring: &KeyRing) -> Value {
    let ring = ring.now();
    let keys = ring
        .phases()
        .map(|(key, phase)| json!({ "kid": &**key.kid(), "algorithm": key.alg(), "phase": phase.word() }));
    json!({ "keys": keys.collect::<Vec<_>>() })
}

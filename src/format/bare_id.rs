//! Session ids that travel bare: neither signed nor encrypted, so what they may be made of is all there is to check.

use crate::format::options::KeyTemplate;
use crate::format::{Lookup, Reject, SessionId};

/// Longest id, in characters; the longest that a framework makes has 64.
const ID_MAX: usize = 256;

/// The id, if it has `min` characters or more and all are letters, digits, `-` or `_`: every alphabet that ids are made of,
/// without the colon that parts the names of keys.
///
/// # Errors
/// [`Reject::MalformedCookie`] for anything else.
pub fn check(id: &[u8], min: usize) -> Result<&[u8], Reject> {
    let known = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if id.len() < min || id.len() > ID_MAX || !id.iter().all(known) {
        return Err(Reject::MalformedCookie("no session id"));
    }
    Ok(id)
}

/// The lookup of a bare id under one key.
///
/// # Errors
/// As [`check`].
pub fn lookup(id: &[u8], min: usize, key: &KeyTemplate) -> Result<Lookup, Reject> {
    let id = check(id, min)?;
    let keys = vec![key.key(id)];
    Ok(Lookup { id: SessionId::new(id.to_vec()), keys, secret: None, ends_at: None })
}

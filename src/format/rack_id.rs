//! Rack's two ids of one session.
//!
//! Since Rack 2.0.8 and Rails 5.2.4.1 the cookie has the public id and the store key the private one, `2::` + hex of SHA-256(public
//! id), so that who can list keys cannot log in with one. Readers still fall back to the key with the public id, for sessions
//! from before, and by that door redis-rack and the cache store take a cookie that already *is* a private id. Not here:
//! a value that looks like one is refused before a key is made.

use crate::codec::seal::{self, Hash};
use crate::format::options::KeyTemplate;
use crate::format::{Lookup, Reject, SessionId, bare_id};

/// The lookup of a public id: under its private id, then under itself.
///
/// # Errors
/// [`Reject::MalformedCookie`] if it is no public id.
pub fn lookup(public: &[u8], key: &KeyTemplate) -> Result<Lookup, Reject> {
    let digits = public.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits > 0 && public.get(digits..).is_some_and(|rest| rest.starts_with(b"::")) {
        return Err(Reject::MalformedCookie("a private id, which only the store may know"));
    }
    let public = bare_id::check(public, 1)?;
    let private = [b"2::".as_slice(), &seal::hex(&seal::digest(Hash::Sha256, &[public]))].concat();
    let keys = vec![key.key(&private), key.key(public)];
    Ok(Lookup { id: SessionId::new(private), keys, secret: None, ends_at: None })
}

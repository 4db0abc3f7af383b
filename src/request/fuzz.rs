//! Judging and stripping a head without hyper's body, for `tests/fuzz`; compiled only there (`--cfg fuzzing`).
//!
//! The one child that uses the roof: it opens a door to what stands there.

use crate::request::header::Reserved;
use crate::request::strip::{self, StripRules};
use crate::request::{Host, ParseError, Path};
use http::HeaderMap;
use http::request::Parts;

/// What [`crate::request::Inbound::parse`] says of the head.
///
/// # Errors
/// As there.
pub fn judge(head: &Parts) -> Result<(Host, Path), ParseError> {
    crate::request::judge(head).map(|(host, path, _)| (host, path))
}

/// Takes the named cookies, and everything else that a client's fields must not carry on.
pub fn strip(mut head: Parts, cookies: &[String]) -> HeaderMap {
    let reserved = Reserved::new([]);
    let rules = StripRules {
        reserved: &reserved,
        cookies,
        all_cookies: false,
        authorization: false,
        method_is_policy: false,
        headers: None,
        rewrites: false,
    };
    strip::strip(&mut head, &rules);
    head.headers
}

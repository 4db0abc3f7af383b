//! What the path would have done.

use crate::config::UpstreamId;
use crate::request::HeaderRules;
use crate::respond::Reason;
use crate::token::Tokens;
use http::HeaderValue;
use http::request::Parts;

/// The end of a path that was walked without sending anything.
#[derive(Debug)]
pub enum Rehearsed {
    /// We answer with a document of our own: `publish_jwks`.
    Published,
    /// One of our own endpoints would answer: its name.
    Own(&'static str),
    /// It would go to an upstream.
    Forwarded {
        /// The stripped head; the gateway's own fields below are not in it yet.
        head: Parts,
        /// Which upstream.
        upstream: UpstreamId,
        /// What it would carry.
        tokens: Option<Tokens>,
        /// What the configuration does to its headers.
        rules: Option<Box<HeaderRules>>,
        /// Whether it would say aloud that nobody is known.
        says_anonymous: bool,
    },
    /// We would refuse it.
    Refused {
        /// The row of the table.
        reason: Reason,
        /// What the access line would say of it.
        why: Option<String>,
        /// The Allow field of a 405.
        allow: Option<String>,
        /// Where a navigation would be sent instead.
        login: Option<HeaderValue>,
    },
}

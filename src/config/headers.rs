//! What an upstream or a route says of headers and paths.

use http::{HeaderName, HeaderValue};

use crate::config::Located;

/// What is done to the headers of a message, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderRules(pub Vec<(Located<HeaderName>, HeaderChange)>);

/// What is done to one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderChange {
    /// It goes.
    Remove,
    /// It has this value and no other.
    Set(HeaderValue),
    /// It has this value too.
    Append(HeaderValue),
}

/// What a service sees of the paths of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Taken from the front, where every path of the route has it; may be empty.
    pub strip: String,
    /// Put in its place; may be empty.
    pub add: String,
}

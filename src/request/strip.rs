//! The proof that nothing a client sent can pass for something the gateway says.

use http::request::Parts;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

/// A request from which every reserved and hop-by-hop field, every cookie that must not travel and every trailer have
/// been taken. Only [`super::Inbound::strip`] makes one; `upstream` accepts nothing else.
#[derive(Debug)]
pub struct Stripped {
    /// Method, origin-form target (the raw bytes that were judged) and clean headers.
    pub(super) head: Parts,
    /// The body as hyper reads it; framing is made anew on the way out.
    pub(super) body: Incoming,
    /// A validated WebSocket handshake, if this is one.
    pub(super) upgrade: Option<Upgrade>,
}

/// A WebSocket handshake (RFC 6455 §4) that passed every check.
#[derive(Debug)]
pub struct Upgrade {
    /// Resolves to the client's byte stream once our 101 is written.
    pub client: OnUpgrade,
    /// The only `Sec-WebSocket-Accept` that an honest upstream can answer.
    pub accept: String,
}

impl Stripped {
    /// Takes it apart for sending.
    pub fn into_parts(self) -> (Parts, Incoming, Option<Upgrade>) {
        (self.head, self.body, self.upgrade)
    }

    /// Skips the stripping, for tests of what comes after it.
    #[cfg(test)]
    pub(crate) fn for_test(head: Parts, body: Incoming, upgrade: Option<Upgrade>) -> Self {
        Self { head, body, upgrade }
    }
}

//! The connection a request came in on.

use crate::tls::Shown;
use std::net::SocketAddr;

/// What is known of a client connection before its first byte; made by `listen`, one per connection.
#[derive(Clone, Debug)]
pub struct Conn {
    /// The TCP neighbour: the client itself, or the proxy before us; or, by a PROXY header, that proxy's neighbour.
    pub peer: SocketAddr,
    /// Our own end, or the end that the client dialled.
    pub local: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Whether the peer passes on the bytes of somebody whom it cannot name: then it vouches for none of their fields.
    pub stranger: bool,
    /// What the client showed of itself in the handshake.
    pub shown: Shown,
}

impl Conn {
    /// One of which nothing else is known yet.
    pub fn new(peer: SocketAddr, local: SocketAddr, tls: bool) -> Self {
        Self { peer, local, tls, stranger: false, shown: Shown::default() }
    }
}

//! The connection a request came in on.

use std::net::SocketAddr;

/// What is known of a client connection before its first byte; made by `listen`, one per connection.
#[derive(Clone, Copy, Debug)]
pub struct Conn {
    /// The TCP neighbour: the client itself, or the proxy before us.
    pub peer: SocketAddr,
    /// Our own end.
    pub local: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

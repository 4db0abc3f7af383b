//! What `[server]` says of clients' certificates, and of those that come without TLS.

use crate::config::{At, Located};
use std::net::SocketAddr;

/// `[[server.client_certificates]]`: who is asked for a certificate, and whose are good.
#[derive(Debug)]
pub struct ClientCertificates {
    /// Where the table starts.
    pub at: At,
    /// For which hosts, lower case, `*.` for one label more; empty: for all others.
    pub hosts: Vec<String>,
    /// Whether nobody gets in without.
    pub required: bool,
    /// PEM of the authorities.
    pub ca: Located<Vec<u8>>,
    /// PEM of the revocation lists.
    pub crl: Option<Located<Vec<u8>>>,
    /// Whether services get it in `Client-Cert`.
    pub forward: bool,
}

/// `[server.redirect_http]`: who comes without TLS is sent to where there is.
#[derive(Debug)]
pub struct RedirectHttp {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Under which port clients reach the public listener.
    pub port: u16,
}

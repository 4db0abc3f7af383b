//! A URL that the gateway itself calls.

use crate::config::At;
use crate::config::check::http;

/// An `http://` or `https://` URL that the gateway itself calls.
#[derive(Debug)]
pub struct WebAddress {
    /// Where it was written.
    pub at: At,
    /// As it was written, for a person.
    pub text: String,
    /// `https://`
    pub tls: bool,
    /// Host name or address, lower case; an IPv6 address without its brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path and query.
    pub target: String,
    /// PEM of the certificate authorities to trust instead of the system's.
    pub ca: Option<Vec<u8>>,
}

impl WebAddress {
    /// Reads a URL; `None` if it cannot be called, or names a user.
    pub fn parse(text: &str, at: At, ca: Option<Vec<u8>>) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let (authority, target) = rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len()))?;
        let (host, port) = http::authority(authority)?;
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        let port = port.unwrap_or(if tls { 443 } else { 80 });
        let plain = http::is_visible(&target) && !target.contains(['#', '\\']);
        plain.then_some(Self { at, text: text.to_owned(), tls, host, port, target, ca })
    }
}

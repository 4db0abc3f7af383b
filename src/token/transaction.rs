//! The one request that a token is made for.

use std::net::IpAddr;

/// What a token may say of the request it is made for. Whatever of this is in a token makes it good for that request alone, so
/// such a token is signed for each and never kept.
#[derive(Clone, Copy, Debug)]
pub struct Transaction<'a> {
    /// The request's id: the `txn` claim, and `X-Request-Id` at the service.
    pub id: &'a str,
    /// The client's address, as far as trusted proxies say.
    pub client: IpAddr,
    /// Whether the client spoke TLS.
    pub https: bool,
    /// What is asked for; `None` where nothing is forwarded.
    pub target: Option<Target<'a>>,
    /// The thumbprint of the certificate that the client showed.
    pub certificate: Option<&'a str>,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The method.
    pub method: &'a str,
    /// The Host.
    pub host: &'a str,
    /// The path, as it is forwarded, without query.
    pub path: &'a str,
}

impl Transaction<'_> {
    /// How the request came, in the word of the `rctx` claim.
    pub(super) const fn transport(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }
}

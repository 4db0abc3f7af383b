//! `[[server.client_certificates]]`, `[server.hsts]` and `[server.redirect_http]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw::value::{DurationText, Placed};

/// Who is asked for a certificate of its own (mutual TLS), and whose are good.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawClientCertificates {
    /// The PEM file with the authorities whose certificates are good. Required.
    pub(crate) ca: Placed<String>,
    /// Hosts for which clients are asked, `"*.example.com"` for one label more. Default: all that no other entry names.
    pub(crate) hosts: Option<Placed<Vec<Placed<String>>>>,
    /// Whether the handshake fails without one. Default: false; then routes say which of them take one, by
    /// `client_certificate`.
    #[schemars(extend("default" = false))]
    pub(crate) required: Option<Placed<bool>>,
    /// The PEM file with revocation lists, one of each authority. Default: none.
    pub(crate) crl: Option<Placed<String>>,
    /// Whether services get the certificate in `Client-Cert` (RFC 9440). Default: false; a client's own is removed always.
    #[schemars(extend("default" = false))]
    pub(crate) forward: Option<Placed<bool>>,
}

/// What browsers are told over TLS: to come by TLS only (`Strict-Transport-Security`).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHsts {
    /// For how long. Required; begin with hours, since it cannot be taken back before its time.
    pub(crate) max_age: Placed<DurationText>,
    /// Whether for all hosts below this one too. Default: false.
    #[schemars(extend("default" = false))]
    pub(crate) include_subdomains: Option<Placed<bool>>,
    /// Whether browsers may have it built in; takes a year and `include_subdomains`. Default: false.
    #[schemars(extend("default" = false))]
    pub(crate) preload: Option<Placed<bool>>,
}

/// A listener without TLS that sends whoever comes to where there is: 308, for hosts that a certificate names.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRedirectHttp {
    /// Addresses to listen on. Required.
    pub(crate) listen: Placed<Vec<Placed<String>>>,
    /// The port under which clients reach the public listener. Default: 443.
    #[schemars(extend("default" = 443))]
    pub(crate) port: Option<Placed<u16>>,
}

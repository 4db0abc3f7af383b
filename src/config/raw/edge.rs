//! `[[server.client_certificates]]`, `[server.acme]`, `[server.hsts]` and `[server.redirect_http]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::AcmeChallenge;
use crate::config::raw::value::{DurationText, Placed, SecretRef};

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

/// Certificates that the gateway orders and renews itself, from an authority that speaks ACME (RFC 8555), as Let's Encrypt does.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAcme {
    /// The hosts that get a certificate each. Required. No wildcards: those take a proof in the DNS, and a program beside
    /// the gateway that writes the files of `[[server.certificates]]`.
    pub(crate) names: Placed<Vec<Placed<String>>>,
    /// Whether you agree to the authority's terms of service. Required; nothing is ordered without.
    pub(crate) agree_to_terms: Placed<bool>,
    /// The folder for the account and the certificates, with their keys. Required; it must outlive the gateway, or every start
    /// orders anew until the authority refuses.
    pub(crate) storage: Placed<String>,
    /// Mail addresses under which the authority finds you. Default: none.
    #[schemars(extend("default" = []))]
    pub(crate) contact: Option<Vec<Placed<String>>>,
    /// The URL of the authority's directory. Default: that of Let's Encrypt.
    #[schemars(extend("default" = "https://acme-v02.api.letsencrypt.org/directory"))]
    pub(crate) directory: Option<Placed<String>>,
    /// The PEM file with the roots that `directory` is trusted by. Default: the system's.
    pub(crate) ca: Option<Placed<String>>,
    /// How the authority is shown that a name leads here. `"tls-alpn-01"`: in a handshake on the public listener, which it
    /// must reach on port 443. `"http-01"`: by an answer of `redirect_http`, which it must reach on port 80. Default: `"tls-alpn-01"`.
    #[schemars(extend("default" = "tls-alpn-01"))]
    pub(crate) challenge: Option<Placed<AcmeChallenge>>,
    /// The account with the authority that this one belongs to (RFC 8555 section 7.3.4), where it asks for one. Default: none.
    pub(crate) external_account: Option<Placed<RawExternalAccount>>,
}

/// What an authority gave out for one that is a customer already.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawExternalAccount {
    /// The key's identifier. Required.
    pub(crate) kid: Placed<String>,
    /// The key itself, in base64url. Required.
    pub(crate) key: Placed<SecretRef>,
}

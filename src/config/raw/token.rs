//! `[tokens]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw::value::{DurationText, Placed, SizeText};
use crate::config::{Algorithm, TokenProfile};

/// The internal tokens that services get.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTokens {
    /// The `iss` claim, which services compare. Default: `"https://gateway.internal"`; set it once, before the first
    /// service checks it.
    #[schemars(extend("default" = "https://gateway.internal"))]
    pub(crate) issuer: Option<Placed<String>>,
    /// What kind of JWT: RFC 9068 (`at+jwt`) or plain RFC 7519 (`jwt`). Default: `"at+jwt"`; a route may differ.
    #[schemars(extend("default" = "at+jwt"))]
    pub(crate) profile: Option<Placed<TokenProfile>>,
    /// The header that carries the token; `authorization` puts `Bearer` before it. Default: `"authorization"`; choose
    /// a name of your own for apps that use Authorization themselves.
    #[schemars(extend("default" = "authorization"))]
    pub(crate) header: Option<Placed<String>>,
    /// Signature algorithm. Default: `"ES256"`, which every JWT library verifies.
    #[schemars(extend("default" = "ES256"))]
    pub(crate) algorithm: Option<Placed<Algorithm>>,
    /// Longest life of a token; it never outlives its session. Default: 30s; a route may differ.
    #[schemars(extend("default" = "30s"))]
    pub(crate) ttl: Option<Placed<DurationText>>,
    /// Attributes to copy into claims, by name. Default: none; a route may differ.
    #[schemars(extend("default" = []))]
    pub(crate) claims: Option<Vec<Placed<String>>>,
    /// Largest token; a larger one is refused rather than sent to a service that cannot take it. Default: 4KiB.
    #[schemars(extend("default" = "4KiB"))]
    pub(crate) max_bytes: Option<Placed<SizeText>>,
    /// Whether the public port serves the JWKS and discovery document too, for services that cannot reach
    /// `[internal]`. Default: false.
    #[schemars(extend("default" = false))]
    pub(crate) publish_jwks: Option<Placed<bool>>,
    /// `jwks_uri` in the discovery document. Default: made from the address of `[internal]`; set it where services
    /// reach the gateway by a name.
    pub(crate) jwks_uri: Option<Placed<String>>,
    /// Where the signing keys are.
    pub(crate) keys: Option<Placed<RawKeys>>,
}

/// Where the signing keys are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawKeys {
    /// Directory that keys are generated into and read from, relative to this file. Default: `"keys"`; for a single
    /// gateway.
    #[schemars(extend("default" = "keys"))]
    pub(crate) directory: Option<Placed<String>>,
    /// PEM files with private keys of your own instead: the first signs, all are published. Default: none.
    pub(crate) files: Option<Placed<Vec<Placed<String>>>>,
}

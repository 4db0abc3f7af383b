//! `[tokens]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw::value::{DurationText, OneOrMany, Placed, SecretRef, SizeText};
use crate::config::{Algorithm, Confirmation, SubjectType, TokenProfile};

/// The internal tokens that services get.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTokens {
    /// The `iss` claim, which services compare. Default: `"https://gateway.internal"`; set it once, before the first
    /// service checks it.
    #[schemars(extend("default" = "https://gateway.internal"))]
    pub(crate) issuer: Option<Placed<String>>,
    /// What kind of JWT: RFC 9068 (`at+jwt`), plain RFC 7519 (`jwt`), or a transaction token in the Txn-Token header (`txn`),
    /// which is signed for each request; `["at+jwt", "txn"]` sends both. Or none: a `reference` says nothing to who holds it, and one of
    /// `[clients]` introspects it. Default: `"at+jwt"`; a route may differ.
    #[schemars(extend("default" = "at+jwt"))]
    pub(crate) profile: Option<Placed<OneOrMany<TokenProfile>>>,
    /// The header that carries the token, if it is no transaction token; `authorization` puts `Bearer` before it. Default:
    /// `"authorization"`; choose a name of your own for apps that use Authorization themselves.
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
    /// The `scope` claim: what a request is for, as words with blanks between. Default: none; a transaction token must have
    /// one, and a route that says its own keeps it narrow.
    pub(crate) scope: Option<Placed<String>>,
    /// Whether all services know a user by one `sub` (`public`), or each audience by another that cannot be traced to it
    /// (`pairwise`); then tokens have no `sid` either. Default: `"public"`; a route may differ.
    #[schemars(extend("default" = "public"))]
    pub(crate) subject_type: Option<Placed<SubjectType>>,
    /// What tokens are bound to: the certificate that the client showed, as `cnf` with `x5t#S256` (`client-certificate`; RFC 8705),
    /// or nothing (`none`). Default: `"none"`; a route may differ.
    #[schemars(extend("default" = "none"))]
    pub(crate) cnf: Option<Placed<Confirmation>>,
    /// Secrets that services share with us for `algorithm = "HS256"` on a route, by the route's audience, newest first: the first signs. For
    /// services that can do nothing else: whoever can verify such a token can make one. Default: none.
    #[serde(default)]
    pub(crate) secrets: BTreeMap<Placed<String>, Vec<Placed<SecretRef>>>,
    /// Largest token; a larger one is refused rather than sent to a service that cannot take it. Default: 4KiB.
    #[schemars(extend("default" = "4KiB"))]
    pub(crate) max_bytes: Option<Placed<SizeText>>,
    /// Whether the public port serves the JWKS and discovery document too, for services that cannot reach
    /// `[internal]`. Who fetches them there is not listed by `keys list` and `migration`: anybody may. Default: false.
    #[schemars(extend("default" = false))]
    pub(crate) publish_jwks: Option<Placed<bool>>,
    /// `jwks_uri` in the discovery document. Default: made from the address of `[internal]`; set it where services
    /// reach the gateway by a name.
    pub(crate) jwks_uri: Option<Placed<String>>,
    /// What is the same in all transaction tokens.
    pub(crate) txn: Option<Placed<RawTxn>>,
    /// Where the signing keys are.
    pub(crate) keys: Option<Placed<RawKeys>>,
}

/// What is the same in all transaction tokens.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTxn {
    /// The `aud` claim: the trust domain, in which every service takes the token and hands it on. Default: as `issuer`.
    pub(crate) trust_domain: Option<Placed<String>>,
    /// The `req_wl` claim: who asked for the token, and that is the gateway. Default: as `issuer`.
    pub(crate) workload: Option<Placed<String>>,
}

/// Where the signing keys are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawKeys {
    /// Directory that keys are generated into and read from, relative to this file. Default: `"keys"`; for a single
    /// gateway.
    #[schemars(extend("default" = "keys"))]
    pub(crate) directory: Option<Placed<String>>,
    /// PEM files with private keys of your own instead: the first signs, all are published, and none is ever changed. Default: none.
    pub(crate) files: Option<Placed<Vec<Placed<String>>>>,
    /// Whether the keys are in `[state]` instead, sealed, where all gateways share them. Default: true where there is a `seal`.
    pub(crate) state: Option<Placed<bool>>,
    /// What the private keys in `[state]` are sealed with, as references, newest first; all are tried, so that it can be changed, and
    /// what an older one sealed is sealed again. 32 characters or more, as `openssl rand -hex 32` makes them. Default: none.
    pub(crate) seal: Option<Placed<Vec<Placed<SecretRef>>>>,
    /// How long a key signs before the next one does. Default: 30d.
    #[schemars(extend("default" = "30d"))]
    pub(crate) rotate_every: Option<Placed<DurationText>>,
    /// How long a key is published before it signs, so that every service knows it; one always stands by. Services may keep the key
    /// set for half of this, and for five minutes at most. Default: 24h; longer than any service caches.
    #[schemars(extend("default" = "24h"))]
    pub(crate) publish: Option<Placed<DurationText>>,
}

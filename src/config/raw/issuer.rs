//! `[issuers.X]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::JwsAlgorithm;
use crate::config::raw::session::RawAttribute;
use crate::config::raw::value::{DurationText, OneOrMany, Placed, SecretRef};

/// Who else issues bearer JWTs that routes accept, beside the session cookie or instead of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawIssuer {
    /// The `iss` of its tokens, character for character. Required with keys but for `jwks = "own"`.
    pub(crate) issuer: Option<Placed<String>>,
    /// Its keys: the URL of a JWKS, the path of a file with one, or `own` for the tokens that we sign ourselves, which
    /// end with their session where there is `[state]`. One of `jwks`, `secret` and `introspection` is required.
    pub(crate) jwks: Option<Placed<String>>,
    /// The secret that it shares with us, as a reference, for an issuer that signs with HS256. Default: none.
    pub(crate) secret: Option<Placed<SecretRef>>,
    /// Where it is asked about tokens that only it can read (RFC 7662), instead of keys. Default: none.
    pub(crate) introspection: Option<Placed<RawIntrospection>>,
    /// PEM file with the certificate authorities to trust for an `https://` URL. Default: the system's.
    pub(crate) ca: Option<Placed<String>>,
    /// One audience or several, of which the token's `aud` must name one: tokens for others are not for us. Required.
    pub(crate) audience: Placed<OneOrMany<String>>,
    /// The signature algorithms to accept, of those that the kind of the keys allows; the token itself has no say.
    /// Default: all of public keys; `["HS256"]` for a `secret`.
    pub(crate) algorithms: Option<Vec<Placed<JwsAlgorithm>>>,
    /// The `typ` that its tokens must have, as `at+jwt`. Default: `JWT`, `at+jwt` or none.
    pub(crate) typ: Option<Placed<String>>,
    /// How far its clock and ours may differ, for `exp`, `nbf` and `iat`. Default: as `server.skew`; up to 5m.
    pub(crate) leeway: Option<Placed<DurationText>>,
    /// Path of the user id among the claims, with dots. Default: `"sub"`.
    #[schemars(extend("default" = "sub"))]
    pub(crate) subject: Option<Placed<String>>,
    /// Template of the `sub` claim. Default: `"{subject}"`, the same person as the one of a cookie with that `sub`;
    /// an issuer with users of its own needs a name before them, as `"mobile:{subject}"`.
    #[schemars(extend("default" = "{subject}"))]
    pub(crate) sub: Option<Placed<String>>,
    /// The names that `claims` and `require` use, each with its path among the token's claims; or, as `{ const = 1 }`,
    /// the same value for everybody. Default: none.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub(crate) attributes: BTreeMap<Placed<String>, Placed<RawAttribute>>,
}

/// Where an issuer is asked about tokens that only it can read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawIntrospection {
    /// URL of the introspection endpoint. Required.
    pub(crate) url: Placed<String>,
    /// Our client id there. Required.
    pub(crate) client_id: Placed<String>,
    /// Our client secret there, as a reference. Required.
    pub(crate) client_secret: Placed<SecretRef>,
    /// How long an answer counts, never beyond the token's `exp`: as long a token revoked there is still taken here. Default:
    /// 30s; from 1s to 10m.
    #[schemars(extend("default" = "30s"))]
    pub(crate) hold: Option<Placed<DurationText>>,
}

//! `[pair]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw::value::{DurationText, OneOrMany, Placed};
use crate::config::{Confirmation, RefreshPlace};

/// Token pairs for single-page and mobile apps: `POST /.cloakroom/token` trades a live session for an access and a refresh
/// token, `/.cloakroom/refresh` renews them, `/.cloakroom/revoke` ends them. Takes `[state]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPair {
    /// The `aud` claim of access tokens, one or a list. Required.
    pub(crate) audience: Placed<OneOrMany<String>>,
    /// Session profiles whose sessions can be traded. Default: the only profile there is.
    pub(crate) sessions: Option<Placed<Vec<Placed<String>>>>,
    /// Longest life of an access token; it never outlives its session. Default: 5m.
    #[schemars(extend("default" = "5m"))]
    pub(crate) ttl: Option<Placed<DurationText>>,
    /// Attributes to copy into claims of access tokens. Default: as `[tokens]` says.
    pub(crate) claims: Option<Vec<Placed<String>>>,
    /// What pairs are bound to: the certificate that the client shows (`client-certificate`), which it must show at each refresh too, or nothing
    /// (`none`). Default: `"none"`.
    #[schemars(extend("default" = "none"))]
    pub(crate) cnf: Option<Placed<Confirmation>>,
    /// Where refresh tokens go: into a cookie that no script can read (`cookie`, for browsers, which takes https), or
    /// into the body (`body`, for mobile apps). Default: `"cookie"`.
    #[schemars(extend("default" = "cookie"))]
    pub(crate) refresh: Option<Placed<RefreshPlace>>,
    /// How long a refresh token may lie unused. Default: 7d.
    #[schemars(extend("default" = "7d"))]
    pub(crate) idle: Option<Placed<DurationText>>,
    /// How long a login lasts, however often it is refreshed. Default: 30d.
    #[schemars(extend("default" = "30d"))]
    pub(crate) absolute: Option<Placed<DurationText>>,
    /// How long a refresh token that was used is answered with the same successor again, for clients that ask in
    /// parallel or lose an answer; later it counts as stolen, and the login ends. Default: 10s.
    #[schemars(extend("default" = "10s"))]
    pub(crate) grace: Option<Placed<DurationText>>,
}

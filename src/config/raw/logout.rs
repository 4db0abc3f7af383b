//! `[logout]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw::Named;
use crate::config::raw::value::{OneOrMany, Placed};

/// Logging out at the gateway: `POST /.cloakroom/logout` ends the session in the app's store and whatever came of it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLogout {
    /// Session profiles that can be logged out; our Redis user must be allowed to delete their keys. Default: the only
    /// profile there is.
    pub(crate) sessions: Option<Placed<Vec<Placed<String>>>>,
    /// Path that the browser of a logout form goes to afterwards. Default: none, the answer is 204.
    pub(crate) then: Option<Placed<String>>,
    /// Path with which the app sets its session cookies, so that they can be cleared. Default: `"/"`.
    #[schemars(extend("default" = "/"))]
    pub(crate) path: Option<Placed<String>>,
    /// Domain with which the app sets its session cookies. Default: none, they are the host's own.
    pub(crate) domain: Option<Placed<String>>,
    /// Issuers whose logout tokens end sessions (OpenID Connect Back-Channel Logout), by the name of their `[issuers]` table; they are sent to
    /// `POST /.cloakroom/backchannel-logout`. Takes `[state]`.
    #[serde(default)]
    pub(crate) backchannel: Named<RawBackchannel>,
}

/// One whose logout tokens count. Its `sub` must be what the profiles' `subject` is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBackchannel {
    /// The `aud` of its logout tokens, one or a list: the app's `client_id` there. Default: the issuer's `audience`.
    pub(crate) audience: Option<Placed<OneOrMany<String>>>,
    /// Session profiles whose users it logs in. Default: those of `[logout]`.
    pub(crate) sessions: Option<Placed<Vec<Placed<String>>>>,
    /// Attribute that holds the `sid` of the ID token that a session began with: a logout token that has a `sid` ends that one. Default: none, all
    /// sessions of its user end.
    pub(crate) sid: Option<Placed<String>>,
}

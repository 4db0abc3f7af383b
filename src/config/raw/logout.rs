//! `[logout]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw::value::Placed;

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
}

//! `[admin]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::Role;
use crate::config::raw::Named;
use crate::config::raw::value::{Placed, SecretRef};

/// The listener for operators.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAdmin {
    /// Address to listen on for operators and their commands. Default: `"127.0.0.1:9901"`; tokens cross it unencrypted, so anything
    /// but loopback belongs behind TLS.
    #[schemars(extend("default" = "127.0.0.1:9901"))]
    pub(crate) listen: Option<Placed<String>>,
    /// Names that it may be called by, beside `localhost` and addresses; other names are refused, since any page's host name can be
    /// made to lead here. Default: none.
    #[schemars(extend("default" = []))]
    pub(crate) hosts: Option<Vec<Placed<String>>>,
    /// Who may call, by a name of your own, which the log says of each change; without one the API is off.
    #[serde(default)]
    pub(crate) tokens: Named<RawAdminToken>,
}

/// One who may call.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAdminToken {
    /// What is shown as `Authorization: Bearer`, as a reference. Required; 20 characters or more, as `openssl rand -hex 32` makes them.
    pub(crate) token: Placed<SecretRef>,
    /// What it is good for: to look (`read`), to end sessions too (`revoke`), to change keys too (`keys`), or everything (`all`).
    /// Required.
    pub(crate) role: Placed<Role>,
}

//! `[state]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw::value::Placed;

/// What the gateway itself keeps in a Redis.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawState {
    /// The store to keep it in. It must be writable and never evict: what an app's cache drops for want of memory would
    /// be lost logins. Default: the only store there is.
    pub(crate) store: Option<Placed<String>>,
    /// What every key of ours begins with. Default: `"cloakroom:"`; give two gateways that share a Redis and nothing
    /// else one each.
    #[schemars(extend("default" = "cloakroom:"))]
    pub(crate) prefix: Option<Placed<String>>,
}

//! `[upstreams.X]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw::value::{DurationText, Placed};

/// One service behind the gateway.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawUpstream {
    /// Its processes, as `["http://127.0.0.1:3001"]`; `https://` checks the certificate. Required.
    pub(crate) endpoints: Placed<Vec<Placed<String>>>,
    /// Sent as `Host` instead of the client's. Default: the client's Host, unchanged.
    pub(crate) host: Option<Placed<String>>,
    /// How long to wait for the service.
    pub(crate) timeouts: Option<Placed<RawTimeouts>>,
}

/// How long to wait for a service.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTimeouts {
    /// Connecting, TCP and TLS together. Default: 2s.
    #[schemars(extend("default" = "2s"))]
    pub(crate) connect: Option<Placed<DurationText>>,
    /// From the last byte of the request to the head of the response. Default: 60s.
    #[schemars(extend("default" = "60s"))]
    pub(crate) first_byte: Option<Placed<DurationText>>,
    /// How long a pooled connection may wait for its next request. Default: 4s; keep it below the service's own
    /// keep-alive (Node closes at 5s).
    #[schemars(extend("default" = "4s"))]
    pub(crate) idle: Option<Placed<DurationText>>,
}

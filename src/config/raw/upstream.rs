//! `[upstreams.X]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw::headers::RawHeaderRules;
use crate::config::raw::value::{DurationText, Placed};
use crate::config::{Balance, ProxyVersion};

/// One service behind the gateway.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawUpstream {
    /// Its processes, as `["http://127.0.0.1:3001"]`; `https://` checks the certificate and speaks HTTP/2 where the service
    /// does, `h2c://` is HTTP/2 without TLS, `unix:/run/app.sock` is a socket. Required.
    pub(crate) endpoints: Placed<Vec<Placed<String>>>,
    /// Sent as `Host` instead of the client's. Default: the client's Host, unchanged.
    pub(crate) host: Option<Placed<String>>,
    /// PEM file with the certificate authorities to trust for `https://`. Default: the system's.
    pub(crate) ca: Option<Placed<String>>,
    /// PEM file with our certificate and its chain, for a service that asks for one. Default: none.
    pub(crate) client_cert: Option<Placed<String>>,
    /// PEM file with the key of `client_cert`. Default: none.
    pub(crate) client_key: Option<Placed<String>>,
    /// The name that its certificate must have, and that is sent in the handshake. Default: the endpoint's own host.
    pub(crate) server_name: Option<Placed<String>>,
    /// Whether HTTP/2 is offered to `https://` endpoints; gRPC takes it. Default: true.
    #[schemars(extend("default" = true))]
    pub(crate) http2: Option<Placed<bool>>,
    /// Which of several endpoints a request goes to: the less busy of two chosen by lot (`least-request`), each in turn
    /// (`round-robin`), or always the same for a session (`hash-session`; requests without one as `least-request`).
    /// Default: `"least-request"`.
    #[schemars(extend("default" = "least-request"))]
    pub(crate) balance: Option<Placed<Balance>>,
    /// Begin each connection with a PROXY protocol header of this version, `"v1"` or `"v2"`, that says who the client is. Then
    /// clients do not share connections, so there are many more of them. Default: none.
    pub(crate) proxy_protocol: Option<Placed<ProxyVersion>>,
    /// How long to wait for the service.
    pub(crate) timeouts: Option<Placed<RawTimeouts>>,
    /// How much of it there may be at once.
    pub(crate) limits: Option<Placed<RawUpstreamLimits>>,
    /// When an endpoint that fails is left alone, if there are others; never more than half of them.
    pub(crate) ejection: Option<Placed<RawEjection>>,
    /// How its endpoints are asked whether they work. Default: they are not.
    pub(crate) health: Option<Placed<RawHealth>>,
    /// What is done to the headers of requests to it. Reserved names, and those that belong to the message itself or hold
    /// cookies, are refused. Default: nothing.
    pub(crate) request_headers: Option<Placed<RawHeaderRules>>,
    /// What is done to the headers of its answers; not of our own. Default: nothing.
    pub(crate) response_headers: Option<Placed<RawHeaderRules>>,
}

/// How endpoints are asked whether they work.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHealth {
    /// What is asked for, by GET without any credentials; 2xx and 3xx pass. Required.
    pub(crate) path: Placed<String>,
    /// From one check to the next. Default: 5s.
    #[schemars(extend("default" = "5s"))]
    pub(crate) interval: Option<Placed<DurationText>>,
    /// How long an answer may take, connecting included. Default: 2s.
    #[schemars(extend("default" = "2s"))]
    pub(crate) timeout: Option<Placed<DurationText>>,
    /// Failed checks in a row after which an endpoint gets no requests, unless none passes. Default: 2.
    #[schemars(extend("default" = 2))]
    pub(crate) failures: Option<Placed<u32>>,
    /// Passed checks in a row after which it gets them again. Default: 2.
    #[schemars(extend("default" = 2))]
    pub(crate) passes: Option<Placed<u32>>,
}

/// How much of a service there may be at once.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawUpstreamLimits {
    /// Most connections to one endpoint, over all workers; WebSockets count. Default: 20000, below the 28000 ports that
    /// Linux has towards one address; set it to what the service can work on at once.
    #[schemars(extend("default" = 20000))]
    pub(crate) connections: Option<Placed<u32>>,
    /// Most requests that wait for a connection, over all workers; one more is told 503 at once. Default: 1024.
    #[schemars(extend("default" = 1024))]
    pub(crate) queue: Option<Placed<u32>>,
    /// How long a request waits for a connection before it is told 503; 5 ms where others have waited all this time. Default: 1s.
    #[schemars(extend("default" = "1s"))]
    pub(crate) wait: Option<Placed<DurationText>>,
    /// How long its answers may take to begin, on average, before it is asked less at once; the rest is told 503. Default: `"none"`,
    /// however long; twice what they take when it has little to do.
    #[schemars(extend("default" = "none"))]
    pub(crate) latency: Option<Placed<DurationText>>,
}

/// When an endpoint that fails is left alone.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawEjection {
    /// Failures in a row: no connection, no answer in time, or none that is HTTP. An answer is none, whatever its
    /// status. Default: 5; 0 turns it off.
    #[schemars(extend("default" = 5))]
    pub(crate) failures: Option<Placed<u32>>,
    /// How long it is left alone the first time; twice as long each time that it fails again at once, up to 5m.
    /// Default: 5s.
    #[schemars(extend("default" = "5s"))]
    pub(crate) time: Option<Placed<DurationText>>,
    /// How long its share of the requests grows afterwards, until it is like the others. Default: 10s.
    #[schemars(extend("default" = "10s"))]
    pub(crate) slow_return: Option<Placed<DurationText>>,
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

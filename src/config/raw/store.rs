//! `[stores.X]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::Freshness;
use crate::config::raw::value::{DurationText, Placed, RawOutage, SecretRef, SizeText, UrlRef};

/// One Redis that holds the app's sessions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawStore {
    /// Where it is: `redis://host:port/database`, `redis+unix:///path?db=0`, `redis+sentinel://host,host/service/database`,
    /// `redis+cluster://host,host`, with `rediss` instead of `redis` for TLS, or `memory:` for the demo and tests; or a
    /// reference such as `{ env = "REDIS_URL" }` if it holds a password. Required.
    pub(crate) url: Placed<UrlRef>,
    /// Longest wait for one read, connecting included. Default: 100ms; raise it for a Redis in another zone.
    #[schemars(extend("default" = "100ms"))]
    pub(crate) timeout: Option<Placed<DurationText>>,
    /// The longest a revoked session may still be honoured, even if Redis is cut off; usually it is milliseconds.
    /// Default: 2s; from 200ms to 1h; a longer one rides out longer breaks in the network.
    #[schemars(extend("default" = "2s"))]
    pub(crate) revocation_bound: Option<Placed<DurationText>>,
    /// Whether sessions are cached and revoked by Redis' own messages (`lease`), or read on every request (`strict`).
    /// Default: `"lease"`; a route may differ.
    #[schemars(extend("default" = "lease"))]
    pub(crate) freshness: Option<Placed<Freshness>>,
    /// What a request gets while Redis cannot be asked: 503 (`deny`), treatment as anonymous where the route is
    /// optional (`anonymous`), or, for so long, what was known of its session (`{ serve_known = "30s" }`, which a
    /// revocation then takes longer by). Default: `"deny"`; a route may differ.
    #[schemars(extend("default" = "deny"))]
    pub(crate) outage: Option<Placed<RawOutage>>,
    /// Longest session record; larger ones are rejected as undecodable. Default: 256KiB.
    #[schemars(extend("default" = "256KiB"))]
    pub(crate) value_bytes: Option<Placed<SizeText>>,
    /// The user to log in to Redis as, before the one in the URL. Default: the URL's.
    pub(crate) username: Option<Placed<String>>,
    /// The password to log in with, as a reference, before the one in the URL. Default: the URL's.
    pub(crate) password: Option<Placed<SecretRef>>,
    /// The user to log in to the sentinels as. Default: none.
    pub(crate) sentinel_username: Option<Placed<String>>,
    /// The password for the sentinels, as a reference; they do not get the other. Default: none.
    pub(crate) sentinel_password: Option<Placed<SecretRef>>,
    /// Whether the sentinels speak TLS; trusted and shown is the same as for Redis. Default: as the scheme says.
    pub(crate) sentinel_tls: Option<Placed<bool>>,
    /// PEM file with the certificate authorities to trust for TLS. Default: the system's.
    pub(crate) ca: Option<Placed<String>>,
    /// PEM file with our certificate and its chain, for a Redis that asks for one. Default: none.
    pub(crate) client_cert: Option<Placed<String>>,
    /// PEM file with the key of `client_cert`. Default: none.
    pub(crate) client_key: Option<Placed<String>>,
}

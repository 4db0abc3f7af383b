//! `[server]`, `[internal]` and `[csrf]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw::edge::{RawAcme, RawClientCertificates, RawHsts, RawRedirectHttp};
use crate::config::raw::value::{DurationText, Placed, SizeText};

/// The public listener and what every request is held to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawServer {
    /// Addresses to listen on for clients. Default: `["127.0.0.1:8080"]`; `"[::]:8080"` is all interfaces.
    #[schemars(extend("default" = ["127.0.0.1:8080"]))]
    pub(crate) listen: Option<Placed<Vec<Placed<String>>>>,
    /// How many worker threads, each with its own connections. Default: 0, one per core; set it where the gateway
    /// shares its machine.
    #[schemars(extend("default" = 0))]
    pub(crate) workers: Option<Placed<u32>>,
    /// Networks whose `Forwarded` and `X-Forwarded-*` are believed, as `10.0.0.0/8`. `Forwarded` only counts where none
    /// of the others is there: a proxy that writes it must remove a client's own `X-Forwarded-*`. Default: none; name
    /// the load balancer in front of the gateway, and nothing wider.
    #[schemars(extend("default" = []))]
    pub(crate) trusted_proxies: Option<Vec<Placed<String>>>,
    /// Whether every connection begins with a PROXY protocol header, version 1 or 2, that says who the client is. It is
    /// believed from `trusted_proxies` only, and whoever else connects, or sends none, is cut off. Default: false.
    #[schemars(extend("default" = false))]
    pub(crate) proxy_protocol: Option<Placed<bool>>,
    /// More header names that services trust and clients must never set, as `x-user-*`; they are removed from every
    /// request, beside those always reserved. Default: none.
    #[schemars(extend("default" = []))]
    pub(crate) reserved_headers: Option<Vec<Placed<String>>>,
    /// How far `iat` is set back in tokens, for services whose clocks are behind. Default: 5s.
    #[schemars(extend("default" = "5s"))]
    pub(crate) skew: Option<Placed<DurationText>>,
    /// The certificates to show to clients; with any, all addresses of `listen` speak TLS.
    #[serde(default)]
    pub(crate) certificates: Vec<Placed<RawCertificate>>,
    /// Certificates that the gateway orders and renews itself; with any, all addresses of `listen` speak TLS. Default: none.
    pub(crate) acme: Option<Placed<RawAcme>>,
    /// Who is asked for a certificate of its own (mutual TLS), and whose are good.
    #[serde(default)]
    pub(crate) client_certificates: Vec<Placed<RawClientCertificates>>,
    /// What browsers are told over TLS: to come by TLS only. Default: nothing.
    pub(crate) hsts: Option<Placed<RawHsts>>,
    /// A listener without TLS that sends whoever comes to where there is. Default: none.
    pub(crate) redirect_http: Option<Placed<RawRedirectHttp>>,
    /// How much a client may ask for.
    pub(crate) limits: Option<Placed<RawLimits>>,
}

impl RawServer {
    /// Whether the public listener speaks TLS.
    pub(crate) const fn speaks_tls(&self) -> bool {
        !self.certificates.is_empty() || self.acme.is_some()
    }
}

/// A certificate of the public listener. Clients choose it by the name they ask for, exact before `*.`; the first also serves those
/// that ask for none or for a name that nobody has.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCertificate {
    /// The PEM file with the certificate and, behind it, its chain. Required; its DNS names are those that it is chosen for.
    pub(crate) cert: Placed<String>,
    /// The PEM file with the private key of `cert`. Required; PKCS#8, PKCS#1 and SEC1 are read.
    pub(crate) key: Placed<String>,
}

/// How much a client may ask for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLimits {
    /// Longest request head, from the method to the empty line. Default: 32KiB; raise it for apps with large cookies.
    #[schemars(extend("default" = "32KiB"))]
    pub(crate) header_bytes: Option<Placed<SizeText>>,
    /// Most header fields in a request. Default: 100.
    #[schemars(extend("default" = 100))]
    pub(crate) headers: Option<Placed<u32>>,
    /// From the first byte of a request head to its last. Default: 10s.
    #[schemars(extend("default" = "10s"))]
    pub(crate) header_timeout: Option<Placed<DurationText>>,
    /// From accepting a connection to the end of its PROXY header and TLS handshake. Default: 5s.
    #[schemars(extend("default" = "5s"))]
    pub(crate) handshake_timeout: Option<Placed<DurationText>>,
    /// How long a client's connection may wait between two requests. Default: 60s; keep it above the idle timeout of
    /// a load balancer in front.
    #[schemars(extend("default" = "60s"))]
    pub(crate) idle_timeout: Option<Placed<DurationText>>,
    /// How long a request body may stand still. Default: 30s.
    #[schemars(extend("default" = "30s"))]
    pub(crate) body_timeout: Option<Placed<DurationText>>,
    /// How much of a request body must come in a second, on average; a client that is slower uses `body_timeout` up, and faster bytes
    /// fill it again. Default: 100B; `"none"` for uploads that trickle by design.
    #[schemars(extend("default" = "100B"))]
    pub(crate) body_rate: Option<Placed<SizeText>>,
    /// Longest request body; larger ones get 413. Default: `"none"`, no limit; a route may set its own.
    #[schemars(extend("default" = "none"))]
    pub(crate) body: Option<Placed<SizeText>>,
    /// Most client connections at once. Default: 20000; each costs two file descriptors.
    #[schemars(extend("default" = 20000))]
    pub(crate) connections: Option<Placed<u32>>,
    /// Memory for sessions that are held to be served without asking their store; those that nobody asks for make way. Default: 256MiB,
    /// about 150,000 sessions.
    #[schemars(extend("default" = "256MiB"))]
    pub(crate) session_memory: Option<Placed<SizeText>>,
    /// Memory of the whole process. Near it, clients that make us wait are let go within a second and no tunnel begins; next to it, new
    /// connections are closed and requests get 503. Default: three quarters of what the machine, or its container, has; `"none"`: no limit.
    pub(crate) memory: Option<Placed<SizeText>>,
    /// Most requests of one worker that may wait for their answer at once; more get 503 right away. Default: 10000.
    #[schemars(extend("default" = 10_000))]
    pub(crate) requests: Option<Placed<u32>>,
    /// How long what comes may have to wait for a worker's turn, all the time, before the worker lets in only as much as it can do; the
    /// rest gets 503 right away. Default: 25ms; `"none"`: however long.
    #[schemars(extend("default" = "25ms"))]
    pub(crate) delay: Option<Placed<DurationText>>,
    /// How long a shutdown waits for running requests and tunnels before it cuts them. Default: 30s; keep it below the
    /// grace period of the supervisor.
    #[schemars(extend("default" = "30s"))]
    pub(crate) drain_timeout: Option<Placed<DurationText>>,
}

/// The listener for services.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawInternal {
    /// Address to listen on for services; never expose it to clients. Default: `"127.0.0.1:9900"`.
    #[schemars(extend("default" = "127.0.0.1:9900"))]
    pub(crate) listen: Option<Placed<String>>,
}

/// What counts as the same site.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCsrf {
    /// Other origins whose pages may send requests with the session cookie, as `"https://app.example.com"`. Default:
    /// none; the gateway's own host needs no entry.
    #[schemars(extend("default" = []))]
    pub(crate) trusted_origins: Option<Vec<Placed<String>>>,
}

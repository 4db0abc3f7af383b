//! What `[upstreams.X]` says of its endpoints beside where they are.

use std::fmt;
use std::time::Duration;

use crate::config::{Endpoint, Secret};

/// How much of an upstream there may be at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamLimits {
    /// Connections to one endpoint, over all workers.
    pub connections: usize,
    /// Requests that wait for one, over all workers.
    pub queue: usize,
    /// How long one waits.
    pub wait: Duration,
    /// How long answers may take to begin, on average; `None`: however long.
    pub latency: Option<Duration>,
}

/// When an endpoint that fails is left alone, and how it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// Failures in a row that take it out; 0: none do.
    pub failures: u32,
    /// For how long, the first time.
    pub time: Duration,
    /// How long its share grows afterwards.
    pub slow_return: Duration,
}

/// How its endpoints are asked whether they work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Path and query of the request.
    pub path: String,
    /// From the end of one to the next.
    pub interval: Duration,
    /// For one, connecting included.
    pub timeout: Duration,
    /// Failures in a row that make an endpoint unhealthy.
    pub failures: u32,
    /// Passes in a row that make it well again.
    pub passes: u32,
}

/// How its `https://` endpoints are spoken to.
#[derive(Clone, Debug)]
pub struct UpstreamTls {
    /// PEM of the authorities to trust instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// PEM of what is shown to a server that asks: certificate with its chain, and its key.
    pub client: Option<(Vec<u8>, Secret)>,
    /// Whose certificate it must be, and the name that is sent, instead of the endpoint's.
    pub server_name: Option<String>,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
}

impl Default for UpstreamTls {
    fn default() -> Self {
        Self { ca: None, client: None, server_name: None, http2: true }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(socket) = &self.socket {
            return write!(f, "unix:{}", socket.display());
        }
        let scheme = match (self.tls, self.http2) {
            (true, _) => "https",
            (false, true) => "h2c",
            (false, false) => "http",
        };
        let (host, port) = (&self.host, self.port);
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

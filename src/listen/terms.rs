//! On what terms clients are received.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::server::conn::http1;
use ipnet::IpNet;

use crate::config::Limits;
use crate::listen::head::FIELDS_INLINE;
use crate::tls;

/// hyper's buffers hold at least this much; a longer head asks for more.
const BUFFER_BYTES_MIN: usize = 64 * 1024;

/// Whoever has not asked again by then is closed idle, which a request on its way would be lost by: clients that ask once in a while hear
/// of it in time.
const LAST_CALL_MAX: Duration = Duration::from_secs(5);

/// Limits and certificates. A reload replaces them as a whole, and a connection keeps those that it came under.
#[derive(Debug)]
pub struct Terms {
    pub(crate) limits: Arc<Limits>,
    pub(crate) http: http1::Builder,
    pub(crate) tls: Option<Arc<tls::Server>>,
    /// Who must say by a PROXY header whom it speaks for; `None`: nobody does.
    pub(crate) proxies: Option<Vec<IpNet>>,
    pub(crate) last_call: Duration,
}

impl Terms {
    /// These limits; TLS if there is any.
    pub fn new(limits: Limits, tls: Option<Arc<tls::Server>>) -> Self {
        Self { http: http(&limits), limits: Arc::new(limits), tls, proxies: None, last_call: Duration::ZERO }
    }

    /// The same, where each connection comes from one of `proxies` and begins with a PROXY header.
    pub fn behind(self, proxies: Vec<IpNet>) -> Self {
        Self { proxies: Some(proxies), ..self }
    }

    /// Whether anything is agreed on before the first request.
    pub(crate) const fn is_formal(&self) -> bool {
        self.tls.is_some() || self.proxies.is_some()
    }

    /// Whether a certificate names this host.
    pub fn serves(&self, host: &str) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.names(host))
    }

    /// The same for a port that another process listens on by now: for so long idle connections are told to go before they are closed.
    #[must_use]
    pub fn with_last_call(&self) -> Self {
        let last_call = LAST_CALL_MAX.min(self.limits.drain_timeout / 2);
        let (limits, http, tls) = (Arc::clone(&self.limits), self.http.clone(), self.tls.clone());
        Self { limits, http, tls, proxies: self.proxies.clone(), last_call }
    }

    /// The same, with so long for a drain.
    #[must_use]
    pub fn with_drain_timeout(&self, drain_timeout: Duration) -> Self {
        Self::new(Limits { drain_timeout, ..Limits::clone(&self.limits) }, self.tls.clone())
    }

    /// How long a drain may take.
    pub fn drain_timeout(&self) -> Duration {
        self.limits.drain_timeout
    }

    /// TLS, if it is spoken.
    pub const fn tls(&self) -> Option<&Arc<tls::Server>> {
        self.tls.as_ref()
    }

    /// The same, to be shared by workers and replaced.
    pub fn posted(self) -> Arc<ArcSwap<Self>> {
        Arc::new(ArcSwap::from_pointee(self))
    }
}

fn http(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    // The guard keeps all deadlines: hyper's own needs a timer and knows neither idle time nor a held-back head.
    http.header_read_timeout(None)
        .half_close(false)
        .keep_alive(true)
        .pipeline_flush(false)
        .max_buf_size(BUFFER_BYTES_MIN.max(limits.header_bytes.saturating_mul(2)));
    if limits.headers > FIELDS_INLINE {
        http.max_headers(limits.headers);
    }
    http
}

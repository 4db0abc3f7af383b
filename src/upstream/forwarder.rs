//! Sending requests to configured upstreams.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::Instant;

use crate::config::{self, ConfigError, UpstreamId};
use crate::request::Upgrade;
use crate::upstream::body::UpstreamBody;
use crate::upstream::connect::{Connector, system_tls};
use crate::upstream::error::UpstreamError;
use crate::upstream::exchange::{Deadlines, Failure, exchange};
use crate::upstream::outbound::Outbound;
use crate::upstream::pool::{Endpoint, Link};
use crate::upstream::tunnel::Tunnels;
use crate::upstream::upload::{Progress, Upload};
use crate::upstream::{hygiene, websocket};

/// One worker's way to all upstreams.
pub struct Forwarder {
    /// [`UpstreamId`] indexes it.
    upstreams: Vec<Balanced>,
    tunnels: Tunnels,
}

impl Forwarder {
    /// Makes ready for `upstreams`; nothing is connected yet. `tunnels` is shared by all workers.
    ///
    /// # Errors
    /// Every endpoint or host that cannot be used, and an `https://` endpoint on a system without root certificates.
    pub fn new(upstreams: &[config::Upstream], tunnels: Tunnels) -> Result<Self, Vec<ConfigError>> {
        let first_tls =
            upstreams.iter().find(|upstream| upstream.endpoints.iter().any(|endpoint| endpoint.tls));
        let tls =
            first_tls.map(|upstream| system_tls(upstream.at)).transpose().map_err(|mistake| vec![mistake])?;
        Self::with_tls(upstreams, tunnels, tls)
    }

    /// With these roots.
    pub(crate) fn with_tls(
        upstreams: &[config::Upstream],
        tunnels: Tunnels,
        tls: Option<Arc<rustls::ClientConfig>>,
    ) -> Result<Self, Vec<ConfigError>> {
        let mut mistakes = Vec::new();
        let upstreams = upstreams
            .iter()
            .filter_map(|upstream| Balanced::new(upstream, tls.as_ref(), &mut mistakes))
            .collect();
        if mistakes.is_empty() { Ok(Self { upstreams, tunnels }) } else { Err(mistakes) }
    }

    /// Sends, and returns once the head of the response is there. Must be called on the worker's own runtime, which runs
    /// the connections and tunnels.
    ///
    /// # Errors
    /// See [`UpstreamError`]; the request may have reached the upstream unless connecting failed.
    pub fn send(
        &self,
        outbound: Outbound,
        upstream: UpstreamId,
    ) -> impl Future<Output = Result<Response<UpstreamBody>, UpstreamError>> {
        let upstream = self.upstreams.get(upstream.0).expect("an id indexes the list this was made from");
        let total = outbound.total().map(|total| Instant::now() + total);
        let (request, upgrade) = outbound.into_request(upstream.host.as_ref());
        self.send_by(upstream, request, upgrade, total)
    }

    async fn send_by(
        &self,
        upstream: &Balanced,
        request: Box<Request<Upload>>,
        upgrade: Option<Upgrade>,
        total: Option<Instant>,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        if request.body().is_too_large() {
            return Err(UpstreamError::ClientBody(crate::request::ParseError::BodyTooLarge));
        }
        let deadlines = Deadlines { first_byte: upstream.first_byte, total };
        let (response, link, endpoint) = upstream.deliver(request, upgrade.is_some(), deadlines).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return self.switch(response, upgrade);
        }
        hygiene::check_length(response.headers())?;
        endpoint.put_back(link);
        let (mut head, body) = response.into_parts();
        // Ours is the next hop's version; a 1.0 upstream must not cost the client its connection or its chunks.
        head.version = http::Version::HTTP_11;
        hygiene::clean(&mut head.headers);
        Ok(Response::from_parts(head, UpstreamBody::new(body, total)))
    }

    /// Turns the exchange into a tunnel, if it may be one. On any error both ends are dropped, hence closed.
    fn switch(
        &self,
        mut response: Response<Incoming>,
        upgrade: Option<Upgrade>,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        let Some(upgrade) = upgrade else { return Err(UpstreamError::UnaskedUpgrade) };
        if !websocket::is_accepted(response.headers(), &upgrade.accept) {
            return Err(UpstreamError::BadUpgrade);
        }
        let upstream = hyper::upgrade::on(&mut response);
        let (mut head, body) = response.into_parts();
        head.version = http::Version::HTTP_11;
        websocket::answer(&mut head.headers);
        let tunnel = self.tunnels.open(upgrade.client, upstream);
        Ok(Response::from_parts(head, UpstreamBody::before(tunnel, body)))
    }

    /// Puts a connection into the first pool.
    #[cfg(test)]
    pub(crate) fn adopt(&self, link: Link) {
        self.upstreams[0].endpoints[0].put_back(link);
    }

    /// Whether a waiting connection is not yet known to be closed.
    #[cfg(test)]
    pub(crate) fn has_open(&self) -> bool {
        self.upstreams.iter().flat_map(|upstream| &upstream.endpoints).any(|endpoint| endpoint.has_open())
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.upstreams
            .iter()
            .flat_map(|upstream| &upstream.endpoints)
            .map(|endpoint| endpoint.waiting())
            .sum()
    }
}

impl std::fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Forwarder({} upstreams)", self.upstreams.len())
    }
}

/// An upstream and its endpoints, in turn.
struct Balanced {
    endpoints: Vec<Rc<Endpoint>>,
    next: Cell<usize>,
    host: Option<HeaderValue>,
    first_byte: Duration,
}

impl Balanced {
    fn new(
        upstream: &config::Upstream,
        tls: Option<&Arc<rustls::ClientConfig>>,
        mistakes: &mut Vec<ConfigError>,
    ) -> Option<Self> {
        let before = mistakes.len();
        let host = upstream.host.as_ref().map(|host| HeaderValue::try_from(host).map_err(|_| host));
        let host = host.transpose().map_err(|host| {
            let key = format!("upstreams.{}.host", upstream.name);
            mistakes.push(ConfigError::new(
                upstream.at,
                key,
                format!("`{host}`"),
                "a host name, with or without a port",
            ));
        });
        let endpoints = upstream
            .endpoints
            .iter()
            .filter_map(|endpoint| match Connector::new(upstream, endpoint, tls) {
                Ok(connector) => Some(Endpoint::new(connector, upstream.idle_timeout)),
                Err(mistake) => {
                    mistakes.push(mistake);
                    None
                }
            })
            .collect();
        (mistakes.len() == before).then(|| Self {
            endpoints,
            next: Cell::new(0),
            host: host.ok().flatten(),
            first_byte: upstream.first_byte_timeout,
        })
    }

    /// Sends once, and once more where that is safe.
    async fn deliver(
        &self,
        request: Box<Request<Upload>>,
        upgrades: bool,
        deadlines: Deadlines,
    ) -> Result<(Response<Incoming>, Link, &Rc<Endpoint>), UpstreamError> {
        let progress = request.body().progress();
        let now = Instant::now();
        let (mut link, endpoint, sent) = match self.waiting(now) {
            Some((link, endpoint)) => (link, endpoint, now),
            None => {
                let (link, endpoint) = Box::pin(self.connect(self.turn())).await?;
                (link, endpoint, Instant::now())
            }
        };
        let again = (link.reused && !upgrades).then(|| Repeat::of(&request, &mut link)).flatten();
        match exchange(&mut link, request, deadlines, sent).await {
            Ok(response) => Ok((response, link, endpoint)),
            Err(Failure::Late(error)) => Err(error),
            Err(Failure::Broken(failed)) => {
                let tried = Tried { failed, again, link, progress };
                Box::pin(self.deliver_again(tried, deadlines)).await
            }
        }
    }

    /// Sends once more on a new connection, if the first try reached nobody or may be repeated. Boxed by its caller, as
    /// connecting is: a request's future is moved as a whole when it starts, and these are its rare and largest parts.
    async fn deliver_again(
        &self,
        tried: Tried,
        deadlines: Deadlines,
    ) -> Result<(Response<Incoming>, Link, &Rc<Endpoint>), UpstreamError> {
        let Tried { mut failed, again, link, progress } = tried;
        if let Some(fault) = progress.as_ref().and_then(|progress| progress.fault()) {
            return Err(UpstreamError::ClientBody(fault));
        }
        let unsent = failed.take_message().map(Box::new);
        let request = unsent.or_else(|| Some(again.filter(|_| link.turn.is_silent())?.request(&link)));
        let Some(request) = request else { return Err(UpstreamError::from_exchange(failed.into_error())) };
        drop(link);
        let (mut link, endpoint) = self.connect(self.turn()).await?;
        match exchange(&mut link, request, deadlines, Instant::now()).await {
            Ok(response) => Ok((response, link, endpoint)),
            Err(Failure::Late(error)) => Err(error),
            Err(Failure::Broken(failed)) => Err(match progress.and_then(|progress| progress.fault()) {
                Some(fault) => UpstreamError::ClientBody(fault),
                None => UpstreamError::from_exchange(failed.into_error()),
            }),
        }
    }

    /// A waiting connection of the endpoint whose turn it is; if it has none, it is its turn again.
    fn waiting(&self, now: Instant) -> Option<(Link, &Rc<Endpoint>)> {
        let at = self.next.get();
        let endpoint = self.turn();
        let link = endpoint.checkout(now);
        if link.is_none() {
            self.next.set(at);
        }
        Some((link?, endpoint))
    }

    /// Connects; if that fails, the next endpoint gets one chance.
    async fn connect<'a>(
        &'a self,
        endpoint: &'a Rc<Endpoint>,
    ) -> Result<(Link, &'a Rc<Endpoint>), UpstreamError> {
        let failed = match endpoint.connect().await {
            Ok(link) => return Ok((link, endpoint)),
            Err(failed) => failed,
        };
        let other = self.turn();
        if Rc::ptr_eq(other, endpoint) {
            return Err(failed);
        }
        Ok((other.connect().await?, other))
    }

    fn turn(&self) -> &Rc<Endpoint> {
        let at = self.next.get();
        self.next.set((at + 1) % self.endpoints.len().max(1));
        self.endpoints.get(at).expect("a configured upstream has an endpoint")
    }
}

/// A first try that got no answer.
struct Tried {
    failed: Box<TrySendError<Request<Upload>>>,
    again: Option<Repeat>,
    link: Link,
    progress: Option<Rc<Progress>>,
}

/// A request that may be sent again although it was sent: idempotent, without a body, on a connection that served before.
struct Repeat {
    method: Method,
    uri: Uri,
}

impl Repeat {
    fn of(request: &Request<Upload>, link: &mut Link) -> Option<Self> {
        if !request.method().is_idempotent() || !request.body().is_end_stream() {
            return None;
        }
        link.copy.keep(request.headers());
        Some(Self { method: request.method().clone(), uri: request.uri().clone() })
    }

    fn request(self, link: &Link) -> Box<Request<Upload>> {
        let mut request = Box::new(Request::new(Upload::none()));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = link.copy.restore();
        request
    }
}

//! Where requests go into a connection, whichever protocol it speaks.

use std::cell::Cell;
use std::rc::Rc;

use http::header::{CONNECTION, HOST, SEC_WEBSOCKET_KEY, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::ext::Protocol;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::request::is_grpc;
use crate::upstream::introduction::Introduction;
use crate::upstream::upload::Upload;
use crate::upstream::websocket;

/// One end of a connection.
pub(crate) enum Sender {
    /// For one request at a time.
    Http1(http1::SendRequest<Upload>),
    /// For many.
    Http2(Rc<Multiplexed>),
}

/// An HTTP/2 connection, shared by its streams: whoever holds it keeps it open.
pub(crate) struct Multiplexed {
    sender: http2::SendRequest<Upload>,
    terms: Rc<Terms>,
    /// Of the connection; servers compare it.
    scheme: Scheme,
    used: Cell<Instant>,
    introduction: Option<Rc<Introduction>>,
}

/// What an upstream has said of an HTTP/2 connection; the connection's driver keeps it.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    /// Most streams that it takes at once.
    streams_max: Cell<usize>,
    /// Whether a stream may become a tunnel (RFC 8441 §3), once that is known.
    tunnels: Cell<Option<bool>>,
    said: Notify,
}

impl Terms {
    /// They are these by now.
    pub(crate) fn set(&self, streams_max: usize, tunnels: Option<bool>) {
        self.streams_max.set(streams_max);
        if self.tunnels.replace(tunnels) != tunnels {
            self.said.notify_waiters();
        }
    }

    /// Whether a stream may become a tunnel, as soon as the upstream has said so.
    async fn tunnels(&self) -> bool {
        loop {
            if let Some(tunnels) = self.tunnels.get() {
                return tunnels;
            }
            self.said.notified().await;
        }
    }
}

/// The key of a WebSocket handshake, which HTTP/2 does without.
#[derive(Clone)]
struct Key(HeaderValue);

impl Multiplexed {
    /// A new one, made on this behalf.
    pub(crate) fn new(
        sender: http2::SendRequest<Upload>,
        terms: Rc<Terms>,
        scheme: Scheme,
        introduction: Option<Rc<Introduction>>,
    ) -> Rc<Self> {
        Rc::new(Self { sender, terms, scheme, used: Cell::new(Instant::now()), introduction })
    }

    /// On whose behalf it was made, if its upstream was told.
    pub(crate) fn introduction(&self) -> Option<&Rc<Introduction>> {
        self.introduction.as_ref()
    }

    /// Whether it will take no more requests.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether a stream may become a tunnel, once that is known.
    pub(crate) fn tunnels(&self) -> Option<bool> {
        self.terms.tunnels.get()
    }

    /// The same, waited for.
    pub(crate) async fn tunnels_said(&self) -> bool {
        self.terms.tunnels().await
    }

    /// One more stream, if there may be one.
    pub(crate) fn join(self: &Rc<Self>, now: Instant) -> Option<Rc<Self>> {
        if self.is_closed() || self.streams() >= self.terms.streams_max.get() {
            return None;
        }
        self.used.set(now);
        Some(Rc::clone(self))
    }

    /// How many streams hold it; the pool is the one that does not count.
    pub(crate) fn streams(self: &Rc<Self>) -> usize {
        Rc::strong_count(self).saturating_sub(1)
    }

    /// When a stream last began.
    pub(crate) fn used(&self) -> Instant {
        self.used.get()
    }
}

impl std::fmt::Debug for Multiplexed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Multiplexed")
    }
}

impl Sender {
    /// Whether it will take no more requests.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_closed(),
            Self::Http2(shared) => shared.is_closed(),
        }
    }

    /// Whether it takes one now.
    pub(crate) fn is_ready(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_ready(),
            Self::Http2(shared) => !shared.is_closed(),
        }
    }

    /// The connection, if it has other streams too.
    pub(crate) fn shared(&self) -> Option<Rc<Multiplexed>> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(shared) => Some(Rc::clone(shared)),
        }
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        &mut self,
        mut request: Box<Request<Upload>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Upload>>> {
        match self {
            Self::Http1(sender) => {
                if request.version() == Version::HTTP_2 {
                    say_in_http1(&mut request);
                }
                sender.try_send_request(*request).await
            }
            Self::Http2(shared) => {
                say_in_http2(&mut request, &shared.scheme);
                shared.sender.clone().try_send_request(*request).await
            }
        }
    }
}

/// Says in HTTP/2 what was made ready for HTTP/1.1: Host becomes `:authority`, the framing goes. gRPC's servers ask that
/// trailers be welcome. A WebSocket handshake becomes an extended CONNECT (RFC 8441).
fn say_in_http2(request: &mut Request<Upload>, scheme: &Scheme) {
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().remove(TRANSFER_ENCODING);
    if is_grpc(request.headers()) {
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    }
    if request.headers_mut().remove(UPGRADE).is_some() {
        request.headers_mut().remove(CONNECTION);
        let key = request.headers_mut().remove(SEC_WEBSOCKET_KEY);
        if let Some(key) = key {
            request.extensions_mut().insert(Key(key));
        }
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        *request.method_mut() = Method::CONNECT;
    }
    let host = request.headers_mut().remove(HOST);
    let Some(authority) = host.and_then(|host| Authority::try_from(host.as_bytes()).ok()) else { return };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(scheme.clone());
    parts.authority = Some(authority);
    parts.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// Takes that back, for an endpoint that agreed to HTTP/2 and, on the next connection, does not.
fn say_in_http1(request: &mut Request<Upload>) {
    *request.version_mut() = Version::HTTP_11;
    request.headers_mut().remove(TE);
    request.extensions_mut().remove::<Protocol>();
    if let Some(Key(key)) = request.extensions_mut().remove() {
        *request.method_mut() = Method::GET;
        request.headers_mut().insert(SEC_WEBSOCKET_KEY, key);
        websocket::ask(request.headers_mut());
    }
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = None;
    if let Some(host) = parts.authority.take().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        request.headers_mut().insert(HOST, host);
    }
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_becomes_the_authority_and_the_framing_goes() {
        let mut request = Request::builder()
            .uri("/p.S/M?q")
            .header("host", "gw.test:81")
            .header("transfer-encoding", "chunked")
            .header("content-type", "application/grpc+proto")
            .body(Upload::none())
            .unwrap();
        // Twice: a request that comes back unsent goes out again.
        for _ in 0..2 {
            say_in_http2(&mut request, &Scheme::HTTPS);
            assert_eq!(request.uri(), "https://gw.test:81/p.S/M?q");
            assert_eq!(request.headers().len(), 2);
            assert_eq!(request.headers()["te"], "trailers");
        }
        say_in_http1(&mut request);
        assert_eq!((request.uri().to_string().as_str(), request.version()), ("/p.S/M?q", Version::HTTP_11));
        assert_eq!(
            (&request.headers()["host"], request.headers().len()),
            (&"gw.test:81".parse().unwrap(), 2)
        );
    }
}

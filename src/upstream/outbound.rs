//! A request that is ready to leave.

use std::rc::Rc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST, TRAILER, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Version};
use http_body::Body;
use hyper::body::Incoming;

use crate::listen::Pace;
use crate::request::{Stripped, Upgrade, is_grpc};
use crate::upstream::balance::number_of;
use crate::upstream::introduction::Introduction;
use crate::upstream::upload::Upload;
use crate::upstream::websocket;

/// A clean request and what it is held to on its way.
#[derive(Debug)]
pub struct Outbound {
    head: Parts,
    body: Incoming,
    upgrade: Option<Upgrade>,
    body_limit: Option<u64>,
    pace: Option<Pace>,
    total: Option<Duration>,
    session: Option<u64>,
    introduction: Option<Rc<Introduction>>,
}

impl Outbound {
    /// Sends `stripped` with at most `body_limit` bytes of body, within `total` from the first byte out to the last byte
    /// back. Tunnels know no `total`.
    pub fn new(stripped: Stripped, body_limit: Option<u64>, total: Option<Duration>) -> Self {
        let (head, body, upgrade) = stripped.into_parts();
        Self { head, body, upgrade, body_limit, pace: None, total, session: None, introduction: None }
    }

    /// Sets a field of the gateway's own; whatever a client sent under that name was stripped.
    pub fn set(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.head.headers.insert(name.clone(), value.clone());
    }

    /// Holds an HTTP/2 client to this pace in sending its body; for others `listen` does.
    pub fn hold_to(&mut self, pace: Pace) {
        self.pace = (self.head.version == Version::HTTP_2).then_some(pace);
    }

    /// Names the session it belongs to, for upstreams that keep a session at one endpoint.
    pub fn keep_with(&mut self, session: &str) {
        self.session = Some(number_of(session));
    }

    /// Names both ends of the client's connection, for upstreams that want to be told.
    pub fn introduce(&mut self, introduction: Introduction) {
        self.introduction = Some(Rc::new(introduction));
    }

    pub(crate) fn take_introduction(&mut self) -> Option<Rc<Introduction>> {
        self.introduction.take()
    }

    pub(crate) fn session(&self) -> Option<u64> {
        self.session
    }

    pub(crate) fn total(&self) -> Option<Duration> {
        self.total
    }

    /// The message for hyper, and the handshake if it is one. `host` goes before the client's. `streams` says whether calls of gRPC may
    /// go there: those are silent for as long as they like. Boxed, so that the futures it passes through stay small: each is moved
    /// when it starts.
    pub(crate) fn into_request(
        mut self,
        host: Option<&HeaderValue>,
        streams: bool,
    ) -> (Box<Request<Upload>>, Option<Upgrade>) {
        // Whatever the client spoke, this hop speaks 1.1; and nothing the server side hung on the request may act here.
        let spoken = std::mem::replace(&mut self.head.version, Version::HTTP_11);
        self.head.extensions.clear();
        if let Some(host) = host {
            self.head.headers.insert(HOST, host.clone());
        }
        frame(&mut self.head, spoken, &self.body);
        if self.upgrade.is_some() {
            websocket::ask(&mut self.head.headers);
        }
        let pace = self.pace.filter(|_| !(streams && is_grpc(&self.head.headers)));
        let request = Request::from_parts(self.head, Upload::new(self.body, self.body_limit, pace));
        (Box::new(request), self.upgrade)
    }
}

/// Exactly one framing, made from what hyper read: the client's Content-Length where there is one (hyper puts it back from
/// the body's size if it was lost), else chunked, said aloud since hyper would drop a chunked body of a GET. HTTP/2 says by a
/// flag that nothing follows; in HTTP/1.1 a method that usually has content says it (RFC 9110 §8.6), or gets 411.
fn frame(head: &mut Parts, spoken: Version, body: &Incoming) {
    head.headers.remove(TRANSFER_ENCODING);
    if body.is_end_stream() {
        let usual = matches!(head.method, Method::POST | Method::PUT | Method::PATCH);
        if usual && spoken == Version::HTTP_2 && !head.headers.contains_key(CONTENT_LENGTH) {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        return;
    }
    if body.size_hint().exact().is_some() {
        return;
    }
    head.headers.remove(CONTENT_LENGTH);
    head.headers.remove(TRAILER);
    head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
}

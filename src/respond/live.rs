//! An answer that may go on longer than the session it was given to.

use crate::upstream::{Goodbye, Tunnel, UpstreamBody};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A body that is longer, or does not say how long it is, has no known short end.
const SHORT_BYTES: u64 = 1024 * 1024;
/// gRPC's UNAUTHENTICATED.
const UNAUTHENTICATED: HeaderValue = HeaderValue::from_static("16");
static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The end of an answer, in the hands of whoever may have to bring it about. Belongs to the worker.
#[derive(Clone)]
pub struct Stream(Rc<State>);

/// The client's end.
pub struct LiveBody(Rc<State>);

struct State {
    kind: Kind,
    /// Taken out and dropped, and with it the connection to the upstream, when the stream is closed.
    body: RefCell<Option<UpstreamBody>>,
    closed: Cell<bool>,
    /// Whether the client has been told.
    told: Cell<bool>,
    over: Cell<bool>,
    reader: RefCell<Option<Waker>>,
}

/// How a client can be told that there is no more.
enum Kind {
    /// `text/event-stream`: it has no end of its own, so the end of the body is one. The client comes again, and is judged anew.
    Events,
    /// gRPC: by its trailers.
    Grpc,
    /// Anything else: a part must not pass for the whole, so the connection is cut.
    Opaque,
    /// By a close frame.
    Tunnel(Tunnel),
}

/// What the reader of a body that is cut sees.
#[derive(Clone, Copy, Debug)]
pub struct SessionOver;

/// Whether an answer may go on for longer than a request usually does.
pub fn goes_on(response: &Response<UpstreamBody>) -> bool {
    response.status() == StatusCode::SWITCHING_PROTOCOLS
        || response.body().size_hint().exact().is_none_or(|bytes| bytes > SHORT_BYTES)
}

impl Stream {
    /// Takes hold of an answer that goes on.
    pub fn hold(response: Response<UpstreamBody>) -> (Self, Response<LiveBody>) {
        let (head, body) = response.into_parts();
        let kind = match body.tunnel() {
            Some(tunnel) => Kind::Tunnel(tunnel.clone()),
            None => Kind::of(&head.headers, &body),
        };
        let state = Rc::new(State {
            kind,
            body: RefCell::new(Some(body)),
            closed: Cell::new(false),
            told: Cell::new(false),
            over: Cell::new(false),
            reader: RefCell::new(None),
        });
        (Self(Rc::clone(&state)), Response::from_parts(head, LiveBody(state)))
    }

    /// Ends it. Nothing that comes after from the upstream reaches the client.
    pub fn close(&self, goodbye: Goodbye) {
        self.0.closed.set(true);
        match &self.0.kind {
            Kind::Tunnel(tunnel) => tunnel.close(goodbye),
            Kind::Events | Kind::Grpc | Kind::Opaque => {
                // In steps: what is dropped here wakes others.
                let body = self.0.body.borrow_mut().take();
                drop(body);
                let reader = self.0.reader.borrow_mut().take();
                if let Some(reader) = reader {
                    reader.wake();
                }
            }
        }
    }

    /// Whether it has ended, by whomever.
    pub fn is_over(&self) -> bool {
        match &self.0.kind {
            Kind::Tunnel(tunnel) => tunnel.is_over(),
            Kind::Events | Kind::Grpc | Kind::Opaque => self.0.over.get(),
        }
    }
}

impl Kind {
    fn of(headers: &HeaderMap, body: &UpstreamBody) -> Self {
        let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let starts =
            |with: &[u8]| kind.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
        // With a length, a body that ends before it is a broken one.
        match body.size_hint().exact() {
            None if starts(b"text/event-stream") => Self::Events,
            None if starts(b"application/grpc") => Self::Grpc,
            _ => Self::Opaque,
        }
    }
}

impl Body for LiveBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let state = &self.0;
        if let Some(body) = state.body.borrow_mut().as_mut() {
            let polled = Pin::new(body).poll_frame(cx).map_err(Into::into);
            if polled.is_pending() {
                keep(&mut state.reader.borrow_mut(), cx.waker());
            }
            return polled;
        }
        let first = !state.told.replace(true);
        Poll::Ready(match state.kind {
            Kind::Opaque => Some(Err(SessionOver.into())),
            Kind::Grpc if first => {
                Some(Ok(Frame::trailers(HeaderMap::from_iter([(GRPC_STATUS.clone(), UNAUTHENTICATED)]))))
            }
            Kind::Events | Kind::Grpc | Kind::Tunnel(_) => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        match self.0.body.borrow().as_ref() {
            Some(body) => body.is_end_stream(),
            None => matches!(self.0.kind, Kind::Events | Kind::Tunnel(_)),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.0.body.borrow().as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

/// Remembers whom to wake, without a clone if it is the same as before.
fn keep(place: &mut Option<Waker>, waker: &Waker) {
    match place {
        Some(kept) => kept.clone_from(waker),
        None => *place = Some(waker.clone()),
    }
}

impl Drop for LiveBody {
    fn drop(&mut self) {
        self.0.over.set(true);
    }
}

impl std::fmt::Debug for LiveBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LiveBody")
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream(closed: {})", self.0.closed.get())
    }
}

impl std::fmt::Display for SessionOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the session that the answer was for is over")
    }
}

impl Error for SessionOver {}

//! The upstream's body on its way to the client.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::upstream::error::UpstreamError;
use crate::upstream::pool::Busy;
use crate::upstream::sender::Multiplexed;
use crate::upstream::tunnel::Tunnel;

/// Trailers that may pass: gRPC's status, without which its clients cannot work. Any other could be merged into the
/// headers by a careless reader (RFC 9110 §6.5.1).
pub(crate) static TRAILERS: [HeaderName; 3] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
];

/// A response body as it arrives. It ends in an error, never cleanly, if the upstream breaks off or the route's total
/// time is over.
#[derive(Debug)]
pub struct UpstreamBody {
    incoming: Incoming,
    /// Only where the route limits the whole exchange.
    end: Option<Pin<Box<Sleep>>>,
    /// What goes on where this empty body ends.
    tunnel: Option<Tunnel>,
    /// Until it is over, its endpoint has something to do.
    _busy: Option<Busy>,
    /// The connection, where it carries others too: this stream counts among them.
    _shared: Option<Rc<Multiplexed>>,
}

impl UpstreamBody {
    pub(crate) fn new(
        incoming: Incoming,
        end: Option<Instant>,
        busy: Busy,
        shared: Option<Rc<Multiplexed>>,
    ) -> Self {
        let end = end.filter(|_| !incoming.is_end_stream()).map(|end| Box::pin(sleep_until(end)));
        Self { incoming, end, tunnel: None, _busy: Some(busy), _shared: shared }
    }

    /// The body of a 101, behind which `tunnel` begins.
    pub(crate) fn before(tunnel: Tunnel, incoming: Incoming) -> Self {
        Self { incoming, end: None, tunnel: Some(tunnel), _busy: None, _shared: None }
    }

    /// The tunnel behind it, if this is a 101's.
    pub const fn tunnel(&self) -> Option<&Tunnel> {
        self.tunnel.as_ref()
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        if self.end.as_mut().is_some_and(|end| end.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Some(Err(UpstreamError::TotalTimedOut)));
        }
        loop {
            let frame = match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(source)) => {
                    return Poll::Ready(Some(Err(UpstreamError::BrokenResponse { source })));
                }
                Some(Ok(frame)) => frame,
            };
            match frame.into_trailers() {
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
                Ok(trailers) => {
                    if let Some(trailers) = allowed(trailers) {
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

fn allowed(mut trailers: HeaderMap) -> Option<HeaderMap> {
    let mut kept = HeaderMap::new();
    for name in &TRAILERS {
        if let Some(value) = trailers.remove(name) {
            kept.insert(name.clone(), value);
        }
    }
    (!kept.is_empty()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn trailers_without_any_that_may_pass_are_none() {
        let mut trailers = HeaderMap::new();
        trailers.insert("set-cookie", HeaderValue::from_static("a=b"));
        assert_eq!(allowed(trailers.clone()), None);
        trailers.insert("grpc-message", HeaderValue::from_static("m"));
        let kept = allowed(trailers).unwrap();
        assert_eq!((kept.len(), kept.contains_key("grpc-message")), (1, true));
    }
}

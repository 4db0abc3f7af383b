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
    /// What was there when its head came.
    first: First,
    /// Only where the route limits the whole exchange.
    end: Option<Pin<Box<Sleep>>>,
    /// What goes on where this empty body ends.
    tunnel: Option<Tunnel>,
    /// Until it is over, its endpoint has something to do.
    _busy: Option<Busy>,
    /// The connection, where it carries others too: this stream counts among them.
    _shared: Option<Rc<Multiplexed>>,
}

/// A frame that came before anybody asked for it.
#[derive(Debug, Default)]
enum First {
    /// There was none, or it has been handed on.
    #[default]
    Nothing,
    Data(Bytes),
    /// Boxed: rarely do they come without data, and the body is moved often.
    Trailers(Box<HeaderMap>),
    /// Nor will there ever be one.
    Over,
}

impl UpstreamBody {
    pub(crate) fn new(
        incoming: Incoming,
        end: Option<Instant>,
        busy: Busy,
        shared: Option<Rc<Multiplexed>>,
    ) -> Self {
        let end = end.filter(|_| !incoming.is_end_stream()).map(|end| Box::pin(sleep_until(end)));
        Self { incoming, first: First::Nothing, end, tunnel: None, _busy: Some(busy), _shared: shared }
    }

    /// The body of a 101, behind which `tunnel` begins.
    pub(crate) fn before(tunnel: Tunnel, incoming: Incoming) -> Self {
        let (first, tunnel) = (First::Nothing, Some(tunnel));
        Self { incoming, first, end: None, tunnel, _busy: None, _shared: None }
    }

    /// Looks once, without waiting, at how it begins: what breaks there has told the client nothing yet.
    pub(crate) fn look(&mut self, cx: &mut Context<'_>) -> Result<(), UpstreamError> {
        if self.incoming.is_end_stream() {
            return Ok(());
        }
        self.first = match self.poll_incoming(cx) {
            Poll::Pending => First::Nothing,
            Poll::Ready(None) => First::Over,
            Poll::Ready(Some(frame)) => match frame?.into_data() {
                Ok(data) => First::Data(data),
                Err(frame) => match frame.into_trailers() {
                    Ok(trailers) => First::Trailers(Box::new(trailers)),
                    Err(_) => First::Nothing,
                },
            },
        };
        Ok(())
    }

    /// The tunnel behind it, if this is a 101's.
    pub const fn tunnel(&self) -> Option<&Tunnel> {
        self.tunnel.as_ref()
    }
}

impl UpstreamBody {
    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
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
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let body = self.get_mut();
        match std::mem::take(&mut body.first) {
            First::Nothing => body.poll_incoming(cx),
            First::Data(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            First::Trailers(trailers) => Poll::Ready(Some(Ok(Frame::trailers(*trailers)))),
            First::Over => {
                body.first = First::Over;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.first {
            First::Nothing => self.incoming.is_end_stream(),
            First::Data(_) | First::Trailers(_) => false,
            First::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.incoming.size_hint();
        match (&self.first, rest.exact()) {
            (First::Data(data), Some(rest)) => SizeHint::with_exact(rest + data.len() as u64),
            (First::Over, _) => SizeHint::with_exact(0),
            (First::Data(_) | First::Nothing | First::Trailers(_), _) => rest,
        }
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

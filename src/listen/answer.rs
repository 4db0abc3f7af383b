//! An answer's body on its way into an HTTP/1 connection.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};

use crate::listen::ledger::Exchange;
use crate::listen::roster::Roster;

/// A response body that ends its exchange when hyper is done with it, and tells the connection whether it was whole where nothing
/// else does.
pub(crate) struct Answer<B: Body> {
    body: B,
    roster: Rc<Roster>,
    exchange: Exchange,
    /// Whether only the connection's end says that it is whole.
    open_ended: bool,
    /// Why it broke. hyper drops what it has not written when it hears of that, so it hears of it one turn later.
    broken: Option<B::Error>,
}

/// What matters of a request for the end of its answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asker {
    /// HTTP/1.0, which knows no chunks.
    pub(crate) is_old: bool,
    wants_body: bool,
}

impl Asker {
    /// Who makes this request.
    pub(crate) fn of<T>(request: &Request<T>) -> Self {
        let is_old = request.version() < Version::HTTP_11;
        Self { is_old, wants_body: *request.method() != Method::HEAD }
    }

    /// Whether only the end of the connection can say that it has all of this answer.
    pub(crate) fn hears_the_end_only<B: Body>(self, response: &Response<B>) -> bool {
        self.is_old && self.wants_body && has_no_length(response)
    }
}

impl<B: Body> Answer<B> {
    /// The body of the answer that ends `exchange`.
    pub(crate) fn new(body: B, roster: Rc<Roster>, exchange: Exchange, open_ended: bool) -> Self {
        if open_ended {
            exchange.ends_by_closing();
        }
        Self { body, roster, exchange, open_ended, broken: None }
    }
}

/// An error is never pinned.
impl<B: Body + Unpin> Unpin for Answer<B> {}

impl<B: Body<Data = Bytes> + Unpin> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        if this.roster.pressure().stops() {
            return Poll::Pending;
        }
        if let Some(broken) = this.broken.take() {
            return Poll::Ready(Some(Err(broken)));
        }
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        let whole = match &polled {
            Poll::Pending => false,
            Poll::Ready(None) => true,
            Poll::Ready(Some(Ok(frame))) => {
                this.open_ended && (frame.is_trailers() || this.body.is_end_stream())
            }
            Poll::Ready(Some(Err(_))) => {
                if let Poll::Ready(Some(Err(broken))) = polled {
                    this.broken = Some(broken);
                }
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        };
        if whole && this.open_ended {
            this.exchange.completed();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether an answer does not say how long it is.
fn has_no_length<B: Body>(response: &Response<B>) -> bool {
    !response.body().is_end_stream()
        && response.body().size_hint().exact().is_none()
        && !response.headers().contains_key(CONTENT_LENGTH)
        && !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

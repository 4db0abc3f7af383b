//! The body of any answer.

use crate::respond::live::LiveBody;
use crate::upstream::UpstreamBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

/// An upstream's body, streamed, or one of our own.
#[derive(Debug)]
pub enum ResponseBody {
    /// Ours.
    Own(Full<Bytes>),
    /// The upstream's.
    Upstream(UpstreamBody),
    /// The upstream's, for as long as the session lasts.
    Live(LiveBody),
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Own(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Upstream(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Live(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::Upstream(body) => body.is_end_stream(),
            Self::Live(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => body.size_hint(),
            Self::Upstream(body) => body.size_hint(),
            Self::Live(body) => body.size_hint(),
        }
    }
}

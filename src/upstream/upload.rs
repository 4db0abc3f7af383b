//! The client's body on its way to the upstream.

use std::cell::Cell;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::listen::Pace;
use crate::request::ParseError;
use crate::upstream::error::find_cause;
use crate::upstream::patience::Patience;

/// A request body: the client's bytes without its trailers, counted, and failing in the client's name.
#[derive(Debug)]
pub(crate) struct Upload {
    /// `None` in a repeated request, which has no body.
    body: Option<Incoming>,
    /// How many more bytes are allowed.
    left: Option<u64>,
    progress: Option<Rc<Progress>>,
    /// With a client whose connection has no deadline of its own for it.
    patience: Option<Patience>,
}

impl Upload {
    /// Wraps `body`. Without content there is no progress to watch, and nothing is allocated.
    pub(crate) fn new(body: Incoming, limit: Option<u64>, pace: Option<Pace>) -> Self {
        let progress = (!body.is_end_stream()).then(Rc::<Progress>::default);
        Self { body: Some(body), left: limit, progress, patience: pace.map(Patience::new) }
    }

    /// No body.
    pub(crate) const fn none() -> Self {
        Self { body: None, left: None, progress: None, patience: None }
    }

    /// What can be seen of it while hyper sends it; `None` if there is no content.
    pub(crate) fn progress(&self) -> Option<Rc<Progress>> {
        self.progress.clone()
    }

    /// Whether its declared length is already over the limit.
    pub(crate) fn is_too_large(&self) -> bool {
        self.left.is_some_and(|left| self.size_hint().lower() > left)
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Option<Result<Frame<Bytes>, UploadBroken>> {
        let data = frame.data_ref()?;
        if let Some(left) = &mut self.left {
            let Some(rest) = left.checked_sub(data.len() as u64) else {
                return Some(Err(self.fail(ParseError::BodyTooLarge)));
            };
            *left = rest;
        }
        if let Some(patience) = &mut self.patience {
            patience.came(data.len());
        }
        self.note(|progress| progress.upstream_since.set(Some(Instant::now())));
        Some(Ok(frame))
    }

    fn fail(&self, fault: ParseError) -> UploadBroken {
        self.note(|progress| progress.fault.set(Some(fault)));
        UploadBroken
    }

    fn note(&self, note: impl FnOnce(&Progress)) {
        if let Some(progress) = &self.progress {
            note(progress);
        }
    }
}

/// What the forwarder sees of a body that hyper holds.
#[derive(Debug)]
pub(crate) struct Progress {
    upstream_since: Cell<Option<Instant>>,
    fault: Cell<Option<ParseError>>,
}

impl Progress {
    /// Since when it is the upstream's turn, to read on or to answer; `None` while the client's bytes are awaited.
    pub(crate) fn upstream_since(&self) -> Option<Instant> {
        self.upstream_since.get()
    }

    /// What the client did wrong, if it did.
    pub(crate) fn fault(&self) -> Option<ParseError> {
        self.fault.get()
    }

    #[cfg(test)]
    pub(crate) fn at(upstream_since: Option<Instant>) -> Self {
        Self { upstream_since: Cell::new(upstream_since), fault: Cell::new(None) }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self { upstream_since: Cell::new(Some(Instant::now())), fault: Cell::new(None) }
    }
}

/// Tells hyper to cut the connection; the reason is in [`Progress`].
#[derive(Debug)]
pub(crate) struct UploadBroken;

impl std::fmt::Display for UploadBroken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the client's body failed")
    }
}

impl Error for UploadBroken {}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadBroken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadBroken>>> {
        loop {
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => {
                    self.note(|progress| progress.upstream_since.set(None));
                    if self.patience.as_mut().is_some_and(|patience| patience.is_over(cx)) {
                        return Poll::Ready(Some(Err(self.fail(ParseError::BodyTimedOut))));
                    }
                    return Poll::Pending;
                }
                Poll::Ready(None) => {
                    self.note(|progress| progress.upstream_since.set(Some(Instant::now())));
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(self.fail(fault_of(&error))))),
                // A trailer would reach the upstream past every check that was made on the head.
                Poll::Ready(Some(Ok(frame))) => {
                    if let Some(taken) = self.take(frame) {
                        return Poll::Ready(Some(taken));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// The head guard names its reason inside the I/O error that hyper passes on; what hyper finds itself is either bad
/// chunking or an early end.
fn fault_of(error: &hyper::Error) -> ParseError {
    find_cause::<ParseError>(error).unwrap_or_else(|| {
        let kind = error.source().and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind);
        match kind {
            Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => ParseError::BadChunk,
            _ => ParseError::BodyIncomplete,
        }
    })
}

//! Why there is no answer from the upstream.

use std::error::Error;
use std::fmt;
use std::io;

use crate::request::ParseError;
use crate::upstream::wire::HeadFault;

/// A request that could not be answered by its upstream, or a response that broke off. All but
/// [`UpstreamError::ClientBody`] are the upstream's doing.
#[derive(Debug)]
pub enum UpstreamError {
    /// The response says its length in two ways, or in one that is none: two readers could disagree about its end.
    AmbiguousLength,
    /// The upstream answered a WebSocket handshake with a 101 that does not prove it read it.
    BadUpgrade,
    /// The response's head or body is no HTTP/1.1, is too large, or broke off.
    BrokenResponse {
        /// What hyper found.
        source: hyper::Error,
    },
    /// All connections that the endpoints may have are in use, and the queue for one is full or took too long.
    Busy,
    /// The client broke its own request body; the upstream saw it end early.
    ClientBody(ParseError),
    /// No endpoint that was tried takes connections, or its name does not resolve.
    ConnectFailed {
        /// What the system said of the last address.
        source: io::Error,
    },
    /// Connecting, TLS included, took longer than `timeouts.connect`.
    ConnectTimedOut,
    /// The upstream had the whole request and was silent for `timeouts.first_byte`, or stopped reading it for as long.
    FirstByteTimedOut,
    /// Its answers take longer than `limits.latency`, and it is asked as much as it can do.
    Late,
    /// The endpoint does not speak TLS, or its certificate is not valid for its name.
    TlsFailed {
        /// What rustls found.
        source: io::Error,
    },
    /// More interim responses than anyone has a use for.
    TooManyInformational,
    /// The exchange took longer than the route's `total`.
    TotalTimedOut,
    /// The upstream switched protocols although nobody asked.
    UnaskedUpgrade,
}

impl UpstreamError {
    /// What a failed exchange means, once it is known that the client's body is not to blame.
    pub(crate) fn from_exchange(source: hyper::Error) -> Self {
        match find_cause::<HeadFault>(&source) {
            Some(HeadFault::TooManyInformational) => Self::TooManyInformational,
            Some(HeadFault::BadStatusLine | HeadFault::BareLineEnd | HeadFault::FramedInterim) | None => {
                Self::BrokenResponse { source }
            }
        }
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AmbiguousLength => "the response's length is ambiguous",
            Self::BadUpgrade => "the upstream's websocket handshake is wrong",
            Self::BrokenResponse { .. } => "the response is broken",
            Self::Busy => "all connections to the upstream are in use",
            Self::ClientBody(_) => "the client's body failed",
            Self::ConnectFailed { .. } => "could not connect to the upstream",
            Self::ConnectTimedOut => "connecting to the upstream took too long",
            Self::FirstByteTimedOut => "the upstream did not answer in time",
            Self::Late => "the upstream's answers take longer than `limits.latency`",
            Self::TlsFailed { .. } => "the upstream's TLS handshake failed",
            Self::TooManyInformational => "the upstream sent too many interim responses",
            Self::TotalTimedOut => "the exchange took too long",
            Self::UnaskedUpgrade => "the upstream switched protocols unasked",
        })
    }
}

impl Error for UpstreamError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::BrokenResponse { source } => Some(source),
            Self::ClientBody(source) => Some(source),
            Self::ConnectFailed { source } | Self::TlsFailed { source } => Some(source),
            Self::AmbiguousLength
            | Self::BadUpgrade
            | Self::Busy
            | Self::ConnectTimedOut
            | Self::FirstByteTimedOut
            | Self::Late
            | Self::TooManyInformational
            | Self::TotalTimedOut
            | Self::UnaskedUpgrade => None,
        }
    }
}

/// Looks for a fault of ours below an error of hyper's. It travels through hyper inside an [`io::Error`], which names its
/// content's source as its own and leaves the content itself out of the chain.
pub(crate) fn find_cause<T: Error + Copy + 'static>(error: &(dyn Error + 'static)) -> Option<T> {
    let mut next = Some(error);
    while let Some(error) = next {
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = inside.and_then(|inner| inner.downcast_ref::<T>()).or_else(|| error.downcast_ref::<T>());
        if let Some(found) = found {
            return Some(*found);
        }
        next = error.source();
    }
    None
}

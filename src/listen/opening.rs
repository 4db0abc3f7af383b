//! The first bytes of a connection, and which protocol they begin.

use std::pin::Pin;
use std::task::Poll;

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, sleep_until};

use crate::listen::guard::with_scratch;
use crate::listen::roster::Entry;

/// How every HTTP/2 connection by prior knowledge begins (RFC 9113 §3.4). Whatever differs in one byte is HTTP/1.1's to refuse.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.0 or 1.1, or nothing that is HTTP.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What was read to find that out.
#[derive(Debug)]
pub(crate) struct Opening {
    /// What the bytes begin.
    pub(crate) protocol: Protocol,
    /// All that was read.
    pub(crate) bytes: BytesMut,
    /// When the first of them came.
    pub(crate) since: Instant,
}

/// Reads until the protocol is known. `None` if the client hangs up first, says nothing until `deadline`, or has said
/// nothing yet when the worker drains.
pub(crate) async fn open<I: AsyncRead + Unpin>(
    io: &mut I,
    entry: &mut Entry,
    deadline: Instant,
) -> Option<Opening> {
    let mut bytes = BytesMut::new();
    let mut since = None;
    let reading = std::future::poll_fn(|cx| {
        entry.wake_by(cx.waker());
        loop {
            let read = with_scratch(|scratch| {
                let mut read = ReadBuf::new(scratch);
                let polled = Pin::new(&mut *io).poll_read(cx, &mut read);
                bytes.extend_from_slice(read.filled());
                polled.map_ok(|()| read.filled().len())
            });
            match read {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(None),
                Poll::Ready(Ok(_)) => {
                    since.get_or_insert_with(Instant::now);
                }
                Poll::Pending if entry.draining() && bytes.is_empty() => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
            if let Some(protocol) = protocol(&bytes) {
                return Poll::Ready(Some(protocol));
            }
        }
    });
    // The reading goes first: what is there already needs no timer.
    let read = tokio::select! {
        biased;
        read = reading => read?,
        () = sleep_until(deadline) => Protocol::Http1,
    };
    Some(Opening { protocol: read, since: since?, bytes })
}

fn protocol(bytes: &[u8]) -> Option<Protocol> {
    match bytes.get(..PREFACE.len()) {
        Some(first) if first == PREFACE => Some(Protocol::Http2),
        None if PREFACE.starts_with(bytes) => None,
        Some(_) | None => Some(Protocol::Http1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_differs_tells() {
        for (bytes, told) in [
            ("", None),
            ("P", None),
            ("PRI * HTTP/2.0\r\n\r\n", None),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Protocol::Http2)),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0", Some(Protocol::Http2)),
            ("G", Some(Protocol::Http1)),
            ("PO", Some(Protocol::Http1)),
            ("PRI * HTTP/2.0\r\nH", Some(Protocol::Http1)),
            ("pri", Some(Protocol::Http1)),
        ] {
            assert_eq!(protocol(bytes.as_bytes()), told, "{bytes:?}");
        }
    }
}

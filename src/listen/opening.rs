//! The first bytes of a connection, and which protocol they begin.

use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, sleep_until};

use crate::listen::guard::{SCANT_BYTES_MAX, with_scratch};
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

/// Reads until the protocol is known. `None` if the client hangs up first, says nothing for `span`, or has said nothing yet when the
/// worker drains.
pub(crate) async fn open<I: AsyncRead + Unpin>(
    io: &mut I,
    entry: &mut Entry,
    span: Duration,
) -> Option<Opening> {
    let mut bytes = BytesMut::new();
    let mut since = None;
    let begun = Instant::now();
    let mut timer = pin!(sleep_until(begun + span));
    let protocol = std::future::poll_fn(|cx| {
        entry.wake_by(cx.waker());
        loop {
            let read = with_scratch(|scratch| {
                let most = if entry.pressure().stops() { SCANT_BYTES_MAX } else { scratch.len() };
                let mut read = ReadBuf::new(scratch.get_mut(..most).unwrap_or_default());
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
                // What is there already needs no timer, so it comes last.
                Poll::Pending => {
                    let due = begun + entry.pressure().shorten(span);
                    if timer.deadline() > due {
                        timer.as_mut().reset(due);
                    }
                    return timer.as_mut().poll(cx).map(|()| Some(Protocol::Http1));
                }
            }
            if let Some(protocol) = protocol(&bytes) {
                return Poll::Ready(Some(protocol));
            }
        }
    });
    Some(Opening { protocol: protocol.await?, since: since?, bytes })
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

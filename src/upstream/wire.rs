//! The bytes between us and an endpoint, watched while a response's head goes by.
//!
//! hyper reads heads leniently: a bare LF ends a line, empty lines before the status line and interim responses are
//! skipped without end, an interim response's Content-Length is not looked at, and any three digits are a status. Its
//! callback for interim responses costs four allocations a request. Here every head passes byte by byte anyway, so
//! stricter rules are kept for the price of one `memchr` per header line, and once the final head is through, for nothing.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::task::AtomicWaker;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use crate::upstream::head_copy::HeadCopy;
use crate::upstream::interim::Interim;
use crate::upstream::slots::Slot;
use crate::upstream::upload::Upload;

/// Interim responses (103 and the like) before the final one. Servers send one or two.
pub(crate) const INFORMATIONAL_MAX: u8 = 8;

/// Bytes at the start of a line that are looked at: `HTTP/1.1 200 `, or the name of a field that frames a body.
const START_BYTES: usize = 20;
/// Fields that would give an interim response a body: who believed them would read the next head as its content.
const FRAMING: [&[u8]; 2] = [b"content-length", b"transfer-encoding"];

const ASKED: u8 = 1;
/// The same, and the next bytes written are kept.
const KEEPING: u8 = 2;
/// The same, and they were.
const KEPT: u8 = 3;
const IN_HEAD: u8 = 4;
const PASSING: u8 = 5;
/// Of HTTP/2: the upstream has said its settings.
const SETTLED: u8 = 6;

/// How far the current exchange on a connection is; the forwarder holds one end, the connection's driver the other.
/// Both live on one thread, but hyper wants streams that could move.
#[derive(Debug)]
pub(crate) struct Turn {
    state: AtomicU8,
    /// The head of the request on its way, where it may be repeated.
    sent: Mutex<HeadCopy>,
    /// Whoever reads an HTTP/2 connection's settings from hyper, which has them behind the bytes and wakes nobody.
    reader: AtomicWaker,
}

impl Turn {
    /// A connection that has carried nothing yet.
    pub(crate) fn new() -> Arc<Self> {
        let (state, sent, reader) = (AtomicU8::new(PASSING), Mutex::default(), AtomicWaker::new());
        Arc::new(Self { state, sent, reader })
    }

    /// A request is about to be sent: the next byte read begins a response. With `keep` its head is kept.
    pub(crate) fn ask(&self, keep: bool) {
        self.state.store(if keep { KEEPING } else { ASKED }, Ordering::Relaxed);
    }

    /// Whether the upstream is still silent since [`Turn::ask`].
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self.state.load(Ordering::Relaxed), ASKED | KEEPING | KEPT)
    }

    /// The request on its way again, if it was to be kept and the upstream is still silent.
    pub(crate) fn kept(&self) -> Option<Request<Upload>> {
        let kept = self.state.load(Ordering::Relaxed) == KEPT;
        kept.then(|| self.copy().restore()).flatten()
    }

    /// Bytes are about to be written. hyper writes a head without a body at once, and says the rest again if the socket
    /// does not take it all.
    fn keep(&self, bytes: &[u8]) {
        if self.state.load(Ordering::Relaxed) == KEEPING {
            self.copy().keep(bytes);
            self.state.store(KEPT, Ordering::Relaxed);
        }
    }

    fn copy(&self) -> MutexGuard<'_, HeadCopy> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the settings of an HTTP/2 connection are there; this task is woken when they come.
    pub(crate) fn is_settled(&self, cx: &Context<'_>) -> bool {
        let settled = self.state.load(Ordering::Relaxed) == SETTLED;
        if !settled {
            self.reader.register(cx.waker());
        }
        settled
    }

    fn settle(&self) {
        if self.state.swap(SETTLED, Ordering::Relaxed) != SETTLED {
            self.reader.wake();
        }
    }
}

/// What is wrong with a response's head that hyper would let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadFault {
    /// The status line is none of HTTP/1, or something comes before it.
    BadStatusLine,
    /// A line ends in LF without CR.
    BareLineEnd,
    /// An interim response that says it has a body.
    FramedInterim,
    /// More than [`INFORMATIONAL_MAX`] interim responses.
    TooManyInformational,
}

impl std::fmt::Display for HeadFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::BadStatusLine => "the head does not begin with a status line",
            Self::FramedInterim => "an interim response frames a body",
            Self::BareLineEnd => "a line of the head ends in a bare LF",
            Self::TooManyInformational => "too many interim responses",
        })
    }
}

impl std::error::Error for HeadFault {}

/// A connection to an endpoint.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    turn: Arc<Turn>,
    watch: Watch,
    /// Its place among the endpoint's connections.
    _slot: Slot,
}

/// What is looked for.
#[derive(Debug)]
enum Watch {
    Http1(HeadWatch),
    Http2(Box<Interim>),
}

impl Wire {
    /// Watches the heads of `stream`, as `turn` says.
    pub(crate) fn new(stream: Stream, turn: Arc<Turn>, slot: Slot) -> Self {
        Self { stream, turn, watch: Watch::Http1(HeadWatch::default()), _slot: slot }
    }

    /// Watches the frames of `stream`, and tells `turn` when the first is there.
    pub(crate) fn of_frames(stream: Stream, turn: Arc<Turn>, slot: Slot) -> Self {
        Self { stream, turn, watch: Watch::Http2(Box::new(Interim::new())), _slot: slot }
    }

    fn watch(&mut self, bytes: &[u8]) -> Result<(), HeadFault> {
        let heads = match &mut self.watch {
            Watch::Http1(heads) => heads,
            Watch::Http2(interim) => {
                interim.read(bytes)?;
                if interim.begun() {
                    self.turn.settle();
                }
                return Ok(());
            }
        };
        match self.turn.state.load(Ordering::Relaxed) {
            ASKED | KEEPING | KEPT if !bytes.is_empty() => {
                *heads = HeadWatch::default();
                self.turn.state.store(IN_HEAD, Ordering::Relaxed);
            }
            IN_HEAD => {}
            _ => return Ok(()),
        }
        if heads.read(bytes)? {
            self.turn.state.store(PASSING, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// With or without TLS.
#[derive(Debug)]
pub(crate) enum Stream {
    /// `http://`
    Plain(TcpStream),
    /// `https://`; boxed, since its state is twenty times the size of a socket.
    Tls(Box<TlsStream<TcpStream>>),
    /// `unix:`
    Unix(UnixStream),
}

impl Stream {
    /// Whether HTTP/2 was agreed on.
    pub(crate) fn is_http2(&self) -> bool {
        match self {
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
            Self::Plain(_) | Self::Unix(_) => false,
        }
    }
}

/// The state of one head, across reads.
#[derive(Debug, Default)]
struct HeadWatch {
    /// Bytes of the current line so far.
    line_bytes: usize,
    /// The last of them.
    last: u8,
    /// The first of them, in the status line and in interim responses.
    start: [u8; START_BYTES],
    /// Whether the status line is over.
    in_fields: bool,
    /// Whether it says that another response follows.
    interim: bool,
    /// Interim responses that went by.
    informational: u8,
}

impl HeadWatch {
    /// Takes in the next bytes; true once the final head has ended.
    fn read(&mut self, mut bytes: &[u8]) -> Result<bool, HeadFault> {
        while let Some((line, rest)) =
            memchr::memchr(b'\n', bytes).and_then(|at| Some((bytes.get(..at)?, bytes.get(at + 1..)?)))
        {
            self.take(line);
            if self.end_line()? {
                return Ok(true);
            }
            bytes = rest;
        }
        self.take(bytes);
        Ok(false)
    }

    fn take(&mut self, part: &[u8]) {
        if (!self.in_fields || self.interim)
            && let Some(free) = self.start.get_mut(self.line_bytes..)
        {
            free.iter_mut().zip(part).for_each(|(place, byte)| *place = *byte);
        }
        self.line_bytes += part.len();
        self.last = part.last().copied().unwrap_or(self.last);
    }

    fn end_line(&mut self) -> Result<bool, HeadFault> {
        let (empty, start) = (self.line_bytes == 1, self.start);
        if self.last != b'\r' {
            return Err(HeadFault::BareLineEnd);
        }
        (self.line_bytes, self.last) = (0, 0);
        if !self.in_fields {
            self.interim = is_interim(start).ok_or(HeadFault::BadStatusLine)?;
            self.in_fields = true;
            self.start = [0; START_BYTES];
            return Ok(false);
        }
        if !empty {
            if self.interim && frames(start) {
                return Err(HeadFault::FramedInterim);
            }
            self.start = [0; START_BYTES];
            return Ok(false);
        }
        if !self.interim {
            return Ok(true);
        }
        self.start = [0; START_BYTES];
        self.in_fields = false;
        self.informational += 1;
        if self.informational > INFORMATIONAL_MAX {
            return Err(HeadFault::TooManyInformational);
        }
        Ok(false)
    }
}

/// Whether a status line says that another response follows; `None` if it is none. 101 is the last one of its connection.
fn is_interim(line: [u8; START_BYTES]) -> Option<bool> {
    match line {
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            b'1',
            b'.',
            b'0' | b'1',
            b' ',
            class,
            tens,
            ones,
            b' ' | b'\r',
            ..,
        ] if tens.is_ascii_digit() && ones.is_ascii_digit() => match class {
            b'1' => Some((tens, ones) != (b'0', b'1')),
            b'2'..=b'5' => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a line begins with the name of a field that frames a body.
fn frames(line: [u8; START_BYTES]) -> bool {
    FRAMING.iter().any(|name| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        })?;
        let fresh = buf.filled().get(before..).unwrap_or_default();
        Poll::Ready(this.watch(fresh).map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault)))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.turn.keep(bytes);
        match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A request without a body is one slice, and the kernel sends one faster than a list of one.
        if let [slice] = slices {
            return self.poll_write(cx, slice);
        }
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
            Stream::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `head` in pieces of `step` bytes.
    fn watch(head: &[u8], step: usize) -> Result<bool, HeadFault> {
        let mut watch = HeadWatch::default();
        for piece in head.chunks(step) {
            if watch.read(piece)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    #[test]
    fn a_request_is_kept_only_where_that_was_asked_for() {
        let (turn, head) = (Turn::new(), b"GET /a HTTP/1.1\r\nhost: b\r\n\r\n");
        for keep in [true, false, true] {
            turn.ask(keep);
            assert!(turn.kept().is_none());
            turn.keep(head);
            turn.keep(b"/a HTTP/1.1");
            assert_eq!(turn.kept().map(|request| request.uri().to_string()), keep.then(|| "/a".to_owned()));
        }
    }

    #[test]
    fn a_bare_lf_is_found_however_the_head_is_cut() {
        for head in [
            "HTTP/1.1 200 OK\nA: b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n\n",
        ] {
            for step in 1..head.len() {
                assert_eq!(watch(head.as_bytes(), step), Err(HeadFault::BareLineEnd), "{head:?} by {step}");
            }
        }
    }

    #[test]
    fn eight_interim_responses_pass_and_the_ninth_does_not() {
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        let last = "HTTP/1.1 200 OK\r\n\r\n";
        for step in [1, 2, 7, 4096] {
            assert_eq!(watch(format!("{}{last}", interim.repeat(8)).as_bytes(), step), Ok(true));
            assert_eq!(watch(interim.repeat(9).as_bytes(), step), Err(HeadFault::TooManyInformational));
        }
    }

    #[test]
    fn bytes_behind_the_final_head_are_not_looked_at() {
        assert_eq!(watch(b"HTTP/1.1 101 Switching\r\n\r\n\n\n\n", 4096), Ok(true));
        assert_eq!(watch(b"HTTP/1.1 200\r\n\r\na\nb", 4096), Ok(true));
    }

    #[test]
    fn a_status_line_is_one_of_http_1_and_comes_first() {
        for line in [
            "",
            " HTTP/1.1 200 OK",
            "HTTP/2 200 OK",
            "HTTP/1.2 200 OK",
            "http/1.1 200 OK",
            "HTTP/1.1 20 OK",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1 099 No",
            "HTTP/1.1 600 No",
            "HTTP/1.1  200 OK",
            "HTTP/1.1 +20 OK",
            "HTTP/1.1\t200 OK",
            "HTTP/1.1 200OK",
            "HTTP/1.1",
            "ICY 200 OK",
        ] {
            let head = format!("{line}\r\nA: b\r\n\r\n");
            for step in [1, 3, 4096] {
                assert_eq!(watch(head.as_bytes(), step), Err(HeadFault::BadStatusLine), "{line:?} by {step}");
            }
        }
        for line in ["HTTP/1.0 200 OK", "HTTP/1.1 599 ", "HTTP/1.1 404", "HTTP/1.1 200 \u{e9}"] {
            assert_eq!(watch(format!("{line}\r\n\r\n").as_bytes(), 2), Ok(true), "{line}");
        }
    }

    #[test]
    fn an_interim_response_has_no_body() {
        for field in ["Content-Length: 0", "TRANSFER-ENCODING: chunked", "content-length : 5"] {
            let head = format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n{field}\r\n\r\n");
            for step in [1, 5, 4096] {
                assert_eq!(watch(head.as_bytes(), step), Err(HeadFault::FramedInterim), "{field} by {step}");
            }
        }
        let after = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        for step in [1, 5, 4096] {
            assert_eq!(watch(after.as_bytes(), step), Ok(true));
        }
    }
}

//! The stream between the socket and hyper.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::config::Limits;
use crate::listen::joined::join;
use crate::listen::ledger::{Ledger, Verdict};
use crate::listen::opening::Opening;
use crate::listen::pace::Pace;
use crate::listen::pressure::Pressure;
use crate::listen::sieve::{Awaits, Sieve, Step};
use crate::listen::stream::Severed;
use crate::request::ParseError;

/// What hyper gets in place of a refused head: it must make one service call of it and close behind the answer.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused.invalid\r\nconnection: close\r\n\r\n";

/// The most that is read at once; hyper asks for 8 KiB to begin with, and for more on fast bodies.
const READ_BYTES_MAX: usize = 32 * 1024;

/// The same where there is no room: a head that is not whole by then is refused, and any other is told so.
pub(crate) const SCANT_BYTES_MAX: usize = 4 * 1024;

/// The most that is held behind an upgrade request; a WebSocket client sends nothing before the 101.
const HELD_BYTES_MAX: usize = 16 * 1024;

/// How long a client may take none of what is written to it.
pub(crate) const WRITE_STALL: Duration = Duration::from_secs(60);

/// How often a tunnel whose client takes nothing looks whether there is still room for that.
const TUNNEL_LOOK: Duration = Duration::from_secs(1);

/// What is still read and thrown away before a close with unread bytes, so that the kernel does not answer them with a
/// reset, which would take the response along.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 64 * 1024;

/// A head and a body this short leave as one slice: copying them costs less than the kernel's look at a list of slices.
const JOINED_BYTES_MAX: usize = 8 * 1024;

thread_local! {
    /// Bytes on their way from a socket to hyper, one buffer for all connections of a worker: idle ones hold none.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES_MAX]);
}

/// Lends the worker's buffer.
pub(crate) fn with_scratch<T>(read: impl FnOnce(&mut [u8]) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| read(scratch))
}

/// A client's stream that hands on only what its [`Sieve`] passed. `tenant` lives as long as the stream does, also as a
/// tunnel.
#[derive(Debug)]
pub(crate) struct Guard<I, T> {
    io: I,
    sieve: Sieve,
    /// Read but not handed on; the first `cleared` bytes have passed.
    held: BytesMut,
    cleared: usize,
    eof: bool,
    ledger: Arc<Ledger>,
    limits: Arc<Limits>,
    pressure: Pressure,
    sleep: Pin<Box<Sleep>>,
    /// Since when the rest of a head, or any more of a body, is awaited.
    awaited_since: Option<Instant>,
    /// How much longer the body may be awaited.
    pace: Pace,
    /// Since when the client has taken no byte.
    stalled_since: Option<Instant>,
    linger: Option<(Instant, usize)>,
    /// Whether dropping it resets the connection.
    severed: bool,
    _tenant: T,
}

/// What holds for whoever comes in.
#[derive(Debug)]
pub(crate) struct House {
    /// How much they may ask for.
    pub(crate) limits: Arc<Limits>,
    /// How much room there is.
    pub(crate) pressure: Pressure,
}

/// What one read from the socket came to.
enum Came {
    Delivered,
    Held,
    Eof,
    Refused(ParseError),
}

/// What a read that has nothing to read comes to.
enum Wait {
    On,
    CloseIdle,
    RefuseHead,
    BreakBody,
}

impl<I: AsyncRead + AsyncWrite + Unpin, T: Unpin> Guard<I, T> {
    /// Stands before `io`, of which `opening` has been read.
    pub(crate) fn new(io: I, opening: Opening, ledger: Arc<Ledger>, house: House, tenant: T) -> Self {
        let House { limits, pressure } = house;
        Self {
            io,
            sieve: Sieve::new(&limits),
            held: opening.bytes,
            cleared: 0,
            eof: false,
            ledger,
            sleep: Box::pin(tokio::time::sleep(limits.header_timeout)),
            pace: Pace::new(&limits),
            limits,
            pressure,
            awaited_since: Some(opening.since),
            stalled_since: None,
            linger: None,
            severed: false,
            _tenant: tenant,
        }
    }

    /// Hands on what has passed; returns whether that was anything.
    fn deliver(&mut self, into: &mut ReadBufCursor<'_>) -> bool {
        let part = self.cleared.min(into.remaining());
        if part == 0 {
            return false;
        }
        into.put_slice(self.held.get(..part).unwrap_or_default());
        self.held.advance(part);
        self.cleared -= part;
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
        self.awaited_since = None;
        true
    }

    /// A head is refused: hyper gets the stand-in, the service the reason, and nothing else is ever read.
    fn refuse(&mut self, error: ParseError, into: &mut ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.sieve.refuse();
        self.held = BytesMut::new();
        if into.remaining() < STAND_IN.len() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
        }
        self.ledger.judge(Verdict::Refused(error));
        into.put_slice(STAND_IN);
        Poll::Ready(Ok(()))
    }

    /// A body ends here, and not well: hyper gets an error that names the reason.
    fn break_body(&self, error: ParseError) -> Poll<io::Result<()>> {
        self.ledger.body_broken();
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)))
    }

    /// Reads from the socket: straight through to hyper where nothing is held, else behind what is.
    fn read(&mut self, cx: &mut Context<'_>, into: &mut ReadBufCursor<'_>) -> Poll<io::Result<Came>> {
        with_scratch(|scratch| {
            let most = if self.pressure.stops() { SCANT_BYTES_MAX } else { scratch.len() };
            let room = into.remaining().min(most);
            let mut read = ReadBuf::new(scratch.get_mut(..room).unwrap_or_default());
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut read))?;
            let bytes = read.filled();
            if bytes.is_empty() {
                self.eof = true;
                return Poll::Ready(Ok(Came::Eof));
            }
            self.note_pace(bytes.len());
            if !self.held.is_empty() {
                self.held.extend_from_slice(bytes);
                return Poll::Ready(Ok(Came::Held));
            }
            Poll::Ready(Ok(self.sift(bytes, into)))
        })
    }

    /// Judges bytes fresh from the socket. A head and its body may go together, two messages never.
    fn sift(&mut self, mut bytes: &[u8], into: &mut ReadBufCursor<'_>) -> Came {
        let mut delivered = false;
        let outcome = loop {
            let step = self.sieve.step(bytes);
            let passed = match step {
                Step::Head { bytes, .. } | Step::Pass(bytes) => bytes,
                Step::Skip(skipped) => {
                    bytes = bytes.get(skipped..).unwrap_or_default();
                    continue;
                }
                Step::Refuse(error) => break Came::Refused(error),
                Step::Break(_) | Step::More | Step::Hold => break Came::Held,
            };
            if let Step::Head { upgrade, .. } = step {
                self.begin(upgrade);
            }
            let part = passed.min(into.remaining());
            into.put_slice(bytes.get(..part).unwrap_or_default());
            delivered = true;
            bytes = bytes.get(part..).unwrap_or_default();
            self.cleared = passed - part;
            if self.cleared > 0 || bytes.is_empty() || self.sieve.awaits() != Awaits::Body {
                break Came::Held;
            }
        };
        self.held.extend_from_slice(bytes);
        if delivered {
            self.awaited_since = None;
            return Came::Delivered;
        }
        outcome
    }

    /// A head has passed.
    fn begin(&mut self, upgrade: bool) {
        self.ledger.judge(if upgrade { Verdict::Upgrade } else { Verdict::Passed });
        self.pace = Pace::new(&self.limits);
    }

    /// Bytes of a body came: the clock is read only if they were waited for.
    fn note_pace(&mut self, bytes: usize) {
        if self.limits.body_rate.is_some() && self.sieve.awaits() == Awaits::Body {
            let waited = self.awaited_since.take().map(|since| since.elapsed());
            self.pace.came(bytes, waited.unwrap_or_default());
        }
    }

    /// Nothing came: how long has that been so, and how long may it be? Arms the timer for the next look.
    fn wait(&mut self, cx: &mut Context<'_>) -> Wait {
        match self.sieve.awaits() {
            Awaits::Head if self.held.is_empty() => {
                let quiet = self.ledger.quiet();
                if quiet.running {
                    self.keep_armed(cx, quiet.since);
                    return Wait::On;
                }
                let span = if quiet.served { self.limits.idle_timeout } else { self.limits.header_timeout };
                if self.passed(cx, quiet.since + self.pressure.shorten(span)) {
                    Wait::CloseIdle
                } else {
                    Wait::On
                }
            }
            Awaits::Head => {
                self.ledger.head_begun();
                let since = *self.awaited_since.get_or_insert_with(Instant::now);
                let span = self.pressure.shorten(self.limits.header_timeout);
                if self.passed(cx, since + span) { Wait::RefuseHead } else { Wait::On }
            }
            Awaits::Body => {
                let since = *self.awaited_since.get_or_insert_with(Instant::now);
                let span = self.pressure.shorten(self.pace.left());
                if self.passed(cx, since + span) { Wait::BreakBody } else { Wait::On }
            }
            Awaits::Settlement | Awaits::Tunnel | Awaits::Nothing => Wait::On,
        }
    }

    /// Whether `deadline` is over; if not, this task is woken then at the latest. The timer is only ever moved to an
    /// earlier time, or on when it has fired: a busy connection does not touch the timer wheel.
    fn passed(&mut self, cx: &mut Context<'_>, deadline: Instant) -> bool {
        loop {
            if self.sleep.deadline() > deadline {
                self.sleep.as_mut().reset(deadline);
            }
            if self.sleep.as_mut().poll(cx).is_pending() {
                return false;
            }
            if Instant::now() >= deadline {
                return true;
            }
            self.sleep.as_mut().reset(deadline);
        }
    }

    /// While an exchange runs there is no deadline, but hyper does not look here again when it ends, so the timer must
    /// by then be set to no later than the idle deadline that will hold. In a steady run of requests that is so
    /// already, and the clock is not read.
    fn keep_armed(&mut self, cx: &mut Context<'_>, last_quiet: Instant) {
        let idle = self.pressure.shorten(self.limits.idle_timeout);
        if self.sleep.deadline() > last_quiet + idle {
            let latest = Instant::now() + idle;
            if self.sleep.deadline() > latest {
                self.sleep.as_mut().reset(latest);
            }
        }
        while self.sleep.as_mut().poll(cx).is_ready() {
            self.sleep.as_mut().reset(Instant::now() + idle);
        }
    }

    fn written<R>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.stalled_since = None;
        } else {
            let since = *self.stalled_since.get_or_insert_with(Instant::now);
            let due = if self.sieve.awaits() == Awaits::Tunnel {
                self.tunnel_due(since)
            } else {
                since + self.pressure.shorten(WRITE_STALL)
            };
            if self.passed(cx, due) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        written
    }

    /// A tunnel may take its time while there is room; nobody wakes it when there is not, so it looks again.
    fn tunnel_due(&self, since: Instant) -> Instant {
        let patience = self.pressure.shorten(Duration::MAX);
        if patience == Duration::MAX { Instant::now() + TUNNEL_LOOK } else { since + patience }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin, T: Unpin> Read for Guard<I, T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let guard = self.get_mut();
        loop {
            if guard.deliver(&mut into) {
                return Poll::Ready(Ok(()));
            }
            if guard.sieve.awaits() == Awaits::Settlement
                && let Some(tunnel) = guard.ledger.upgraded(cx.waker())
            {
                guard.sieve.settle(tunnel);
            }
            match guard.sieve.step(&guard.held) {
                Step::Head { bytes, upgrade } => {
                    guard.begin(upgrade);
                    guard.cleared = bytes;
                    continue;
                }
                Step::Pass(bytes) => {
                    guard.cleared = bytes;
                    continue;
                }
                Step::Skip(bytes) => {
                    guard.held.advance(bytes);
                    continue;
                }
                Step::Refuse(error) => return guard.refuse(error, &mut into),
                Step::Break(error) => return guard.break_body(error),
                Step::Hold
                    if guard.sieve.awaits() == Awaits::Nothing || guard.held.len() >= HELD_BYTES_MAX =>
                {
                    return Poll::Pending;
                }
                Step::Hold | Step::More => {}
            }
            if guard.eof || into.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            let stops = guard.pressure.stops().then(|| guard.sieve.awaits());
            let read = match stops {
                // Woken with the whole worker when it may go on.
                Some(Awaits::Body) => Poll::Pending,
                Some(Awaits::Head) if !guard.held.is_empty() => {
                    return guard.refuse(ParseError::HeadTimedOut, &mut into);
                }
                _ => guard.read(cx, &mut into),
            };
            match read {
                Poll::Ready(Ok(Came::Delivered)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(Came::Refused(error))) => return guard.refuse(error, &mut into),
                Poll::Ready(Ok(Came::Held | Came::Eof)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => match guard.wait(cx) {
                    Wait::On => return Poll::Pending,
                    Wait::CloseIdle => return Poll::Ready(Ok(())),
                    Wait::RefuseHead => return guard.refuse(ParseError::HeadTimedOut, &mut into),
                    Wait::BreakBody => return guard.break_body(ParseError::BodyTimedOut),
                },
            }
        }
    }
}

impl<I: Severed, T> Guard<I, T> {
    /// Before a write: an answer whose end is that of the connection must not seem whole, whoever ends it and why.
    fn prepare(&mut self) -> io::Result<()> {
        if !self.severed && self.ledger.ends_by_closing() {
            self.io.sever(true)?;
            self.severed = true;
        }
        Ok(())
    }

    /// Before a close: all has been written. Returns whether there may be one.
    fn may_close(&mut self) -> io::Result<bool> {
        if self.severed && self.ledger.is_whole() {
            self.io.sever(false)?;
            self.severed = false;
        }
        Ok(!self.severed)
    }
}

impl<I: AsyncRead + AsyncWrite + Severed + Unpin, T: Unpin> Write for Guard<I, T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let guard = self.get_mut();
        guard.prepare()?;
        let written = Pin::new(&mut guard.io).poll_write(cx, bytes);
        guard.written(cx, written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let guard = self.get_mut();
        let flushed = Pin::new(&mut guard.io).poll_flush(cx);
        guard.written(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let guard = self.get_mut();
        if !guard.may_close()? {
            return Poll::Ready(Ok(()));
        }
        let (since, mut left) = match guard.linger {
            Some(linger) => linger,
            None => {
                let shut = Pin::new(&mut guard.io).poll_shutdown(cx);
                ready!(guard.written(cx, shut))?;
                (Instant::now(), LINGER_BYTES_MAX)
            }
        };
        let clean = guard.sieve.awaits() == Awaits::Head && guard.held.is_empty();
        if guard.eof || clean || guard.sieve.awaits() == Awaits::Tunnel {
            return Poll::Ready(Ok(()));
        }
        loop {
            guard.linger = Some((since, left));
            let discarded = with_scratch(|scratch| {
                let mut read = ReadBuf::new(scratch);
                Pin::new(&mut guard.io).poll_read(cx, &mut read).map_ok(|()| read.filled().len())
            });
            match discarded {
                Poll::Ready(Ok(bytes)) if bytes > 0 && bytes < left => left -= bytes,
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending if guard.passed(cx, since + guard.pressure.shorten(LINGER)) => {
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let guard = self.get_mut();
        guard.prepare()?;
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        let written = if total <= JOINED_BYTES_MAX {
            with_scratch(|scratch| {
                Pin::new(&mut guard.io)
                    .poll_write(cx, join(slices, scratch.get_mut(..total).unwrap_or_default()))
            })
        } else {
            Pin::new(&mut guard.io).poll_write_vectored(cx, slices)
        };
        guard.written(cx, written)
    }
}

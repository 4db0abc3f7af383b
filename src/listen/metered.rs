//! The stream between the socket and HTTP/2.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::listen::blocks::Blocks;
use crate::listen::frames::{Budget, Frame, Frames, Part};
use crate::listen::tasks::Tasks;

/// The head of a GOAWAY (RFC 9113 §6.8), and two codes for it (§7).
const GOAWAY: [u8; 9] = [0, 0, 8, 7, 0, 0, 0, 0, 0];
const PROTOCOL_ERROR: u32 = 1;
const ENHANCE_YOUR_CALM: u32 = 0xb;

/// A client's stream whose frames are counted, and whose header blocks are looked at (`blocks`). `tenant` lives as long as the stream does.
pub(crate) struct Metered<I, T> {
    io: I,
    /// Read before the protocol was known.
    first: BytesMut,
    sent: Frames,
    pulse: Rc<Pulse>,
    tasks: Tasks,
    _tenant: T,
}

/// What can be seen of the connection from outside of hyper. Belongs to the worker.
pub(crate) struct Pulse {
    read: RefCell<Frames>,
    blocks: RefCell<Blocks>,
    budget: RefCell<Budget>,
    /// Since when the rest of what is no body is awaited.
    unfinished_since: Cell<Option<Instant>>,
    /// Since when the client has taken no byte.
    stalled_since: Cell<Option<Instant>>,
    /// The code to say goodbye with.
    condemned: Cell<Option<u32>>,
}

impl Pulse {
    /// Of a connection whose first byte came at `since`.
    pub(crate) fn new(since: Instant) -> Rc<Self> {
        Rc::new(Self {
            read: RefCell::new(Frames::from_client()),
            blocks: RefCell::default(),
            budget: RefCell::new(Budget::new()),
            unfinished_since: Cell::new(Some(since)),
            stalled_since: Cell::new(None),
            condemned: Cell::new(None),
        })
    }

    /// Since when the rest of a header block or another short frame is awaited.
    pub(crate) fn unfinished_since(&self) -> Option<Instant> {
        self.unfinished_since.get()
    }

    /// Since when the client has taken nothing of what is written to it.
    pub(crate) fn stalled_since(&self) -> Option<Instant> {
        self.stalled_since.get()
    }

    /// The next read says goodbye and fails.
    pub(crate) fn condemn(&self) {
        self.condemned.set(Some(ENHANCE_YOUR_CALM));
    }

    fn came(&self, mut bytes: &mut [u8]) {
        let (mut frames, mut blocks) = (self.read.borrow_mut(), self.blocks.borrow_mut());
        while !bytes.is_empty() {
            let (count, part) = frames.step(bytes);
            let (these, rest) = bytes.split_at_mut(count);
            match part {
                Part::Head(Some(frame)) => {
                    self.judge(frame);
                    if let Some((first, flags, length)) = frame.of_block() {
                        blocks.begin(first, flags, length);
                    }
                }
                Part::Block => blocks.pass(these),
                Part::Head(None) | Part::Other => {}
            }
            bytes = rest;
        }
        let since = frames.unfinished().then(|| self.unfinished_since.get().unwrap_or_else(Instant::now));
        self.unfinished_since.set(since);
    }

    fn judge(&self, frame: Frame) {
        if frame.begins_wrongly() {
            self.condemned.set(Some(PROTOCOL_ERROR));
        } else if frame.is_idle() && !self.budget.borrow_mut().spend() {
            self.condemn();
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin, T: Unpin> Metered<I, T> {
    /// Counts what goes over `io`, of which `first` has been read.
    pub(crate) fn new(io: I, first: BytesMut, pulse: Rc<Pulse>, tasks: Tasks, tenant: T) -> Self {
        Self { io, first, sent: Frames::from_server(), pulse, tasks, _tenant: tenant }
    }

    /// Tells the client why, if a frame can be put in here and the socket takes it: it is a courtesy.
    fn say_goodbye(&mut self, cx: &mut Context<'_>, code: u32) {
        if !self.sent.between() {
            return;
        }
        let mut frame = [0; 17];
        let words = [self.pulse.read.borrow().last_stream().to_be_bytes(), code.to_be_bytes()];
        for (to, from) in frame.iter_mut().zip(GOAWAY.iter().chain(words.as_flattened())) {
            *to = *from;
        }
        // Whether it arrives, nobody waits to learn.
        let _ = Pin::new(&mut self.io).poll_write(cx, &frame);
    }

    fn wrote(&mut self, bytes: &[u8]) {
        self.sent.follow(bytes, |frame| {
            if frame.ends_stream() {
                self.pulse.budget.borrow_mut().earn();
            }
        });
    }

    fn note_stall<U>(&self, written: &Poll<io::Result<U>>) {
        let since = written.is_pending();
        let since = since.then(|| self.pulse.stalled_since.get().unwrap_or_else(Instant::now));
        self.pulse.stalled_since.set(since);
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin, T: Unpin> AsyncRead for Metered<I, T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        if this.tasks.stop() && this.pulse.condemned.get().is_none() {
            // Woken with the whole worker when it may go on.
            return Poll::Pending;
        }
        if this.first.is_empty() && this.pulse.condemned.get().is_none() {
            std::task::ready!(Pin::new(&mut this.io).poll_read(cx, into))?;
        } else {
            let part = this.first.len().min(into.remaining());
            into.put_slice(this.first.get(..part).unwrap_or_default());
            this.first.advance(part);
            if this.first.is_empty() {
                this.first = BytesMut::new();
            }
        }
        this.pulse.came(into.filled_mut().get_mut(before..).unwrap_or_default());
        if let Some(code) = this.pulse.condemned.get() {
            this.say_goodbye(cx, code);
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin, T: Unpin> AsyncWrite for Metered<I, T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = &written {
            this.wrote(bytes.get(..*count).unwrap_or_default());
        }
        this.note_stall(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        if let Poll::Ready(Ok(count)) = &written {
            let mut left = *count;
            for slice in slices {
                let part = slice.get(..left.min(slice.len())).unwrap_or_default();
                left -= part.len();
                this.wrote(part);
            }
        }
        this.note_stall(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.io).poll_flush(cx);
        this.note_stall(&flushed);
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

//! One JSON line a request.
//!
//! Written by hand into a buffer of the worker: a logging framework costs ten times as much per line, and this is the one
//! line that every request pays for.

use serde::Serialize;
use std::cell::RefCell;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// A buffer this full is handed over at once.
const BUFFER_BYTES: usize = 16 * 1024;
/// Buffers waiting for the writer thread; past it lines are dropped and counted.
const QUEUE_BUFFERS: usize = 256;
/// Longest text in a field; a client cannot make a line longer than about 8 KiB.
const TEXT_BYTES_MAX: usize = 1024;

/// The fields of an access line. Absent ones are left out.
#[derive(Debug, Default, Serialize)]
pub struct AccessLine<'a> {
    /// RFC 3339, UTC.
    pub time: &'a str,
    /// Our name of the request.
    pub request_id: &'a str,
    /// The client's own, if it sent one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_request_id: Option<&'a str>,
    /// The client's address.
    pub client: &'a str,
    /// Method.
    pub method: &'a str,
    /// Host, canonical.
    pub host: &'a str,
    /// Path without the query, which may hold secrets.
    pub path: &'a str,
    /// The route's pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<&'a str>,
    /// `forwarded`, `refused` or `answered` (by ourselves, without a refusal).
    pub decision: &'a str,
    /// `open`, `absent`, `rejected`, `verified` or `unknown` (the store could not be asked).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<&'a str>,
    /// The refusal's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<&'a str>,
    /// Why the session was not accepted, or what failed behind the refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// Whether another site's page made it and `csrf = "log"` let it through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross_site: Option<bool>,
    /// The session profile that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<&'a str>,
    /// The session's fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<&'a str>,
    /// Key id of the token that was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<&'a str>,
    /// Id of the token that was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<&'a str>,
    /// The upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<&'a str>,
    /// Status sent to the client.
    pub status: u16,
    /// Microseconds from the parsed head to the head of the answer.
    pub micros: u64,
}

/// A worker's end of the access log.
#[derive(Debug)]
pub struct AccessLog {
    buffer: RefCell<Vec<u8>>,
    sink: AccessSink,
}

/// The way to the writer thread; one per process, cloned per worker.
#[derive(Clone, Debug)]
pub struct AccessSink {
    queue: Option<SyncSender<Vec<u8>>>,
    dropped: Arc<AtomicU64>,
}

impl AccessSink {
    /// A sink and the loop that a thread runs to write what comes.
    pub fn new(out: impl Write + Send + 'static) -> (Self, impl FnOnce() + Send) {
        let (queue, lines) = sync_channel(QUEUE_BUFFERS);
        let sink = Self { queue: Some(queue), dropped: Arc::default() };
        (sink, move || write_all(&lines, out))
    }

    /// A sink that keeps nothing.
    pub fn none() -> Self {
        Self { queue: None, dropped: Arc::default() }
    }

    /// Buffers dropped because the writer was behind or gone.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

fn write_all(lines: &Receiver<Vec<u8>>, mut out: impl Write) {
    while let Ok(buffer) = lines.recv() {
        // A log that cannot be written is no reason to stop serving.
        let _ = out.write_all(&buffer).and_then(|()| out.flush());
    }
}

impl AccessLog {
    /// A log that hands its lines to `sink`.
    pub const fn new(sink: AccessSink) -> Self {
        Self { buffer: RefCell::new(Vec::new()), sink }
    }

    /// Whether lines are kept at all.
    pub const fn is_on(&self) -> bool {
        self.sink.queue.is_some()
    }

    /// Adds a line.
    pub fn write(&self, line: &AccessLine<'_>) {
        let mut buffer = self.buffer.borrow_mut();
        let start = buffer.len();
        if serde_json::to_writer(&mut *buffer, line).is_err() {
            buffer.truncate(start);
            return;
        }
        buffer.push(b'\n');
        if buffer.len() >= BUFFER_BYTES {
            let full = std::mem::replace(&mut *buffer, Vec::with_capacity(BUFFER_BYTES + 1024));
            drop(buffer);
            self.hand_over(full);
        }
    }

    /// Hands over what is there; called by the worker's timer and at its end.
    pub fn flush(&self) {
        let lines = std::mem::take(&mut *self.buffer.borrow_mut());
        if !lines.is_empty() {
            self.hand_over(lines);
        }
    }

    fn hand_over(&self, lines: Vec<u8>) {
        let sent = self.sink.queue.as_ref().is_some_and(|queue| queue.try_send(lines).is_ok());
        if !sent {
            self.sink.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<'a> AccessLine<'a> {
    /// A client's text cut to what a line may hold. JSON escapes controls, so one request is one line whatever it says.
    pub fn clip(text: &'a str) -> &'a str {
        let end = text.floor_char_boundary(TEXT_BYTES_MAX);
        text.get(..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sends_stays_in_its_field_and_line() {
        let (sink, write) = AccessSink::new(std::io::sink());
        drop(write);
        let log = AccessLog::new(sink);
        log.write(&AccessLine { path: "/a\r\n{\"forged\":1}\u{1b}[2J", ..AccessLine::default() });
        let buffer = log.buffer.borrow();
        assert_eq!(buffer.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert!(!buffer.contains(&0x1b));
    }

    #[test]
    fn a_writer_that_is_gone_costs_lines_and_not_requests() {
        let (sink, write) = AccessSink::new(std::io::sink());
        drop(write);
        let log = AccessLog::new(sink.clone());
        log.write(&AccessLine::default());
        log.flush();
        assert_eq!(sink.dropped(), 1);
    }

    #[test]
    fn long_text_is_clipped_at_a_character() {
        let text = "é".repeat(1000);
        assert_eq!(AccessLine::clip(&text).len(), 1024);
    }
}

//! One JSON line a request.
//!
//! Written by hand into a buffer of the worker: a logging framework costs ten times as much per line, and this is the one
//! line that every request pays for. Text with nothing to escape is copied; all else is serde_json's.

use crate::clock::UnixMillis;
use serde::Serialize;
use std::cell::{Cell, RefCell};
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
#[derive(Debug)]
pub struct AccessLine<'a> {
    /// When it came.
    pub time: UnixMillis,
    /// Our name of the request.
    pub request_id: &'a str,
    /// The client's own, if it sent one.
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
    pub route: Option<&'a str>,
    /// `forwarded`, `refused`, `answered` (by ourselves, without a refusal), or `closed`: a second line of a stream that ended with
    /// its session.
    pub decision: &'a str,
    /// What one of our own endpoints did, as `rotated`.
    pub own: Option<&'a str>,
    /// `open`, `absent`, `rejected`, `verified` or `unknown` (the store could not be asked).
    pub verdict: Option<&'a str>,
    /// The refusal's code.
    pub refusal: Option<&'a str>,
    /// Why the session was not accepted, or what failed behind the refusal.
    pub reason: Option<&'a str>,
    /// What let it pass, or would have, while its store could not be asked: `serve_known` or `anonymous`.
    pub outage: Option<&'a str>,
    /// What the route's rules would have made of it, where they are not enforced: `token`, `anonymous`, or why it would have been refused.
    pub would: Option<&'a str>,
    /// Where its session came from: `cache` (within the lease), `store`, or `known` (an outage).
    pub session_from: Option<&'a str>,
    /// Whether another site's page made it and `csrf = "log"` let it through.
    pub cross_site: Option<bool>,
    /// The session profile that decided.
    pub profile: Option<&'a str>,
    /// The issuer whose bearer decided.
    pub issuer: Option<&'a str>,
    /// The session's fingerprint.
    pub sid: Option<&'a str>,
    /// Key id of the token that was sent.
    pub kid: Option<&'a str>,
    /// Id of the token that was sent.
    pub jti: Option<&'a str>,
    /// Whether a transaction token was sent, whose `txn` is the request's id.
    pub txn: bool,
    /// The upstream.
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
    second: Cell<Second>,
    sink: AccessSink,
}

/// A second since the epoch and its date as text, `2026-11-21T01:02:03.`: written once, used by all lines in it.
#[derive(Clone, Copy, Debug)]
struct Second(u64, [u8; 20]);

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
        Self {
            buffer: RefCell::new(Vec::new()),
            second: Cell::new(Second(0, *b"1970-01-01T00:00:00.")),
            sink,
        }
    }

    /// Whether lines are kept at all.
    pub const fn is_on(&self) -> bool {
        self.sink.queue.is_some()
    }

    /// Adds a line.
    pub fn write(&self, line: &AccessLine<'_>) {
        let second = self.second_of(line.time);
        let mut buffer = self.buffer.borrow_mut();
        line.push(&mut buffer, &second);
        if buffer.len() >= BUFFER_BYTES {
            let full = std::mem::replace(&mut *buffer, Vec::with_capacity(BUFFER_BYTES + 1024));
            drop(buffer);
            self.hand_over(full);
        }
    }

    fn second_of(&self, time: UnixMillis) -> Second {
        let Second(held, _) = self.second.get();
        if held != time.as_secs() {
            let mut date = [b'0'; 20];
            date.iter_mut().zip(time.rfc3339().bytes()).for_each(|(place, byte)| *place = byte);
            self.second.set(Second(time.as_secs(), date));
        }
        self.second.get()
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

    fn push(&self, out: &mut Vec<u8>, Second(_, date): &Second) {
        out.extend_from_slice(b"{\"time\":\"");
        out.extend_from_slice(date);
        let millis = self.time.as_millis() % 1000;
        for digit in [millis / 100, millis / 10 % 10, millis % 10] {
            out.push(b'0' + u8::try_from(digit).unwrap_or_default());
        }
        out.extend_from_slice(b"Z\"");
        push_text(out, ",\"request_id\":", Some(self.request_id));
        push_text(out, ",\"client_request_id\":", self.client_request_id);
        push_text(out, ",\"client\":", Some(self.client));
        push_text(out, ",\"method\":", Some(self.method));
        push_text(out, ",\"host\":", Some(self.host));
        push_text(out, ",\"path\":", Some(self.path));
        push_text(out, ",\"route\":", self.route);
        push_text(out, ",\"decision\":", Some(self.decision));
        push_text(out, ",\"own\":", self.own);
        push_text(out, ",\"verdict\":", self.verdict);
        push_text(out, ",\"refusal\":", self.refusal);
        push_text(out, ",\"reason\":", self.reason);
        push_text(out, ",\"outage\":", self.outage);
        push_text(out, ",\"would\":", self.would);
        push_text(out, ",\"session_from\":", self.session_from);
        if let Some(cross_site) = self.cross_site {
            push_json(out, ",\"cross_site\":", &cross_site);
        }
        push_text(out, ",\"profile\":", self.profile);
        push_text(out, ",\"issuer\":", self.issuer);
        push_text(out, ",\"sid\":", self.sid);
        push_text(out, ",\"kid\":", self.kid);
        push_text(out, ",\"jti\":", self.jti);
        if self.txn {
            out.extend_from_slice(b",\"txn\":true");
        }
        push_text(out, ",\"upstream\":", self.upstream);
        push_json(out, ",\"status\":", &self.status);
        push_json(out, ",\"micros\":", &self.micros);
        out.extend_from_slice(b"}\n");
    }
}

fn push_text(out: &mut Vec<u8>, key: &str, value: Option<&str>) {
    let Some(value) = value else { return };
    if value.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
        out.extend_from_slice(key.as_bytes());
        out.push(b'"');
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    } else {
        push_json(out, key, value);
    }
}

/// Whether a byte stands for itself in a JSON text (RFC 8259 §7), with DEL and all beyond ASCII left to serde_json.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) & (byte != b'"') & (byte != b'\\')
}

fn push_json(out: &mut Vec<u8>, key: &str, value: &(impl Serialize + ?Sized)) {
    out.extend_from_slice(key.as_bytes());
    // Neither a text nor a number can fail, nor can writing to a vector.
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINE: AccessLine<'static> = AccessLine {
        time: UnixMillis::new(1_000_000_000_007),
        request_id: "r",
        client_request_id: None,
        client: "192.0.2.7",
        method: "GET",
        host: "a.test",
        path: "/",
        route: None,
        decision: "forwarded",
        own: None,
        verdict: None,
        refusal: None,
        reason: None,
        outage: None,
        would: None,
        session_from: None,
        cross_site: None,
        profile: None,
        issuer: None,
        sid: None,
        kid: None,
        jti: None,
        txn: false,
        upstream: None,
        status: 200,
        micros: 42,
    };

    fn written(log: &AccessLog, line: &AccessLine<'_>) -> String {
        log.buffer.borrow_mut().clear();
        log.write(line);
        String::from_utf8(log.buffer.borrow().clone()).unwrap()
    }

    fn log() -> AccessLog {
        AccessLog::new(AccessSink::none())
    }

    proptest! {
        #[test]
        fn what_a_client_sends_stays_in_its_field_and_line(path in any::<String>()) {
            let text = written(&log(), &AccessLine { path: &path, ..LINE });
            let line: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(line["path"].as_str(), Some(path.as_str()));
            prop_assert_eq!(text.bytes().filter(|byte| *byte < 0x20).count(), 1);
        }
    }

    #[test]
    fn absent_fields_are_left_out() {
        assert_eq!(
            written(&log(), &LINE),
            "{\"time\":\"2001-09-09T01:46:40.007Z\",\"request_id\":\"r\",\"client\":\"192.0.2.7\",\"method\":\"GET\",\
             \"host\":\"a.test\",\"path\":\"/\",\"decision\":\"forwarded\",\"status\":200,\"micros\":42}\n"
        );
    }

    #[test]
    fn each_line_has_its_own_time() {
        let log = log();
        for millis in [1_000_000_000_999, 1_000_000_001_000, 1_000_000_000_010] {
            let time = UnixMillis::new(millis);
            let line = written(&log, &AccessLine { time, ..LINE });
            assert!(line.contains(&time.rfc3339()), "{line}");
        }
    }

    #[test]
    fn a_writer_that_is_gone_costs_lines_and_not_requests() {
        let (sink, write) = AccessSink::new(std::io::sink());
        drop(write);
        let log = AccessLog::new(sink.clone());
        log.write(&LINE);
        log.flush();
        assert_eq!(sink.dropped(), 1);
    }

    #[test]
    fn long_text_is_clipped_at_a_character() {
        let text = "é".repeat(1000);
        assert_eq!(AccessLine::clip(&text).len(), 1024);
    }
}

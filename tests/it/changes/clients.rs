//! Clients that never rest, and what they saw. Each obeys what HTTP says and forgives nothing beyond that.

use crate::changes::services::{MESSAGE, handshake};
use crate::support::h2::{
    self, ACK, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, H2, HEADERS, PING, RST_STREAM, SETTINGS,
    WINDOW_UPDATE,
};
use crate::support::{Ask, Client};
use std::collections::HashMap;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Streams that are open at once.
const STREAMS: u32 = 8;

/// A close frame with 1001 and the gateway's reason.
const GOING_AWAY: [u8; 4] = [0x88, 23, 0x03, 0xe9];

/// What the clients saw.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) over: AtomicBool,
    kinds: Mutex<HashMap<&'static str, (usize, Duration)>>,
    answered: AtomicUsize,
    failed: Mutex<Vec<String>>,
    /// WebSockets that the gateway ended, as RFC 6455 has it.
    parted: AtomicUsize,
    /// The last field block of an answer to a call that went well.
    trailers: Mutex<Option<Vec<u8>>>,
}

impl Seen {
    pub(super) fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Whether there is anything left to find out.
    pub(super) fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed) && self.failed.lock().unwrap().len() < 10
    }

    pub(super) fn report(&self, took: Duration) -> String {
        let answered = self.answered();
        let rate = answered as f64 / took.as_secs_f64();
        let failed = self.failed.lock().unwrap().len();
        let parted = self.parted.load(Ordering::Relaxed);
        let kinds = self.kinds.lock().unwrap();
        let mut kinds: Vec<String> = kinds
            .iter()
            .map(|(kind, (count, slowest))| format!("{kind} {count} (slowest {slowest:.0?})"))
            .collect();
        kinds.sort();
        format!(
            "{answered} answered, {rate:.0} a second, {failed} failed, {parted} WebSockets told to go; {}",
            kinds.join(", ")
        )
    }

    /// Nothing failed, every kind was there, and WebSockets ended with their process at most.
    pub(super) fn judge(&self, partings: usize) {
        let failed = self.failed.lock().unwrap();
        assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), self.answered());
        assert_eq!(self.kinds.lock().unwrap().len(), 4);
        assert!(self.parted.load(Ordering::Relaxed) <= partings);
    }

    fn note(&self, kind: &'static str, since: Instant, result: Result<usize, String>) -> bool {
        match result {
            Ok(count) => {
                let mut kinds = self.kinds.lock().unwrap();
                let (all, slowest) = kinds.entry(kind).or_default();
                *all += count;
                *slowest = since.elapsed().max(*slowest);
                self.answered.fetch_add(count, Ordering::Relaxed);
                true
            }
            Err(why) => {
                self.failed.lock().unwrap().push(format!("{kind} after {:.0?}: {why}", since.elapsed()));
                false
            }
        }
    }

    /// Requests one after the other; a connection is left when it is told to end, and not before.
    pub(super) fn http1(&self, address: SocketAddr) {
        let ask = Ask::get("/x").cookie("sid=live").bytes();
        while self.goes_on() {
            let (mut client, mut stays) = (Client::connect(address), true);
            while stays && self.goes_on() {
                let since = Instant::now();
                client.send(&ask);
                let result = match client.response("GET") {
                    Some(response) if response.status == 200 && response.text() == "a token" => {
                        stays = response.header("connection") != Some("close");
                        Ok(1)
                    }
                    Some(response) => Err(format!("{} {}", response.status, response.text())),
                    None => Err("no answer".to_owned()),
                };
                stays &= self.note("h1", since, result);
            }
        }
    }

    /// Several streams at once; as calls, each with a message and trailers.
    pub(super) fn http2(&self, address: SocketAddr, calls: bool) {
        while self.goes_on() {
            let (mut client, mut first, mut stays) = (H2::connect(address), 1, true);
            while stays && self.goes_on() {
                let since = Instant::now();
                let result = self.streams(&mut client, first, calls, &mut stays);
                stays &= self.note(if calls { "gRPC" } else { "h2" }, since, result) && first < 100_000;
                first += 2 * STREAMS;
            }
        }
    }

    /// Opens so many streams, and waits for all. A GOAWAY is obeyed: what is open goes on, and nothing new is asked.
    fn streams(&self, client: &mut H2, first: u32, calls: bool, stays: &mut bool) -> Result<usize, String> {
        let mut waiting: HashMap<u32, Vec<u8>> =
            (0..STREAMS).map(|at| (first + 2 * at, Vec::new())).collect();
        client.send((0..STREAMS).flat_map(|at| question(first + 2 * at, calls)).collect::<Vec<u8>>());
        while !waiting.is_empty() {
            let Some(frame) = client.next() else { return Err(format!("{} were lost", waiting.len())) };
            match frame.kind {
                SETTINGS if frame.flags & ACK == 0 => client.send(h2::frame(SETTINGS, ACK, 0, &[])),
                PING if frame.flags & ACK == 0 => client.send(h2::frame(PING, ACK, 0, &frame.payload)),
                GOAWAY if frame.payload[4..8] == [0; 4] => *stays = false,
                GOAWAY | RST_STREAM => return Err(format!("{frame:?}")),
                DATA if !frame.payload.is_empty() => {
                    let more = u32::try_from(frame.payload.len()).unwrap().to_be_bytes();
                    client.send(h2::frame(WINDOW_UPDATE, 0, 0, &more));
                    waiting.entry(frame.stream).or_default().extend_from_slice(&frame.payload);
                }
                _ => {}
            }
            if frame.kind == HEADERS && frame.flags & END_HEADERS != 0 {
                let ends = frame.flags & END_STREAM != 0;
                if if calls && ends { !self.is_ok(&frame) } else { !is_200(&frame.payload) } {
                    return Err(format!("{frame:?}"));
                }
            }
            if matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0 {
                let answer = waiting.remove(&frame.stream);
                let expected = if calls { MESSAGE } else { b"a token" };
                if answer.as_deref() != Some(expected) || calls != (frame.kind == HEADERS) {
                    return Err(format!("{answer:?} and {frame:?}"));
                }
            }
        }
        Ok(STREAMS as usize)
    }

    /// Whether trailers are those of the first call; without a table of fields they are the same bytes every time.
    fn is_ok(&self, trailers: &Frame) -> bool {
        let mut first = self.trailers.lock().unwrap();
        *first.get_or_insert_with(|| trailers.payload.clone()) == trailers.payload
    }

    /// Messages one after the other, over one connection as long as that is not told to end.
    pub(super) fn websocket(&self, address: SocketAddr) {
        let mut at = 0_u32;
        while self.goes_on() {
            let mut client = Client::connect(address);
            client.send(handshake());
            let status = client.head().map(|head| head.status);
            let mut stays =
                status == Some(101) || self.note("WebSocket", Instant::now(), Err(format!("{status:?}")));
            while stays && self.goes_on() {
                let since = Instant::now();
                at += 1;
                // Masked with nothing, so that it comes back as it went.
                let message = [&[0x82, 0x84, 0, 0, 0, 0][..], &at.to_be_bytes()].concat();
                client.send(&message);
                let result = match returned(&mut client) {
                    Ok(frame) if frame.starts_with(&GOING_AWAY) => {
                        self.parted.fetch_add(1, Ordering::Relaxed);
                        break;
                    }
                    Ok(frame) if frame == message => Ok(1),
                    other => Err(format!("{other:?}")),
                };
                stays = self.note("WebSocket", since, result);
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// The next frame: what was sent, or a close frame.
fn returned(client: &mut Client) -> std::io::Result<Vec<u8>> {
    let mut frame = vec![0; 2];
    client.reader().read_exact(&mut frame)?;
    let masked = if frame[1] & 0x80 == 0 { 0 } else { 4 };
    frame.resize(2 + masked + usize::from(frame[1] & 0x7f), 0);
    client.reader().read_exact(&mut frame[2..])?;
    Ok(frame)
}

fn question(stream: u32, calls: bool) -> Vec<u8> {
    let path = if calls { "/load.Calls/Echo" } else { "/x" };
    let mut fields = h2::request(if calls { "POST" } else { "GET" }, path);
    fields.push(("cookie", "sid=live"));
    if !calls {
        return h2::headers(stream, END_STREAM, &fields);
    }
    fields.extend([("content-type", "application/grpc"), ("te", "trailers")]);
    [h2::headers(stream, 0, &fields), h2::frame(DATA, END_STREAM, stream, MESSAGE)].concat()
}

/// `:status: 200` is one byte, and the first behind a change of the table's size.
fn is_200(payload: &[u8]) -> bool {
    payload.iter().find(|byte| **byte & 0xe0 != 0x20) == Some(&0x88)
}

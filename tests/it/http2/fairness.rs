//! Bodies that nobody takes hold up nobody else, though they share a connection and its window.

use crate::http2::bodies::{before, follow};
use crate::support::h2::{
    ACK, DATA, END_STREAM, End, Frame, H2, HEADERS, SETTINGS, WINDOW_UPDATE, frame, headers, hello, request,
};
use crate::support::{Upstream, eventually};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Bodies that are not taken, and how much of each may be on its way.
const STALLED: u32 = 16;
const WINDOW_BYTES: u32 = 256 * 1024;
const FRAME_BYTES: u32 = 16 * 1024;
/// The window of a connection before anybody widens it (RFC 9113 §6.9.2).
const FIRST_WINDOW_BYTES: u32 = 65_535;
/// Settings that give streams no window.
const CLOSED: [u8; 6] = [0, 4, 0, 0, 0, 0];

fn widened(stream: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &(1_u32 << 24).to_be_bytes())
}

/// By how much a frame widens the connection's window.
fn grant(frame: &Frame) -> u32 {
    match frame.payload.first_chunk() {
        Some(bytes) if frame.kind == WINDOW_UPDATE && frame.stream == 0 => u32::from_be_bytes(*bytes),
        _ => 0,
    }
}

fn ends(frame: &Frame) -> bool {
    matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0
}

/// Gives the first so many bodies no window, and the others all that they want.
pub(crate) fn choosy(refused: u32, begun: Arc<AtomicU32>) -> Upstream {
    Upstream::playing(move |wire| {
        wire.say([frame(SETTINGS, 0, 0, &CLOSED), frame(SETTINGS, ACK, 0, &[]), widened(0)].concat());
        follow(wire, |wire, frame| {
            if frame.kind == HEADERS && begun.fetch_add(1, Ordering::SeqCst) >= refused {
                wire.say(widened(frame.stream));
            }
            if ends(&frame) {
                wire.say(headers(frame.stream, END_STREAM, &[(":status", "200")]));
            }
        });
    })
}

/// A client that sends no more than it may.
pub(crate) struct Sender {
    pub(crate) client: H2,
    window: u32,
}

impl Sender {
    /// Takes the gateway's settings on, and waits until the connection is as wide as it will be; `None` if that hangs up.
    pub(crate) fn new(mut client: H2) -> Option<Self> {
        let mut window = FIRST_WINDOW_BYTES;
        while window == FIRST_WINDOW_BYTES {
            let frame = client.next()?;
            window += grant(&frame);
            if frame.kind == SETTINGS && frame.flags & ACK == 0 {
                client.send(self::frame(SETTINGS, ACK, 0, &[]));
            }
        }
        Some(Self { client, window })
    }

    fn post(&mut self, stream: u32, path: &str, bytes: u32, flags: u8) {
        self.client.send(headers(stream, 0, &request("POST", path)));
        for at in 0..bytes / FRAME_BYTES {
            while self.window < FRAME_BYTES {
                self.window += grant(&self.client.next().unwrap());
            }
            self.window -= FRAME_BYTES;
            let flags = if (at + 1) * FRAME_BYTES == bytes { flags } else { 0 };
            self.client.send(frame(DATA, flags, stream, &[0; FRAME_BYTES as usize]));
        }
    }
}

#[test]
fn uploads_that_their_service_does_not_read_hold_up_no_other() {
    let begun = Arc::<AtomicU32>::default();
    let upstream = choosy(STALLED, begun.clone());
    let running = before(&format!("h2c://{}", upstream.address()), "body_timeout = \"10m\"");
    let mut sender = Sender::new(H2::connect(running.gateway.public)).unwrap();
    for at in 0..STALLED {
        sender.post(at * 2 + 1, "/stalled", WINDOW_BYTES, 0);
    }
    eventually("all have begun", || (begun.load(Ordering::SeqCst) == STALLED).then_some(()));
    let good = STALLED * 2 + 1;
    sender.post(good, "/good", WINDOW_BYTES, END_STREAM);
    assert_eq!(sender.client.end_of(good), End::Answer(200, Vec::new()));
}

/// Sends as much of the first answers as it may, and behind them the others.
fn generous(said: Arc<AtomicU32>) -> Upstream {
    Upstream::playing(move |wire| {
        wire.say([frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, ACK, 0, &[])].concat());
        let (mut window, mut begun, mut waiting) = (FIRST_WINDOW_BYTES, 0, VecDeque::new());
        follow(wire, |wire, frame| {
            window += grant(&frame);
            if frame.kind == HEADERS {
                begun += 1;
                wire.say(headers(frame.stream, 0, &[(":status", "200")]));
                let parts = if begun <= STALLED { WINDOW_BYTES / FRAME_BYTES } else { 1 };
                waiting.extend((0..parts).map(|_| (frame.stream, begun > STALLED)));
            }
            while window >= FRAME_BYTES
                && let Some((stream, last)) = waiting.pop_front()
            {
                window -= FRAME_BYTES;
                let flags = if last { END_STREAM } else { 0 };
                wire.say(self::frame(DATA, flags, stream, &[0; FRAME_BYTES as usize]));
                said.fetch_add(1, Ordering::SeqCst);
            }
        });
    })
}

/// Whoever they are for: a connection to a service is shared by all clients.
#[test]
fn answers_that_their_client_does_not_read_hold_up_no_other() {
    let said = Arc::<AtomicU32>::default();
    let upstream = generous(said.clone());
    let running = before(&format!("h2c://{}", upstream.address()), "");
    let mut deaf = H2::silent(running.gateway.public);
    deaf.send([hello(), frame(SETTINGS, 0, 0, &CLOSED)].concat());
    for at in 0..STALLED {
        deaf.send(headers(at * 2 + 1, END_STREAM, &request("GET", "/stalled")));
    }
    let all = STALLED * WINDOW_BYTES / FRAME_BYTES;
    eventually("all is on its way", || (said.load(Ordering::SeqCst) == all).then_some(()));
    let mut good = H2::connect(running.gateway.public);
    assert_eq!(good.get(1, "/good"), End::Answer(200, vec![0; FRAME_BYTES as usize]));
    drop(deaf);
}

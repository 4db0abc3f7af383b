//! An upstream made of raw sockets: it plays a script and records every byte that it gets.

use crate::support::wire::{Parsed, Request, head_end, parse_request};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

type Record = Arc<Mutex<Vec<u8>>>;

/// A listening upstream.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    records: Arc<Mutex<Vec<Record>>>,
    players: Arc<Mutex<Vec<JoinHandle<()>>>>,
    closed: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

/// One connection to it, as its script sees it.
#[derive(Debug)]
pub(crate) struct Wire {
    /// Until it is reset.
    stream: Option<TcpStream>,
    pending: Vec<u8>,
    record: Record,
}

impl Upstream {
    /// Plays `script` on every connection.
    pub(crate) fn playing(script: impl Fn(&mut Wire) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (records, players, closed) = (
            Arc::<Mutex<Vec<Record>>>::default(),
            Arc::<Mutex<Vec<_>>>::default(),
            Arc::<AtomicBool>::default(),
        );
        let (script, seen) = (Arc::new(script), (records.clone(), players.clone(), closed.clone()));
        let acceptor = std::thread::spawn(move || {
            let (records, players, closed) = seen;
            for stream in listener.incoming().map_while(Result::ok) {
                if closed.load(Ordering::SeqCst) {
                    return;
                }
                let record = Record::default();
                records.lock().unwrap().push(record.clone());
                let mut wire = Wire { stream: Some(stream), pending: Vec::new(), record };
                let script = script.clone();
                players.lock().unwrap().push(std::thread::spawn(move || {
                    script(&mut wire);
                    wire.hear_out();
                }));
            }
        });
        Self { address, records, players, closed, acceptor: Some(acceptor) }
    }

    /// Answers every request with 200 and a copy of the request itself as the body.
    pub(crate) fn echoing() -> Self {
        Self::playing(|wire| {
            while let Some(request) = wire.request() {
                wire.say(answer_with(&request, &copy_of(&request)));
            }
        })
    }

    /// Answers every request with these bytes.
    pub(crate) fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::playing(move |wire| {
            while wire.request().is_some() {
                wire.say(&bytes);
            }
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came so far, by connection.
    pub(crate) fn bytes(&self) -> Vec<Vec<u8>> {
        self.records.lock().unwrap().iter().map(|record| record.lock().unwrap().clone()).collect()
    }

    /// The whole requests that came so far, by connection.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.bytes().iter().flat_map(|bytes| requests_in(bytes)).collect()
    }

    /// Waits until every connection has ended, and returns all bytes. The gateway must have ended.
    pub(crate) fn finish(mut self) -> Vec<Vec<u8>> {
        self.close();
        for player in std::mem::take(&mut *self.players.lock().unwrap()) {
            player.join().unwrap();
        }
        self.bytes()
    }

    fn close(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes the acceptor.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.close();
    }
}

impl Wire {
    /// The next whole request; `None` at the end, or if no request can be read from what came.
    pub(crate) fn request(&mut self) -> Option<Request> {
        loop {
            match parse_request(&self.pending) {
                Parsed::Whole(request, used) => {
                    self.pending.drain(..used);
                    return Some(request);
                }
                Parsed::Part(_) if self.more() => {}
                Parsed::Part(_) | Parsed::Wrong(_) => return None,
            }
        }
    }

    /// The next head, without its body; what follows is for [`Wire::read`].
    pub(crate) fn head(&mut self) -> Option<Request> {
        loop {
            if let Some(end) = head_end(&self.pending) {
                let head = match parse_request(&self.pending[..end]) {
                    Parsed::Whole(head, _) | Parsed::Part(Some(head)) => Some(head),
                    Parsed::Part(None) | Parsed::Wrong(_) => None,
                };
                self.pending.drain(..end);
                return head;
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// Some bytes; empty at the end.
    pub(crate) fn read(&mut self) -> Vec<u8> {
        if self.pending.is_empty() {
            self.more();
        }
        std::mem::take(&mut self.pending)
    }

    /// Sends back whatever comes, to the end.
    pub(crate) fn echo(&mut self) {
        loop {
            let bytes = self.read();
            if bytes.is_empty() {
                return;
            }
            self.say(bytes);
        }
    }

    /// Sends; a gateway that hung up is its own business.
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        if let Some(stream) = &mut self.stream {
            let _ = stream.write_all(bytes.as_ref());
        }
    }

    /// Hangs up, both ways.
    pub(crate) fn hang_up(&self) {
        if let Some(stream) = &self.stream {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Resets the connection: what was said and not read yet may be lost.
    pub(crate) fn reset(&mut self) {
        if let Some(stream) = self.stream.take() {
            socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        }
    }

    /// The socket itself, for bodies too large to be recorded.
    pub(crate) fn socket(&mut self) -> (&mut TcpStream, Vec<u8>) {
        let pending = std::mem::take(&mut self.pending);
        (self.stream.as_mut().expect("a connection that was not reset"), pending)
    }

    /// Records what comes until the other side hangs up.
    pub(crate) fn hear_out(&mut self) {
        while self.more() {}
    }

    fn more(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        let Some(stream) = &mut self.stream else { return false };
        let read = stream.read(&mut chunk).unwrap_or(0);
        self.record.lock().unwrap().extend_from_slice(&chunk[..read]);
        self.pending.extend_from_slice(&chunk[..read]);
        read > 0
    }
}

/// A 200 with this body, or with its length alone if the request was a HEAD.
pub(crate) fn answer_with(request: &Request, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    if request.method != "HEAD" {
        answer.extend_from_slice(body);
    }
    answer
}

/// A request as text again.
fn copy_of(request: &Request) -> Vec<u8> {
    let mut copy = format!("{} {}\n", request.method, request.target).into_bytes();
    for (name, value) in &request.headers {
        copy.extend(format!("{}: {value}\n", name.to_ascii_lowercase()).into_bytes());
    }
    copy.push(b'\n');
    copy.extend_from_slice(&request.body);
    copy
}

/// The whole requests at the start of these bytes.
fn requests_in(bytes: &[u8]) -> Vec<Request> {
    let (mut at, mut found) = (0, Vec::new());
    while let Parsed::Whole(request, used) = parse_request(&bytes[at..]) {
        found.push(request);
        at += used;
    }
    found
}

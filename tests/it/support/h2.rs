//! An HTTP/2 client that sends exactly the frames it is given. Fields go out as literals without a table, so that a test
//! says every byte; of an answer's fields only the status is read.

use crate::support::PATIENCE;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const PRIORITISED: u8 = 0x20;

/// A connection to the gateway.
#[derive(Debug)]
pub(crate) struct H2 {
    stream: TcpStream,
    read: Vec<u8>,
    /// Frames of streams whose end was not asked for yet.
    aside: Vec<Frame>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// How a stream, or its connection, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Status and body.
    Answer(u16, Vec<u8>),
    Reset(u32),
    Goaway(u32),
    Closed,
}

impl H2 {
    /// Connects and says hello.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let mut client = Self::silent(address);
        client.send(hello());
        client
    }

    /// Connects and says nothing.
    pub(crate) fn silent(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new(), aside: Vec::new() }
    }

    /// Sends; a gateway that hung up already shows in what is read.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// The next frame; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let mut chunk = [0; 16 * 1024];
        loop {
            if let Some((head, rest)) = self.read.split_at_checked(9) {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                if rest.len() >= length {
                    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                    let frame =
                        Frame { kind: head[3], flags: head[4], stream, payload: rest[..length].to_vec() };
                    self.read.drain(..9 + length);
                    return Some(frame);
                }
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.read.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("the connection hangs: {error}"),
            }
        }
    }

    /// How `stream` ends. Settings and pings are answered on the way.
    pub(crate) fn end_of(&mut self, stream: u32) -> End {
        let (mut status, mut body) = (0, Vec::new());
        loop {
            let kept = self.aside.iter().position(|frame| frame.stream == stream);
            let frame = kept.map(|at| self.aside.remove(at)).or_else(|| self.next());
            let Some(frame) = frame else { return End::Closed };
            match frame.kind {
                SETTINGS if frame.flags & ACK == 0 => self.send(self::frame(SETTINGS, ACK, 0, &[])),
                PING if frame.flags & ACK == 0 => self.send(self::frame(PING, ACK, 0, &frame.payload)),
                GOAWAY => match word(&frame.payload, 4) {
                    // The gentle one: streams go on.
                    0 => {}
                    code => return End::Goaway(code),
                },
                RST_STREAM if frame.stream == stream => return End::Reset(word(&frame.payload, 0)),
                HEADERS if frame.stream == stream && status == 0 => status = status_of(&frame.payload),
                DATA if frame.stream == stream => body.extend_from_slice(&frame.payload),
                // Whose turn comes: answers keep no order.
                HEADERS | DATA | RST_STREAM if frame.stream != stream => {
                    self.aside.push(frame);
                    continue;
                }
                _ => {}
            }
            let ends = matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0;
            if ends && frame.stream == stream {
                return End::Answer(status, body);
            }
        }
    }

    /// Sends a request without a body and waits for its end.
    pub(crate) fn get(&mut self, stream: u32, path: &str) -> End {
        self.send(headers(stream, END_STREAM, &request("GET", path)));
        self.end_of(stream)
    }

    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        &mut self.stream
    }
}

fn word(payload: &[u8], at: usize) -> u32 {
    payload[at..at + 4].iter().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// The preface, and settings that forbid the gateway a table of its own for its fields.
pub(crate) fn hello() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0])].concat()
}

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A whole HEADERS frame.
pub(crate) fn headers(stream: u32, flags: u8, fields: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, &block(fields))
}

/// The pseudo-fields of a plain request.
pub(crate) fn request<'a>(method: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![(":method", method), (":scheme", "http"), (":authority", "gw.test"), (":path", path)]
}

/// Fields as literals without indexing (RFC 7541 §6.2.2), in the order given.
pub(crate) fn block(fields: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name.as_ref(), value.as_ref()] {
            integer(text.len(), 7, 0, &mut block);
            block.extend_from_slice(text);
        }
    }
    block
}

/// RFC 7541 §5.1.
pub(crate) fn integer(mut value: usize, bits: u32, first: u8, into: &mut Vec<u8>) {
    let most = (1 << bits) - 1;
    if value < most {
        return into.push(first | value as u8);
    }
    into.push(first | most as u8);
    value -= most;
    while value >= 128 {
        into.push((value % 128 + 128) as u8);
        value /= 128;
    }
    into.push(value as u8);
}

/// The status at the start of a block: from the static table, or a literal of Huffman-coded digits.
fn status_of(block: &[u8]) -> u16 {
    let block = &block[block.iter().take_while(|byte| **byte & 0xe0 == 0x20).count()..];
    match block[0] {
        indexed @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        dynamic @ 0xbe.. => panic!("a status from the dynamic table: {dynamic:#x}"),
        _ if block[1] & 0x80 == 0 => String::from_utf8_lossy(&block[2..5]).parse().unwrap(),
        _ => {
            let bytes = &block[2..2 + usize::from(block[1] & 0x7f)];
            let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
            huffman_digits(&bits)
        }
    }
}

fn huffman_digits(mut bits: &str) -> u16 {
    let codes =
        ["00000", "00001", "00010", "011001", "011010", "011011", "011100", "011101", "011110", "011111"];
    let mut number = 0;
    while let Some((digit, code)) = (0..).zip(codes).find(|(_, code)| bits.starts_with(code)) {
        number = number * 10 + digit;
        bits = &bits[code.len()..];
    }
    number
}

//! Whom a balancer before us speaks for: the PROXY protocol, versions 1 and 2.
//!
//! It says so before the first byte of TLS or HTTP, so exactly the header is taken off the socket. What it says decides who
//! the client is, for rates, logs and services: it is believed from `server.trusted_proxies` alone, and without it nobody
//! gets in. A header that names no address of the internet (`UNKNOWN`, a Unix socket) leaves the balancer's own as the
//! client's, without what it could vouch for in header fields: those are a stranger's. `LOCAL` is the balancer itself.

use std::io;

use ipnet::IpNet;
use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::request::Conn;

const V1: &[u8] = b"PROXY ";
const V1_BYTES_MAX: usize = 107;
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Addresses take 216 bytes at most. The rest are notes that nobody reads here, of which real balancers send some hundreds.
const V2_BYTES_MAX: usize = 4096;
/// The second half of the byte behind the signature, as the balancer's own connection has it.
const V2_LOCAL: u8 = 0x20;
/// The shortest that tells its length.
const V2_FIXED_BYTES: usize = 16;

/// Why a connection was not believed.
#[derive(Debug)]
pub(crate) enum Unproxied {
    /// It ended before its first byte: a check whether the port is open.
    Silent,
    /// It comes from nobody who may say whom it speaks for.
    Stranger,
    /// It begins otherwise.
    Missing,
    /// It is longer than any that is true.
    TooLong,
    /// It breaks its own rules, or off.
    Broken,
    /// The socket failed.
    Io(io::Error),
}

impl std::fmt::Display for Unproxied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Silent => "nothing came",
            Self::Stranger => "the peer is none of `server.trusted_proxies`",
            Self::Missing => "it begins without a PROXY header",
            Self::TooLong => "its PROXY header is too long",
            Self::Broken => "its PROXY header is broken",
            Self::Io(error) => return error.fmt(f),
        })
    }
}

/// Reads the header off `stream`, and nothing more. There is no deadline in here.
pub(crate) async fn introduced(
    stream: &mut TcpStream,
    conn: Conn,
    proxies: &[IpNet],
) -> Result<Conn, Unproxied> {
    let peer = conn.peer.ip().to_canonical();
    if !proxies.iter().any(|net| net.contains(&peer)) {
        return Err(Unproxied::Stranger);
    }
    told(&read(stream).await?, conn)
}

async fn read(stream: &mut TcpStream) -> Result<Vec<u8>, Unproxied> {
    let (mut header, mut ahead) = (Vec::new(), [0; 256]);
    loop {
        // Looked at before it is taken: what follows belongs to TLS or HTTP.
        let seen = stream.peek(&mut ahead).await.map_err(Unproxied::Io)?;
        if seen == 0 {
            return Err(if header.is_empty() { Unproxied::Silent } else { Unproxied::Broken });
        }
        let before = header.len();
        header.extend_from_slice(ahead.get(..seen).unwrap_or_default());
        let end = extent(&header)?;
        header.truncate(end.unwrap_or(usize::MAX));
        let taken = ahead.get_mut(..header.len() - before).unwrap_or_default();
        stream.read_exact(taken).await.map_err(Unproxied::Io)?;
        if end == Some(header.len()) {
            return Ok(header);
        }
    }
}

/// How long the header that `bytes` begin with is, once it shows.
pub(crate) fn extent(bytes: &[u8]) -> Result<Option<usize>, Unproxied> {
    if begins(bytes, V2) {
        let Some(&[high, low]) = bytes.get(V2_FIXED_BYTES - 2..V2_FIXED_BYTES) else { return Ok(None) };
        let length = V2_FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
        return if length > V2_BYTES_MAX { Err(Unproxied::TooLong) } else { Ok(Some(length)) };
    }
    if !begins(bytes, V1) {
        return Err(Unproxied::Missing);
    }
    match memchr::memchr(b'\n', bytes) {
        Some(at) if at < V1_BYTES_MAX => Ok(Some(at + 1)),
        None if bytes.len() < V1_BYTES_MAX => Ok(None),
        Some(_) | None => Err(Unproxied::TooLong),
    }
}

fn begins(bytes: &[u8], with: &[u8]) -> bool {
    bytes.iter().zip(with).all(|(one, other)| one == other)
}

/// The connection as `header`, which is whole, tells it.
pub(crate) fn told(header: &[u8], conn: Conn) -> Result<Conn, Unproxied> {
    // The parser takes a sign before a port, which no balancer writes.
    if header.starts_with(V1) && header.contains(&b'+') {
        return Err(Unproxied::Broken);
    }
    let parsed = ProxyHeader::parse(header, ParseConfig { include_tlvs: false, ..ParseConfig::default() });
    let (parsed, length) = parsed.map_err(|_| Unproxied::Broken)?;
    if length != header.len() {
        return Err(Unproxied::Broken);
    }
    match parsed.proxied_address() {
        Some(told) if told.protocol == Protocol::Stream => {
            Ok(Conn { peer: told.source, local: told.destination, ..conn })
        }
        Some(_) => Err(Unproxied::Broken),
        None => {
            let local = header.starts_with(V2) && header.get(V2.len()) == Some(&V2_LOCAL);
            Ok(Conn { stranger: !local, ..conn })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conn() -> Conn {
        let (peer, local) = ("10.0.0.1:9".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
        Conn::new(peer, local, false)
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [V2, &[command, family], &length, rest].concat()
    }

    /// Peer, whether the speaker is unknown, and the length; of the header that some bytes begin with.
    fn reading(bytes: &[u8]) -> Result<(String, bool, usize), Unproxied> {
        let end = extent(bytes)?.filter(|end| *end <= bytes.len()).ok_or(Unproxied::Silent)?;
        let told = told(&bytes[..end], conn())?;
        Ok((told.peer.to_string(), told.stranger, end))
    }

    #[test]
    fn what_is_no_header_is_never_taken_for_one() {
        let long = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 120], b"\r\n"].concat();
        let ports = v2(0x21, 0x12, &[0; 12]);
        for bytes in [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(),
            b"\x16\x03\x01",
            b"proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
            b"PROXYxTCP4 1.1.1.1 2.2.2.2 1 2\r\n",
            b"PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
            b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
            b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n",
            b"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n",
            b"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
            b"PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n",
            b"PROXY TCP4 ::1 ::2 1 2\r\n",
            b"PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n",
            b"PROXY \r\n",
            &long,
            &v2(0x22, 0x11, &[0; 12]),
            &v2(0x11, 0x11, &[0; 12]),
            &v2(0x21, 0x11, &[0; 11]),
            &v2(0x21, 0x21, &[0; 35]),
            &v2(0x21, 0x31, &[0; 215]),
            &v2(0x21, 0x41, &[0; 12]),
            &v2(0x21, 0x11, &[0; 5000]),
            &ports,
        ] {
            let read = reading(bytes);
            assert!(
                matches!(read, Err(Unproxied::Missing | Unproxied::Broken | Unproxied::TooLong)),
                "{bytes:?}: {read:?}"
            );
        }
    }

    #[test]
    fn addresses_are_taken_and_notes_are_skipped() {
        let v4 = [192, 0, 2, 7, 10, 0, 0, 2, 0x1f, 0x90, 0, 80];
        let noted = [&v4[..], &[0x04, 0, 2, 0, 0], &[0xee; 40]].concat();
        for (bytes, peer) in [
            (b"PROXY TCP4 192.0.2.7 10.0.0.2 8080 80\r\n".to_vec(), "192.0.2.7:8080"),
            (b"PROXY TCP6 2001:db8::7 ::1 8080 80\r\n".to_vec(), "[2001:db8::7]:8080"),
            (v2(0x21, 0x11, &v4), "192.0.2.7:8080"),
            (v2(0x21, 0x11, &noted), "192.0.2.7:8080"),
        ] {
            let followed = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(reading(&followed).unwrap(), (peer.to_owned(), false, bytes.len()));
            for cut in 0..bytes.len() {
                assert!(matches!(reading(&bytes[..cut]), Err(Unproxied::Silent)), "{cut} of {bytes:?}");
            }
        }
    }

    #[test]
    fn only_the_balancer_itself_keeps_its_own_word() {
        let ours = "10.0.0.1:9".to_owned();
        for (bytes, stranger) in [
            (b"PROXY UNKNOWN\r\n".to_vec(), true),
            (b"PROXY UNKNOWN 1.1.1.1 2.2.2.2 1 2\r\n".to_vec(), true),
            (v2(0x21, 0x00, &[]), true),
            (v2(0x21, 0x31, &[1; 216]), true),
            (v2(0x20, 0x00, &[]), false),
            (v2(0x20, 0x11, &[1; 12]), false),
        ] {
            assert_eq!(reading(&bytes).unwrap(), (ours.clone(), stranger, bytes.len()), "{bytes:?}");
        }
    }
}

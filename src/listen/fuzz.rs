//! The head guard's judgement without a socket, for `tests/fuzz`; compiled only there (`--cfg fuzzing`).

use crate::config::Limits;
use crate::listen::blocks::Blocks;
use crate::listen::proxied::{extent, told};
use crate::listen::sieve::{Awaits, Sieve, Step};
use crate::request::{Conn, ParseError};
use std::net::SocketAddr;

/// What a client's stream came to, piece by piece; neighbouring pieces of one body or tunnel are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A whole head that passed, and whether it asks for an upgrade.
    Head(Vec<u8>, bool),
    /// Bytes of a body or a tunnel.
    Body(Vec<u8>),
    /// An empty line that is dropped.
    Skipped(usize),
    /// The head is refused.
    Refused(ParseError),
    /// The body breaks its framing.
    Broken(ParseError),
    /// The stream ends inside a head, with that many bytes held.
    Waiting(usize),
}

/// The length of the PROXY header that `bytes` begin with, the client that it names, and whether that is unknown; `None`: it is not
/// whole yet.
///
/// # Errors
/// It is none.
pub fn introduce(bytes: &[u8]) -> Result<Option<(usize, (SocketAddr, bool))>, String> {
    let end = extent(bytes).map_err(|error| error.to_string())?;
    let Some(header) = end.and_then(|end| bytes.get(..end)) else { return Ok(None) };
    let balancer = SocketAddr::from(([10, 0, 0, 1], 9));
    let conn = Conn::new(balancer, balancer, false);
    let told = told(header, conn).map_err(|error| error.to_string())?;
    Ok(Some((header.len(), (told.peer, told.stranger))))
}

/// The limits [`sift`] holds a stream to; small, so that a fuzzer meets them.
pub const HEADER_BYTES: usize = 2048;
/// As [`HEADER_BYTES`], for the number of fields.
pub const HEADERS: usize = 8;

/// Shows `stream` to a sieve, in pieces of as many bytes as `cut` says (0 is taken for 1), and answers every upgrade
/// with a tunnel or not.
pub fn sift(stream: &[u8], mut cut: impl FnMut() -> usize, tunnel: bool) -> Vec<Piece> {
    let mut sieve = Sieve::new(&Limits { header_bytes: HEADER_BYTES, headers: HEADERS, ..Limits::few() });
    let (mut pieces, mut from, mut to) = (Vec::new(), 0, 0);
    loop {
        if sieve.awaits() == Awaits::Settlement {
            sieve.settle(tunnel);
        }
        let shown = stream.get(from..to).unwrap_or_default();
        let taken = |bytes: usize| shown.get(..bytes).expect("no more is taken than was shown").to_vec();
        match sieve.step(shown) {
            Step::Head { bytes, upgrade } => {
                pieces.push(Piece::Head(taken(bytes), upgrade));
                from += bytes;
            }
            Step::Pass(bytes) => {
                match pieces.last_mut() {
                    Some(Piece::Body(body)) => body.extend(taken(bytes)),
                    _ => pieces.push(Piece::Body(taken(bytes))),
                }
                from += bytes;
            }
            Step::Skip(bytes) => {
                pieces.push(Piece::Skipped(bytes));
                from += bytes;
            }
            Step::Refuse(error) => pieces.push(Piece::Refused(error)),
            Step::Break(error) => {
                pieces.push(Piece::Broken(error));
                return pieces;
            }
            Step::Hold => return pieces,
            Step::More if to == stream.len() => {
                pieces.extend((from < to).then_some(Piece::Waiting(to - from)));
                return pieces;
            }
            Step::More => to = stream.len().min(to + cut().max(1)),
        }
    }
}

/// A header block of HTTP/2 as hyper gets to see it, passed in pieces of `step` bytes (0 is taken for 1).
pub fn without_fragments(block: &[u8], step: usize) -> Vec<u8> {
    let (mut blocks, mut passed) = (Blocks::default(), block.to_vec());
    blocks.begin(true, 0, u32::try_from(block.len()).unwrap_or(u32::MAX));
    passed.chunks_mut(step.max(1)).for_each(|piece| blocks.pass(piece));
    passed
}

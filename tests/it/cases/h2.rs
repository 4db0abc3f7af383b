//! The cases of HTTP/2, those that are a target alone, and those of HTTP/1.1 that mean something there, in frames.

use crate::cases::case::{Case, EVIL};
use crate::cases::oracle::FIRST;
use crate::cases::translated::translated;
use crate::support::Response;
use crate::support::h2::{
    DATA, END_HEADERS, END_STREAM, End, H2, HEADERS, block, frame, headers, integer, request,
};
use std::net::SocketAddr;

/// Every case that can be said in HTTP/2.
pub(super) fn cases() -> Vec<Case> {
    let all = Case::all();
    let own = all.iter().filter(|case| matches!(case.proto.as_str(), "h2" | "url")).cloned();
    own.chain(all.iter().filter_map(translated)).collect()
}

/// Sends a case, and before it another request if it is to be the second; the answers to both.
pub(super) fn speak(case: &Case, second: bool, address: SocketAddr) -> (Option<Response>, Vec<Response>) {
    let mut client = H2::connect(address);
    let mut first = None;
    if second {
        let cookie = format!("sid={}", EVIL.0);
        let mut fields = request("GET", FIRST);
        fields.push(("cookie", &cookie));
        client.send(headers(1, END_STREAM, &fields));
        first = answer(client.end_of(1));
    }
    let stream = if second { 3 } else { 1 };
    client.send(frames(case, stream));
    (first, answer(client.end_of(stream)).into_iter().collect())
}

fn answer(end: End) -> Option<Response> {
    match end {
        End::Answer(status, body) => Some(Response { status, headers: Vec::new(), body }),
        End::Reset(_) | End::Goaway(_) | End::Closed => None,
    }
}

/// What a case sends: its fields, what follows them, and what its note says besides.
fn frames(case: &Case, stream: u32) -> Vec<u8> {
    let fields = case.pairs();
    match case.id.as_str() {
        "h2-trailer-auth" => [
            headers(stream, 0, &fields),
            frame(DATA, 0, stream, b"x"),
            headers(stream, END_STREAM, &[("authorization", "Bearer evil")]),
        ]
        .concat(),
        "h2-cookie-4000" => {
            // Said once and kept in the table, then named 4,000 times by one byte.
            let mut fields_once = block(&fields[..fields.len() - 1]);
            let (name, value) = &fields[fields.len() - 1];
            fields_once.push(0x40);
            for text in [name, value] {
                integer(text.len(), 7, 0, &mut fields_once);
                fields_once.extend_from_slice(text);
            }
            fields_once.extend([0xbe; 4_000]);
            frame(HEADERS, END_STREAM | END_HEADERS, stream, &fields_once)
        }
        _ if !case.trailers.is_empty() => [
            headers(stream, 0, &fields),
            frame(DATA, 0, stream, case.body.as_bytes()),
            headers(stream, END_STREAM, &case.trailers),
        ]
        .concat(),
        _ if !case.body.is_empty() => {
            [headers(stream, 0, &fields), frame(DATA, END_STREAM, stream, case.body.as_bytes())].concat()
        }
        _ => large(stream, &block(&fields)),
    }
}

/// A block that may be longer than a frame.
fn large(stream: u32, block: &[u8]) -> Vec<u8> {
    use crate::support::h2::CONTINUATION;
    let parts: Vec<&[u8]> = block.chunks(16 * 1024).collect();
    let frames = parts.iter().enumerate().map(|(at, part)| {
        let end = if at + 1 == parts.len() { END_HEADERS } else { 0 };
        let (kind, flags) = if at == 0 { (HEADERS, END_STREAM | end) } else { (CONTINUATION, end) };
        frame(kind, flags, stream, part)
    });
    frames.flatten().collect()
}

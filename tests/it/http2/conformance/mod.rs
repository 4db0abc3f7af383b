//! What RFC 9113 and RFC 7541 ask of a server, section by section, in raw frames. Each case has a connection of its own and
//! ends in one of the ways that it names; afterwards, another client must be served as before. Where an RFC names a code, the
//! general PROTOCOL_ERROR is taken too: the library says it for many, and it ends the same stream or connection.

mod connection;
mod flow;
mod frames;
mod hpack;
mod messages;

use crate::http2::echoing;
use crate::support::h2::{
    END_HEADERS, END_STREAM, End, H2, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame, headers,
    hello, request,
};
use Ends::{Connection, Good, Harmless, Refused, Stream};

pub(super) const NO_ERROR: u32 = 0;
pub(super) const PROTOCOL_ERROR: u32 = 1;
pub(super) const FLOW_CONTROL_ERROR: u32 = 3;
pub(super) const STREAM_CLOSED: u32 = 5;
pub(super) const FRAME_SIZE_ERROR: u32 = 6;
pub(super) const COMPRESSION_ERROR: u32 = 9;

/// How a case may end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ends {
    /// With a 200 on stream 1, or on the stream given.
    Good(u32),
    /// With this error for the connection, or with its end.
    Connection(u32),
    /// With one of these errors for the stream, or with one for the connection, which is always allowed.
    Stream(&'static [u32]),
    /// With a 4xx, or as a stream error.
    Refused,
    /// As it likes: the library is laxer than the RFC, in what is dropped or read one way only.
    Harmless,
}

pub(super) struct Case {
    section: &'static str,
    what: &'static str,
    bytes: Vec<u8>,
    ends: Ends,
}

/// A case behind the usual hello.
pub(super) fn case(section: &'static str, what: &'static str, frames: &[Vec<u8>], ends: Ends) -> Case {
    Case { section, what, bytes: [hello(), frames.concat()].concat(), ends }
}

/// A case that says hello itself.
pub(super) fn bare(section: &'static str, what: &'static str, bytes: Vec<u8>, ends: Ends) -> Case {
    Case { section, what, bytes, ends }
}

pub(super) fn get(stream: u32) -> Vec<u8> {
    headers(stream, END_STREAM, &request("GET", "/open/a"))
}

pub(super) fn post(stream: u32) -> Vec<u8> {
    headers(stream, 0, &request("POST", "/open/a"))
}

pub(super) fn get_block() -> Vec<u8> {
    block(&request("GET", "/open/a"))
}

/// A GET with these fields behind its pseudo-fields.
pub(super) fn with(fields: &[(&'static str, &'static str)]) -> Vec<u8> {
    let mut all = request("GET", "/open/a");
    all.extend_from_slice(fields);
    headers(1, END_STREAM, &all)
}

/// A request of these fields alone.
pub(super) fn of(fields: &[(&'static str, &'static str)]) -> Vec<u8> {
    headers(1, END_STREAM, fields)
}

pub(super) fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let bytes: Vec<u8> =
        pairs.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
    frame(SETTINGS, 0, 0, &bytes)
}

pub(super) fn update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

pub(super) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

/// A GET whose last field is these raw bytes.
pub(super) fn raw(bytes: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, 1, &[&get_block()[..], bytes].concat())
}

#[test]
fn every_section_is_kept() {
    let (_upstream, app) = echoing("");
    let address = app.gateway.public;
    let cases = [
        connection::prefaces(),
        connection::frame_format(),
        connection::frame_size(),
        connection::header_blocks(),
        connection::closed_streams(),
        connection::stream_numbers(),
        connection::idle_streams(),
        frames::data(),
        frames::requests(),
        frames::priorities(),
        frames::resets(),
        frames::continuations(),
        flow::settings_frames(),
        flow::pings_and_goodbyes(),
        flow::window_updates(),
        flow::changed_windows(),
        flow::order_of_frames(),
        messages::fields(),
        messages::pseudo_fields(),
        messages::targets(),
        messages::authorities(),
        messages::methods(),
        messages::lengths(),
        messages::fields_of_a_connection(),
        hpack::hpack(),
    ];
    let cases: Vec<Case> = cases.into_iter().flatten().collect();
    assert!(cases.len() >= 150, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let mut client = H2::silent(address);
        client.send(&case.bytes);
        let stream = if let Good(stream) = case.ends { stream } else { 1 };
        let end = client.end_of(stream);
        let met = match case.ends {
            Good(_) => matches!(end, End::Answer(200, _)),
            Connection(code) => [End::Goaway(code), End::Goaway(PROTOCOL_ERROR), End::Closed].contains(&end),
            Stream(codes) => match &end {
                End::Reset(code) | End::Goaway(code) => codes.contains(code) || *code == PROTOCOL_ERROR,
                // Sent when the answer was already out: then it stands.
                End::Answer(200, _) => codes.contains(&STREAM_CLOSED),
                End::Answer(..) => false,
                End::Closed => true,
            },
            Harmless => !matches!(end, End::Answer(500.., _)),
            Refused => match &end {
                End::Answer(status, _) => (400..500).contains(status),
                End::Reset(code) => *code != NO_ERROR,
                End::Goaway(_) | End::Closed => true,
            },
        };
        if !met {
            wrong.push(format!("{} {}: {end:?} where {:?} is due", case.section, case.what, case.ends));
        }
        let next = H2::connect(address).get(1, "/open/a");
        assert!(matches!(next, End::Answer(200, _)), "after {} {}: {next:?}", case.section, case.what);
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

//! Preface, frames and their sizes, header blocks, and the states of a stream (RFC 9113 §3 to §5).

use crate::http2::conformance::Ends::{Connection, Good, Stream};
use crate::http2::conformance::{
    COMPRESSION_ERROR, Case, FRAME_SIZE_ERROR, PROTOCOL_ERROR, STREAM_CLOSED, bare, case, get, get_block,
    post, reset, settings, update,
};
use crate::support::h2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, PRIORITISED, PRIORITY, SETTINGS,
    frame,
};

pub(super) fn prefaces() -> Vec<Case> {
    vec![
        bare("3.4", "settings may be empty", behind_preface(frame(SETTINGS, 0, 0, &[])), Good(1)),
        bare(
            "3.4",
            "the first frame is no ping",
            behind_preface(frame(PING, 0, 0, &[0; 8])),
            Connection(PROTOCOL_ERROR),
        ),
        bare("3.4", "the first frame is no request", behind_preface(Vec::new()), Connection(PROTOCOL_ERROR)),
        bare(
            "3.4",
            "a preface with another version",
            b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n".to_vec(),
            Connection(PROTOCOL_ERROR),
        ),
        bare(
            "3.4",
            "a preface with another end",
            b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec(),
            Connection(PROTOCOL_ERROR),
        ),
        bare(
            "3.4",
            "a preface that is none",
            b"INVALID CONNECTION PREFACE\r\n\r\n".to_vec(),
            Connection(PROTOCOL_ERROR),
        ),
    ]
}

pub(super) fn frame_format() -> Vec<Case> {
    vec![
        case("4.1", "a frame of an unknown kind is ignored", &[frame(0x16, 0xff, 0, b"x"), get(1)], Good(1)),
        case("4.1", "one of an unknown kind on a stream is too", &[get(1), frame(0xfe, 0, 1, b"")], Good(1)),
        case("4.1", "unknown flags are ignored", &[frame(PING, 0x16, 0, &[0; 8]), get(1)], Good(1)),
        case("4.1", "the reserved bit is ignored", &[frame(PING, 0, 0x8000_0000, &[0; 8]), get(1)], Good(1)),
    ]
}

pub(super) fn frame_size() -> Vec<Case> {
    vec![
        case(
            "4.2",
            "a body frame of 16,384 bytes",
            &[post(1), frame(DATA, END_STREAM, 1, &[b'x'; 16_384])],
            Good(1),
        ),
        case(
            "4.2",
            "a body frame over the limit",
            &[post(1), frame(DATA, END_STREAM, 1, &[0; 16_385])],
            Stream(&[FRAME_SIZE_ERROR]),
        ),
        case(
            "4.2",
            "a header frame over the limit",
            &[frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0; 16_385])],
            Connection(FRAME_SIZE_ERROR),
        ),
        case(
            "4.2",
            "an unknown frame over the limit",
            &[frame(0x16, 0, 0, &[0; 16_385])],
            Connection(FRAME_SIZE_ERROR),
        ),
    ]
}

pub(super) fn header_blocks() -> Vec<Case> {
    vec![
        case(
            "4.3",
            "a block that is no HPACK",
            &[frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff; 10])],
            Connection(COMPRESSION_ERROR),
        ),
        case(
            "4.3",
            "a PRIORITY within a block",
            &[frame(HEADERS, END_STREAM, 1, &get_block()), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9])],
            Connection(PROTOCOL_ERROR),
        ),
        case(
            "4.3",
            "another stream's HEADERS within a block",
            &[frame(HEADERS, END_STREAM, 1, &get_block()), get(3)],
            Connection(PROTOCOL_ERROR),
        ),
        case(
            "4.3",
            "an unknown frame within a block",
            &[frame(HEADERS, END_STREAM, 1, &get_block()), frame(0x16, 0, 1, b"")],
            Connection(PROTOCOL_ERROR),
        ),
    ]
}

pub(super) fn closed_streams() -> Vec<Case> {
    vec![
        case(
            "5.1",
            "PRIORITY on an idle stream",
            &[frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9]), get(1)],
            Good(1),
        ),
        case(
            "5.1",
            "DATA after the end",
            &[get(1), frame(DATA, END_STREAM, 1, b"x")],
            Stream(&[STREAM_CLOSED]),
        ),
        case("5.1", "HEADERS after the end", &[get(1), get(1)], Stream(&[STREAM_CLOSED])),
        case(
            "5.1",
            "CONTINUATION after the end",
            &[get(1), frame(CONTINUATION, END_HEADERS, 1, &get_block())],
            Connection(PROTOCOL_ERROR),
        ),
        case(
            "5.1",
            "DATA after a reset",
            &[post(1), reset(1), frame(DATA, END_STREAM, 1, b"x"), get(3)],
            Good(3),
        ),
        case("5.1", "HEADERS after a reset", &[post(1), reset(1), get(1)], Connection(STREAM_CLOSED)),
        case(
            "5.1",
            "CONTINUATION after a reset",
            &[post(1), reset(1), frame(CONTINUATION, END_HEADERS, 1, &get_block())],
            Connection(PROTOCOL_ERROR),
        ),
        case("5.1", "WINDOW_UPDATE after the end", &[get(1), update(1, 10)], Good(1)),
        case("5.1", "RST_STREAM after a reset", &[post(1), reset(1), reset(1), get(3)], Good(3)),
        case("5.1", "PRIORITY after the end", &[get(1), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9])], Good(1)),
    ]
}

pub(super) fn stream_numbers() -> Vec<Case> {
    vec![
        case("5.1.1", "a stream with an even number", &[get(2)], Connection(PROTOCOL_ERROR)),
        case("5.1.1", "a stream below the last one", &[get(5), get(3)], Connection(PROTOCOL_ERROR)),
        case("5.1.1", "streams may be left out", &[get(7)], Good(7)),
        case("5.1.1", "the highest stream there is", &[get(0x7fff_ffff)], Good(0x7fff_ffff)),
        case(
            "5.3.1",
            "a stream that depends on itself",
            &[frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 9])],
            Stream(&[PROTOCOL_ERROR]),
        ),
        case(
            "5.3.1",
            "a request that depends on itself",
            &[frame(
                HEADERS,
                END_STREAM | END_HEADERS | PRIORITISED,
                1,
                &[&[0, 0, 0, 1, 9][..], &get_block()].concat(),
            )],
            Stream(&[PROTOCOL_ERROR]),
        ),
        case("5.5", "an unknown setting", &[settings(&[(0xff, 1)]), get(1)], Good(1)),
    ]
}

pub(super) fn idle_streams() -> Vec<Case> {
    let idle: [(&str, Vec<u8>); 4] = [
        ("DATA on an idle stream", frame(DATA, END_STREAM, 1, b"x")),
        ("RST_STREAM on an idle stream", reset(1)),
        ("WINDOW_UPDATE on an idle stream", update(1, 10)),
        ("CONTINUATION on an idle stream", frame(CONTINUATION, END_HEADERS, 1, &get_block())),
    ];
    idle.into_iter().map(|(what, bytes)| case("5.1", what, &[bytes], Connection(PROTOCOL_ERROR))).collect()
}

/// The preface, this for settings, and a request.
fn behind_preface(settings: Vec<u8>) -> Vec<u8> {
    [PREFACE.to_vec(), settings, get(1)].concat()
}

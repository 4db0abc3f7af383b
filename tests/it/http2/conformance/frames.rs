//! Each kind of frame (RFC 9113 §6.1 to §6.4, §6.10).

use crate::http2::conformance::Ends::{Connection, Good, Stream};
use crate::http2::conformance::{Case, FRAME_SIZE_ERROR, PROTOCOL_ERROR, case, get, get_block, post, reset};
use crate::support::h2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, PRIORITISED, PRIORITY, RST_STREAM, frame,
};

pub(super) fn data() -> Vec<Case> {
    vec![
        case("6.1", "a body", &[post(1), frame(DATA, END_STREAM, 1, b"hello")], Good(1)),
        case("6.1", "an empty body in an empty frame", &[post(1), frame(DATA, END_STREAM, 1, b"")], Good(1)),
        case("6.1", "a padded body", &[post(1), padded(DATA, END_STREAM, 3, b"hello\0\0\0")], Good(1)),
        case("6.1", "a body of padding alone", &[post(1), padded(DATA, END_STREAM, 3, &[0; 3])], Good(1)),
        case("6.1", "DATA on stream 0", &[frame(DATA, 0, 0, b"x")], Connection(PROTOCOL_ERROR)),
        case(
            "6.1",
            "more padding than payload",
            &[post(1), padded(DATA, END_STREAM, 9, b"x")],
            Connection(PROTOCOL_ERROR),
        ),
        case(
            "6.1",
            "padding without its length",
            &[post(1), frame(DATA, END_STREAM | PADDED, 1, b"")],
            Connection(PROTOCOL_ERROR),
        ),
    ]
}

pub(super) fn requests() -> Vec<Case> {
    vec![
        case("6.2", "a request", &[get(1)], Good(1)),
        case(
            "6.2",
            "a padded request",
            &[padded(HEADERS, END_STREAM | END_HEADERS, 2, &[&get_block()[..], &[0; 2]].concat())],
            Good(1),
        ),
        case(
            "6.2",
            "a request with a priority",
            &[frame(
                HEADERS,
                END_STREAM | END_HEADERS | PRIORITISED,
                1,
                &[&[0, 0, 0, 0, 9][..], &get_block()].concat(),
            )],
            Good(1),
        ),
        case(
            "6.2",
            "HEADERS on stream 0",
            &[frame(HEADERS, END_STREAM | END_HEADERS, 0, &get_block())],
            Connection(PROTOCOL_ERROR),
        ),
        case(
            "6.2",
            "more padding than block",
            &[padded(HEADERS, END_STREAM | END_HEADERS, 99, &get_block()[..5])],
            Connection(PROTOCOL_ERROR),
        ),
        case(
            "6.2",
            "a priority that is cut off",
            &[frame(HEADERS, END_STREAM | END_HEADERS | PRIORITISED, 1, &[0, 0])],
            Connection(FRAME_SIZE_ERROR),
        ),
    ]
}

pub(super) fn priorities() -> Vec<Case> {
    vec![
        case(
            "6.3",
            "PRIORITY on stream 0",
            &[frame(PRIORITY, 0, 0, &[0, 0, 0, 1, 9])],
            Connection(PROTOCOL_ERROR),
        ),
        case("6.3", "PRIORITY of 4 bytes", &[frame(PRIORITY, 0, 1, &[0; 4])], Stream(&[FRAME_SIZE_ERROR])),
        case("6.3", "PRIORITY of 6 bytes", &[frame(PRIORITY, 0, 1, &[0; 6])], Stream(&[FRAME_SIZE_ERROR])),
        case(
            "6.3",
            "an exclusive priority",
            &[frame(PRIORITY, 0, 3, &[0x80, 0, 0, 1, 255]), get(1)],
            Good(1),
        ),
    ]
}

pub(super) fn resets() -> Vec<Case> {
    vec![
        case("6.4", "RST_STREAM on stream 0", &[reset(0)], Connection(PROTOCOL_ERROR)),
        case(
            "6.4",
            "RST_STREAM of 3 bytes",
            &[post(1), frame(RST_STREAM, 0, 1, &[0; 3])],
            Connection(FRAME_SIZE_ERROR),
        ),
        case(
            "6.4",
            "RST_STREAM of 5 bytes",
            &[post(1), frame(RST_STREAM, 0, 1, &[0; 5])],
            Connection(FRAME_SIZE_ERROR),
        ),
        case(
            "6.4",
            "a reset with an unknown code",
            &[post(1), frame(RST_STREAM, 0, 1, &[0xff; 4]), get(3)],
            Good(3),
        ),
    ]
}

pub(super) fn continuations() -> Vec<Case> {
    vec![
        case(
            "6.10",
            "a block in two frames",
            &[
                frame(HEADERS, END_STREAM, 1, &get_block()[..9]),
                frame(CONTINUATION, END_HEADERS, 1, &get_block()[9..]),
            ],
            Good(1),
        ),
        case(
            "6.10",
            "a block in four frames, one empty",
            &[
                frame(HEADERS, END_STREAM, 1, &get_block()[..1]),
                frame(CONTINUATION, 0, 1, &get_block()[1..9]),
                frame(CONTINUATION, 0, 1, b""),
                frame(CONTINUATION, END_HEADERS, 1, &get_block()[9..]),
            ],
            Good(1),
        ),
        case(
            "6.10",
            "CONTINUATION behind a whole block",
            &[get(1), frame(CONTINUATION, END_HEADERS, 1, b"")],
            Connection(PROTOCOL_ERROR),
        ),
        case(
            "6.10",
            "CONTINUATION on stream 0",
            &[frame(HEADERS, END_STREAM, 1, &get_block()), frame(CONTINUATION, END_HEADERS, 0, b"")],
            Connection(PROTOCOL_ERROR),
        ),
        case(
            "6.10",
            "CONTINUATION of another stream",
            &[frame(HEADERS, END_STREAM, 1, &get_block()), frame(CONTINUATION, END_HEADERS, 3, b"")],
            Connection(PROTOCOL_ERROR),
        ),
        case(
            "6.10",
            "DATA where CONTINUATION is due",
            &[frame(HEADERS, 0, 1, &get_block()), frame(DATA, END_STREAM, 1, b"x")],
            Connection(PROTOCOL_ERROR),
        ),
        case(
            "6.10",
            "CONTINUATION behind DATA",
            &[post(1), frame(DATA, 0, 1, b"x"), frame(CONTINUATION, END_HEADERS, 1, b"")],
            Connection(PROTOCOL_ERROR),
        ),
    ]
}

/// A frame on stream 1 that says it has so much padding.
fn padded(kind: u8, flags: u8, length: u8, rest: &[u8]) -> Vec<u8> {
    frame(kind, flags | PADDED, 1, &[&[length][..], rest].concat())
}

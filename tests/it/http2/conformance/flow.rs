//! Settings, pings, GOAWAY and windows (RFC 9113 §6.5 to §7), and the order of a message's frames (§8.1).

use crate::http2::conformance::Ends::{Connection, Good, Harmless, Stream};
use crate::http2::conformance::{
    Case, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR, case, get, get_block, post, settings, update,
};
use crate::support::h2::{
    ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, PING, PUSH_PROMISE, SETTINGS, WINDOW_UPDATE, frame, headers,
};

/// The largest window there is.
const MOST: u32 = 0x7fff_ffff;

pub(super) fn settings_frames() -> Vec<Case> {
    vec![
        case("6.5", "SETTINGS on a stream", &[frame(SETTINGS, 0, 1, &[])], Connection(PROTOCOL_ERROR)),
        case(
            "6.5",
            "an ACK with a payload",
            &[frame(SETTINGS, ACK, 0, &[0; 6])],
            Connection(FRAME_SIZE_ERROR),
        ),
        case("6.5", "SETTINGS of 3 bytes", &[frame(SETTINGS, 0, 0, &[0; 3])], Connection(FRAME_SIZE_ERROR)),
        case("6.5", "SETTINGS of 7 bytes", &[frame(SETTINGS, 0, 0, &[0; 7])], Connection(FRAME_SIZE_ERROR)),
        case("6.5.2", "ENABLE_PUSH of 2", &[settings(&[(2, 2)])], Connection(PROTOCOL_ERROR)),
        case("6.5.2", "ENABLE_PUSH of 0", &[settings(&[(2, 0)]), get(1)], Good(1)),
        case(
            "6.5.2",
            "a window over 2^31-1",
            &[settings(&[(4, 0x8000_0000)])],
            Connection(FLOW_CONTROL_ERROR),
        ),
        case("6.5.2", "the largest window", &[settings(&[(4, 0x7fff_ffff)]), get(1)], Good(1)),
        case("6.5.2", "a frame size below 16,384", &[settings(&[(5, 16_383)])], Connection(PROTOCOL_ERROR)),
        case(
            "6.5.2",
            "a frame size over 2^24-1",
            &[settings(&[(5, 0x0100_0000)])],
            Connection(PROTOCOL_ERROR),
        ),
        case("6.5.2", "the largest frame size", &[settings(&[(5, 0x00ff_ffff)]), get(1)], Good(1)),
        case("6.5.2", "a setting twice", &[settings(&[(4, 1), (4, 65_535)]), get(1)], Good(1)),
        case("6.5.2", "no streams of ours", &[settings(&[(3, 0)]), get(1)], Good(1)),
        case("6.5.2", "a tiny header list is advice", &[settings(&[(6, 1 << 20)]), get(1)], Good(1)),
        case("6.5.3", "settings behind a request", &[get(1), settings(&[(4, 100_000)])], Good(1)),
    ]
}

pub(super) fn pings_and_goodbyes() -> Vec<Case> {
    vec![
        case(
            "6.6",
            "PUSH_PROMISE of a client",
            &[post(1), frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &get_block()].concat())],
            Connection(PROTOCOL_ERROR),
        ),
        case("6.7", "a ping", &[frame(PING, 0, 0, b"12345678"), get(1)], Good(1)),
        case("6.7", "a pong that nobody asked for", &[frame(PING, ACK, 0, b"invalid!"), get(1)], Good(1)),
        case("6.7", "PING on a stream", &[frame(PING, 0, 1, &[0; 8])], Connection(PROTOCOL_ERROR)),
        case("6.7", "PING of 6 bytes", &[frame(PING, 0, 0, &[0; 6])], Connection(FRAME_SIZE_ERROR)),
        case("6.7", "PING of 9 bytes", &[frame(PING, 0, 0, &[0; 9])], Connection(FRAME_SIZE_ERROR)),
        case("6.8", "GOAWAY on a stream", &[frame(GOAWAY, 0, 1, &[0; 8])], Connection(PROTOCOL_ERROR)),
        case("6.8", "GOAWAY of 7 bytes", &[frame(GOAWAY, 0, 0, &[0; 7])], Connection(FRAME_SIZE_ERROR)),
        case(
            "6.8",
            "a request before a GOAWAY is answered",
            &[get(1), frame(GOAWAY, 0, 0, &[0; 8])],
            Good(1),
        ),
    ]
}

pub(super) fn window_updates() -> Vec<Case> {
    vec![
        case("6.9", "a window of the connection grows", &[update(0, 1000), get(1)], Good(1)),
        case(
            "6.9",
            "a window of a stream grows",
            &[post(1), update(1, 1000), frame(DATA, END_STREAM, 1, b"x")],
            Good(1),
        ),
        case("6.9", "WINDOW_UPDATE by 0 on the connection", &[update(0, 0)], Connection(PROTOCOL_ERROR)),
        case("6.9", "WINDOW_UPDATE by 0 on a stream", &[post(1), update(1, 0)], Stream(&[PROTOCOL_ERROR])),
        case(
            "6.9",
            "WINDOW_UPDATE of 3 bytes",
            &[frame(WINDOW_UPDATE, 0, 0, &[0; 3])],
            Connection(FRAME_SIZE_ERROR),
        ),
        case(
            "6.9",
            "WINDOW_UPDATE of 5 bytes",
            &[frame(WINDOW_UPDATE, 0, 0, &[0; 5])],
            Connection(FRAME_SIZE_ERROR),
        ),
        case(
            "6.9",
            "more than the window",
            &[post(1), frame(DATA, 0, 1, &[0; 16_384]).repeat(70)],
            Stream(&[FLOW_CONTROL_ERROR]),
        ),
    ]
}

pub(super) fn changed_windows() -> Vec<Case> {
    vec![
        case(
            "6.9.1",
            "the connection's window overflows",
            &[update(0, MOST), update(0, MOST)],
            Connection(FLOW_CONTROL_ERROR),
        ),
        case(
            "6.9.1",
            "a stream's window overflows",
            &[post(1), update(1, MOST), update(1, MOST)],
            Stream(&[FLOW_CONTROL_ERROR]),
        ),
        case(
            "6.9.1",
            "a stream window of 1 and then enough",
            &[settings(&[(4, 1)]), get(1), update(1, 100_000)],
            Good(1),
        ),
        case(
            "6.9.2",
            "a window of 0 and then enough",
            &[settings(&[(4, 0)]), get(1), settings(&[(4, 65_535)])],
            Good(1),
        ),
        case(
            "6.9.2",
            "a window that becomes negative",
            &[settings(&[(4, 3)]), get(1), settings(&[(4, 2)]), update(1, 100_000)],
            Good(1),
        ),
        case(
            "6.9.2",
            "settings make a window overflow",
            &[post(1), update(1, MOST - 65_535), settings(&[(4, MOST)])],
            Stream(&[FLOW_CONTROL_ERROR]),
        ),
    ]
}

pub(super) fn order_of_frames() -> Vec<Case> {
    vec![
        case(
            "7",
            "GOAWAY with an unknown code",
            &[get(1), frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0xff])],
            Good(1),
        ),
        case(
            "8.1",
            "HEADERS in the middle of a body",
            &[post(1), headers(1, 0, &[("a", "b")]), frame(DATA, END_STREAM, 1, b"x")],
            Stream(&[PROTOCOL_ERROR]),
        ),
        case(
            "8.1",
            "trailers",
            &[post(1), frame(DATA, 0, 1, b"x"), headers(1, END_STREAM, &[("a", "b")])],
            Good(1),
        ),
        case("8.1", "trailers without a body", &[post(1), headers(1, END_STREAM, &[("a", "b")])], Good(1)),
        case(
            "8.1",
            "a pseudo-field in trailers",
            &[post(1), frame(DATA, 0, 1, b"x"), headers(1, END_STREAM, &[(":method", "GET")])],
            Harmless,
        ),
    ]
}

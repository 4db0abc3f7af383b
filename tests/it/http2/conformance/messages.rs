//! What a request may say (RFC 9113 §8).

use crate::http2::conformance::Ends::{Good, Refused, Stream};
use crate::http2::conformance::{Case, Ends, PROTOCOL_ERROR, case, of, with};
use crate::support::h2::{DATA, END_STREAM, frame, headers, request};

/// A message that is none: its stream is reset.
const MALFORMED: Ends = Stream(&[PROTOCOL_ERROR]);

pub(super) fn fields() -> Vec<Case> {
    vec![
        case("8.2.1", "a name in capitals", &[with(&[("X-Test", "ok")])], MALFORMED),
        case("8.2.1", "a name with a blank", &[with(&[("a b", "ok")])], MALFORMED),
        case("8.2.1", "a name with a colon", &[with(&[("a:", "ok")])], MALFORMED),
        case("8.2.1", "a name with a line end", &[with(&[("a\r\nb", "ok")])], MALFORMED),
        case("8.2.1", "an empty name", &[with(&[("", "ok")])], MALFORMED),
        case("8.2.1", "a value with a CR", &[with(&[("a", "b\rc")])], MALFORMED),
        case("8.2.1", "a value with an LF", &[with(&[("a", "b\nc")])], MALFORMED),
        case("8.2.1", "a value with a NUL", &[with(&[("a", "b\0c")])], MALFORMED),
        case("8.2.1", "a value that begins with a blank", &[with(&[("a", " b")])], Refused),
        case("8.2.1", "a value that ends with a tab", &[with(&[("a", "b\t")])], Refused),
        case("8.2.1", "an empty value", &[with(&[("a", "")])], Good(1)),
        case("8.2.2", "te: trailers", &[with(&[("te", "trailers")])], Good(1)),
        case("8.2.2", "te: trailers, deflate", &[with(&[("te", "trailers, deflate;q=0.5")])], MALFORMED),
        case("8.2.3", "cookie crumbs", &[with(&[("cookie", "a=b"), ("cookie", "c=d")])], Good(1)),
    ]
}

pub(super) fn pseudo_fields() -> Vec<Case> {
    vec![
        case("8.3", "an unknown pseudo-field", &[with(&[(":test", "x")])], MALFORMED),
        case("8.3", ":status in a request", &[with(&[(":status", "200")])], MALFORMED),
        case(
            "8.3",
            "a pseudo-field behind a field",
            &[of(&[
                (":method", "GET"),
                (":scheme", "http"),
                ("a", "b"),
                (":path", "/open/a"),
                (":authority", "gw.test"),
            ])],
            MALFORMED,
        ),
        case("8.3.1", ":method twice", &[with(&[(":method", "GET")])], MALFORMED),
        case("8.3.1", ":scheme twice", &[with(&[(":scheme", "http")])], MALFORMED),
        case("8.3.1", ":path twice", &[with(&[(":path", "/open/a")])], MALFORMED),
        case("8.3.1", ":authority twice", &[with(&[(":authority", "gw.test")])], MALFORMED),
    ]
}

pub(super) fn targets() -> Vec<Case> {
    vec![
        case("8.3.1", "an empty :path", &[of(&request("GET", ""))], MALFORMED),
        case(
            "8.3.1",
            "no :method",
            &[of(&[(":scheme", "http"), (":path", "/open/a"), (":authority", "gw.test")])],
            MALFORMED,
        ),
        case(
            "8.3.1",
            "no :scheme",
            &[of(&[(":method", "GET"), (":path", "/open/a"), (":authority", "gw.test")])],
            MALFORMED,
        ),
        case(
            "8.3.1",
            "no :path",
            &[of(&[(":method", "GET"), (":scheme", "http"), (":authority", "gw.test")])],
            Refused,
        ),
        case("8.3.1", "a path without a slash", &[of(&request("GET", "open/a"))], Refused),
        case("8.3.1", "an asterisk", &[of(&request("GET", "*"))], Refused),
        case("8.3.1", "a method in small letters", &[of(&request("get", "/open/a"))], Refused),
        case("8.3.1", "a method with a blank", &[of(&request("G T", "/open/a"))], MALFORMED),
        case("8.3.1", "TRACE", &[of(&request("TRACE", "/open/a"))], Refused),
        case(
            "8.3.1",
            "another scheme",
            &[of(&[(":method", "GET"), (":scheme", "ftp"), (":path", "/open/a"), (":authority", "gw.test")])],
            Refused,
        ),
    ]
}

pub(super) fn authorities() -> Vec<Case> {
    vec![
        case(
            "8.3.1",
            "neither :authority nor host",
            &[of(&[(":method", "GET"), (":scheme", "http"), (":path", "/open/a")])],
            Refused,
        ),
        case(
            "8.3.1",
            "host alone",
            &[of(&[(":method", "GET"), (":scheme", "http"), (":path", "/open/a"), ("host", "gw.test")])],
            Good(1),
        ),
        case("8.3.1", "host and :authority alike", &[with(&[("host", "gw.test")])], Good(1)),
        case("8.3.1", "host and :authority that differ", &[with(&[("host", "evil.test")])], Refused),
        case("8.3.1", "two hosts", &[with(&[("host", "gw.test"), ("host", "gw.test")])], Refused),
        case(
            "8.3.1",
            "user information",
            &[of(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/open/a"),
                (":authority", "u@gw.test"),
            ])],
            Refused,
        ),
    ]
}

pub(super) fn methods() -> Vec<Case> {
    vec![
        case("8.5", "CONNECT", &[of(&[(":method", "CONNECT"), (":authority", "gw.test:80")])], Refused),
        case("8.5", "CONNECT with a path", &[of(&request("CONNECT", "/open/a"))], MALFORMED),
        case("8.8", "HEAD", &[of(&request("HEAD", "/open/a"))], Good(1)),
        case("8.8", "OPTIONS", &[of(&request("OPTIONS", "/open/a"))], Good(1)),
        case(
            "8.8",
            "PUT with a body",
            &[headers(1, 0, &request("PUT", "/open/a")), frame(DATA, END_STREAM, 1, b"x")],
            Good(1),
        ),
    ]
}

pub(super) fn lengths() -> Vec<Case> {
    vec![
        case(
            "8.1.1",
            "a length that fits",
            &[
                headers(1, 0, &[&request("POST", "/open/a")[..], &[("content-length", "4")]].concat()),
                frame(DATA, END_STREAM, 1, b"test"),
            ],
            Good(1),
        ),
        case(
            "8.1.1",
            "a length that is too small",
            &[
                headers(1, 0, &[&request("POST", "/open/a")[..], &[("content-length", "1")]].concat()),
                frame(DATA, END_STREAM, 1, b"test"),
            ],
            MALFORMED,
        ),
        case(
            "8.1.1",
            "a length that is too large",
            &[
                headers(1, 0, &[&request("POST", "/open/a")[..], &[("content-length", "9")]].concat()),
                frame(DATA, END_STREAM, 1, b"test"),
            ],
            Refused,
        ),
        case(
            "8.1.1",
            "a length over two frames",
            &[
                headers(1, 0, &[&request("POST", "/open/a")[..], &[("content-length", "1")]].concat()),
                frame(DATA, 0, 1, b"te"),
                frame(DATA, END_STREAM, 1, b"st"),
            ],
            MALFORMED,
        ),
        case("8.1.1", "a length without a body", &[with(&[("content-length", "4")])], MALFORMED),
        case("8.1.1", "a length that is no number", &[with(&[("content-length", "x")])], Refused),
        case(
            "8.1.1",
            "two lengths",
            &[
                headers(
                    1,
                    0,
                    &[&request("POST", "/open/a")[..], &[("content-length", "4"), ("content-length", "5")]]
                        .concat(),
                ),
                frame(DATA, END_STREAM, 1, b"test"),
            ],
            Refused,
        ),
    ]
}

pub(super) fn fields_of_a_connection() -> Vec<Case> {
    let mut cases = Vec::new();
    for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
        let fields = [&request("GET", "/open/a")[..], &[(name, "x")]].concat();
        cases.push(case("8.2.2", name, &[headers(1, END_STREAM, &fields)], MALFORMED));
    }
    cases
}

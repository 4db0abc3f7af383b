//! The table of faults.

/// One way to fail, and what has to come of it.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    /// After them the upstream is silent, until the gateway hangs up.
    pub(super) acts: Vec<Act>,
    pub(super) then: Then,
}

/// What an upstream does.
#[derive(Debug)]
pub(super) enum Act {
    Say(Vec<u8>),
    /// One byte every few milliseconds, so many times over.
    Drip(Vec<u8>, usize),
    HangUp,
    Reset,
}

/// What the client must see.
#[derive(Debug)]
pub(super) enum Then {
    /// 502.
    Broken,
    /// 504.
    TimedOut,
    /// An answer that visibly lacks its end.
    Cut,
    /// Either, as it happens to arrive.
    BrokenOrCut,
    Whole(u16, &'static str),
}

impl Shape {
    /// Whether it ends the connection without a byte of an answer.
    pub(super) fn is_silent_end(&self) -> bool {
        matches!(self.acts.first(), Some(Act::HangUp | Act::Reset))
    }
}

const SIZED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

fn say(name: &'static str, bytes: impl Into<Vec<u8>>, then: Then) -> Shape {
    Shape { name, acts: vec![Act::Say(bytes.into())], then }
}

fn ended(name: &'static str, bytes: impl Into<Vec<u8>>, end: Act, then: Then) -> Shape {
    Shape { name, acts: vec![Act::Say(bytes.into()), end], then }
}

/// A head with these fields before an empty body.
fn fields(name: &'static str, fields: &str, then: Then) -> Shape {
    say(name, format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n"), then)
}

pub(super) fn shapes() -> Vec<Shape> {
    [ends(), stalls(), garbage(), framing(), lines(), sizes(), interim(), odd_but_right()]
        .into_iter()
        .flatten()
        .collect()
}

/// Connections that end too early.
fn ends() -> Vec<Shape> {
    use Act::{HangUp, Reset};
    use Then::{Broken, BrokenOrCut, Cut};
    vec![
        Shape { name: "closes without a byte", acts: vec![HangUp], then: Broken },
        Shape { name: "resets without a byte", acts: vec![Reset], then: Broken },
        ended("one byte, then the end", "H", HangUp, Broken),
        ended("half a status line", "HTTP/1.1 2", HangUp, Broken),
        ended("a status line without its end", "HTTP/1.1 200 OK", HangUp, Broken),
        ended("a status line alone", "HTTP/1.1 200 OK\r\n", HangUp, Broken),
        ended("half a field", "HTTP/1.1 200 OK\r\nContent-Le", HangUp, Broken),
        ended("a head without its empty line", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", HangUp, Broken),
        ended("a head that is reset", "HTTP/1.1 200 OK\r\nA: b\r\n", Reset, Broken),
        ended("a length and no body", SIZED, HangUp, BrokenOrCut),
        ended("a body shorter than its length", format!("{SIZED}hell"), HangUp, Cut),
        ended("a body that is reset", format!("{SIZED}hell"), Reset, BrokenOrCut),
        ended("chunks without any", CHUNKED, HangUp, BrokenOrCut),
        ended("half a chunk's size", format!("{CHUNKED}5"), HangUp, BrokenOrCut),
        ended("half a chunk", format!("{CHUNKED}5\r\nhel"), HangUp, Cut),
        ended("a chunk without its end", format!("{CHUNKED}5\r\nhello"), HangUp, Cut),
        ended("no last chunk", format!("{CHUNKED}5\r\nhello\r\n"), HangUp, Cut),
        ended("half a last chunk", format!("{CHUNKED}5\r\nhello\r\n0\r\n"), HangUp, Cut),
        ended("half a trailer", format!("{CHUNKED}5\r\nhello\r\n0\r\nA: b"), HangUp, Cut),
        ended("chunks that are reset", format!("{CHUNKED}5\r\nhello\r\n"), Reset, BrokenOrCut),
        ended("a body without length that is reset", "HTTP/1.1 200 OK\r\n\r\nhello", Reset, BrokenOrCut),
        ended("an interim answer, then the end", "HTTP/1.1 100 Continue\r\n\r\n", HangUp, Broken),
    ]
}

/// Connections that stay, and say nothing or next to nothing.
fn stalls() -> Vec<Shape> {
    use Then::{Cut, TimedOut};
    let drip = |name, bytes: &str, times, then| Shape {
        name,
        acts: vec![Act::Drip(bytes.as_bytes().to_vec(), times)],
        then,
    };
    vec![
        say("silence", "", TimedOut),
        say("one byte, then silence", "H", TimedOut),
        say("half a head, then silence", "HTTP/1.1 200 OK\r\nContent-", TimedOut),
        say("an interim answer, then silence", "HTTP/1.1 100 Continue\r\n\r\n", TimedOut),
        say("a length, then silence", SIZED, Cut),
        say("half a body, then silence", format!("{SIZED}he"), Cut),
        say("a chunk, then silence", format!("{CHUNKED}5\r\nhello\r\n"), Cut),
        say("no last line, then silence", format!("{CHUNKED}5\r\nhello\r\n0\r\n"), Cut),
        say("a body without length, then silence", "HTTP/1.1 200 OK\r\n\r\nhello", Cut),
        drip("a head that drips", "HTTP/1.1 200 OK\r\nA: aaaaaaaaaaaaaaaa", 9, TimedOut),
        Shape {
            name: "a body that drips",
            acts: vec![
                Act::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n".to_vec()),
                Act::Drip(b"0123456789".to_vec(), 40),
            ],
            then: Cut,
        },
        Shape {
            name: "chunks that drip",
            acts: vec![Act::Say(CHUNKED.into()), Act::Drip(b"1\r\na\r\n".to_vec(), 60)],
            then: Cut,
        },
    ]
}

/// What is no HTTP/1.
fn garbage() -> Vec<Shape> {
    use Then::Broken;
    let line = |name, line: &str| say(name, format!("{line}\r\nContent-Length: 2\r\n\r\nok"), Broken);
    vec![
        say("a mail server", "220 mail.example ESMTP\r\n", Broken),
        say("a TLS alert", b"\x15\x03\x01\x00\x02\x02\x46\r\n".to_vec(), Broken),
        say("HTTP/2 settings", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00\r\n".to_vec(), Broken),
        say("bytes of every kind", (0..=255).collect::<Vec<u8>>(), Broken),
        say("HTTP/0.9", "<html>hello</html>\r\n", Broken),
        line("HTTP/2 in a status line", "HTTP/2 200 OK"),
        line("HTTP/1.2", "HTTP/1.2 200 OK"),
        line("HTTP/0.9 in a status line", "HTTP/0.9 200 OK"),
        line("a lower-case version", "http/1.1 200 OK"),
        line("no version", "200 OK"),
        line("a shout-cast server", "ICY 200 OK"),
        line("two digits", "HTTP/1.1 20 OK"),
        line("four digits", "HTTP/1.1 2000 OK"),
        line("a status below 100", "HTTP/1.1 099 OK"),
        line("a status above 599", "HTTP/1.1 600 OK"),
        line("a status in words", "HTTP/1.1 two OK"),
        line("a signed status", "HTTP/1.1 +20 OK"),
        line("two blanks", "HTTP/1.1  200 OK"),
        line("a tab", "HTTP/1.1\t200 OK"),
        line("a blank first", " HTTP/1.1 200 OK"),
        line("an empty line first", "\r\nHTTP/1.1 200 OK"),
    ]
}

/// Bodies whose end is not clear.
fn framing() -> Vec<Shape> {
    use Then::{Broken, Cut};
    let chunk = |name, chunk: &str| say(name, format!("{CHUNKED}{chunk}"), Broken);
    vec![
        fields("length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked", Broken),
        fields("chunks and length", "Transfer-Encoding: chunked\r\nContent-Length: 5", Broken),
        fields("two lengths", "Content-Length: 5\r\nContent-Length: 6", Broken),
        fields("one length twice", "Content-Length: 0\r\nContent-Length: 0", Broken),
        fields("a length that begins with a zero", "Content-Length: 00", Broken),
        fields("a list of lengths", "Content-Length: 0, 0", Broken),
        fields("a signed length", "Content-Length: +0", Broken),
        fields("a negative length", "Content-Length: -1", Broken),
        fields("an empty length", "Content-Length:", Broken),
        fields("a hexadecimal length", "Content-Length: 0x0", Broken),
        fields("a length beyond 64 bits", "Content-Length: 99999999999999999999", Broken),
        fields("another coding before chunks", "Transfer-Encoding: gzip, chunked", Broken),
        fields("another coding", "Transfer-Encoding: gzip", Broken),
        fields("identity", "Transfer-Encoding: identity", Broken),
        fields("chunks twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Broken),
        fields("almost chunks", "Transfer-Encoding: xchunked", Broken),
        say("chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Broken),
        chunk("a chunk of no number", "xyz\r\nhello\r\n"),
        chunk("a chunk of a negative number", "-5\r\nhello\r\n"),
        chunk("a chunk beyond 64 bits", "fffffffffffffffff\r\nhello\r\n"),
        say("a chunk longer than it says", format!("{CHUNKED}3\r\nhello\r\n0\r\n\r\n"), Cut),
        chunk("a chunk's bare line end", "5\nhello\r\n0\r\n\r\n"),
    ]
}

/// Lines that two readers could read differently.
fn lines() -> Vec<Shape> {
    use Then::Broken;
    let body = "Content-Length: 2\r\n\r\nok";
    vec![
        say("bare line ends", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", Broken),
        say("one bare line end", format!("HTTP/1.1 200 OK\r\nA: b\n{body}"), Broken),
        say("a bare empty line", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok", Broken),
        say("a bare CR", format!("HTTP/1.1 200 OK\r\nA: b\rc\r\n{body}"), Broken),
        say("a NUL", format!("HTTP/1.1 200 OK\r\nA: b\0c\r\n{body}"), Broken),
        say("a folded field", format!("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n{body}"), Broken),
        say("a blank before the colon", format!("HTTP/1.1 200 OK\r\nA : b\r\n{body}"), Broken),
        say("a blank in a name", format!("HTTP/1.1 200 OK\r\nA B: c\r\n{body}"), Broken),
        say("a field without a name", format!("HTTP/1.1 200 OK\r\n: b\r\n{body}"), Broken),
        say("a field without a colon", format!("HTTP/1.1 200 OK\r\nAB\r\n{body}"), Broken),
        say("a blank before a field", format!("HTTP/1.1 200 OK\r\n A: b\r\n{body}"), Broken),
    ]
}

/// Too much of something.
fn sizes() -> Vec<Shape> {
    use Then::{Broken, BrokenOrCut};
    let many = "A: a\r\n".repeat(101);
    vec![
        say("a field of 64 KiB", format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "a".repeat(65_536)), Broken),
        say("a line without end", "a".repeat(200_000), Broken),
        say("a reason of 64 KiB", format!("HTTP/1.1 200 {}\r\n\r\n", "a".repeat(65_536)), Broken),
        say("more than 100 fields", format!("HTTP/1.1 200 OK\r\n{many}\r\n"), Broken),
        say("a chunk extension without end", format!("{CHUNKED}5;{}", "a".repeat(100_000)), BrokenOrCut),
        say("trailers without end", format!("{CHUNKED}0\r\n{}", "A: a\r\n".repeat(50_000)), BrokenOrCut),
    ]
}

/// Interim answers and switches.
fn interim() -> Vec<Shape> {
    use Then::{Broken, Whole};
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let framed = |name, field: &str| {
        say(name, format!("HTTP/1.1 103 Early Hints\r\n{field}\r\n\r\nhello{good}"), Broken)
    };
    vec![
        say("eight interim answers", hint.repeat(8) + good, Whole(200, "ok")),
        say("nine interim answers", hint.repeat(9) + good, Broken),
        say("a flood of interim answers", hint.repeat(5_000), Broken),
        framed("an interim answer with a length", "Content-Length: 5"),
        framed("an interim answer in chunks", "Transfer-Encoding: chunked"),
        say("a switch that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\n\r\n", Broken),
        say(
            "a switch to h2c",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
            Broken,
        ),
    ]
}

/// What looks odd and has one meaning only.
fn odd_but_right() -> Vec<Shape> {
    use Act::HangUp;
    use Then::Whole;
    let good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    vec![
        ended("a body longer than its length", format!("{good}too much"), HangUp, Whole(200, "ok")),
        ended("a second answer", format!("{good}HTTP/1.1 200 OK\r\n\r\nevil"), HangUp, Whole(200, "ok")),
        ended("a 204 with a body", "HTTP/1.1 204 No Content\r\n\r\nevil", HangUp, Whole(204, "")),
        ended("a 304 with a body", "HTTP/1.1 304 Not Modified\r\n\r\nevil", HangUp, Whole(304, "")),
        ended("an end that is the body's", "HTTP/1.0 200 OK\r\n\r\nhello", HangUp, Whole(200, "hello")),
        ended("no reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", HangUp, Whole(200, "ok")),
        say("chunk extensions", format!("{CHUNKED}5;a=b\r\nhello\r\n0\r\n\r\n"), Whole(200, "hello")),
        Shape {
            name: "an answer byte by byte",
            acts: vec![Act::Drip(good.as_bytes().to_vec(), 1)],
            then: Whole(200, "ok"),
        },
        say("a 599", "HTTP/1.1 599 Odd\r\nContent-Length: 2\r\n\r\nok", Whole(599, "ok")),
    ]
}

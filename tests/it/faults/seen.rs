//! What a client makes of all the bytes that came before its connection closed.

/// An answer as a careful client reads it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing, or an answer that visibly lacks its end.
    Cut,
    /// The gateway's own answer, with its code.
    Refused(u16, String),
    /// An answer with its end.
    Whole(u16, String),
}

impl Seen {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return Self::Cut };
        let status: u16 = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let field = |name: &str| {
            let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
            fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        let body = if matches!(status, 204 | 304) {
            assert!(body.is_empty(), "a {status} with a body: {body:?}");
            Some(String::new())
        } else if field("transfer-encoding").is_some() {
            dechunked(body)
        } else if let Some(length) = field("content-length") {
            let length: usize = length.parse().expect("a length");
            assert!(body.len() <= length, "more than its length: {body:?}");
            (body.len() == length).then(|| body.to_owned())
        } else {
            // Its end is the connection's, so nobody could tell a cut.
            Some(body.to_owned())
        };
        match (field("cloakroom-refusal"), body) {
            (_, None) => Self::Cut,
            (Some(code), Some(_)) => Self::Refused(status, code),
            (None, Some(body)) => Self::Whole(status, body),
        }
    }
}

/// The content of chunks, if the last one is there and nothing follows.
fn dechunked(mut rest: &str) -> Option<String> {
    let mut content = String::new();
    loop {
        let (size, after) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).expect("a chunk's size");
        if size == 0 {
            return (after == "\r\n").then_some(content);
        }
        content.push_str(after.get(..size)?);
        rest = after.get(size..)?.strip_prefix("\r\n")?;
    }
}

#[test]
fn a_client_tells_a_cut_from_a_whole_answer() {
    let whole = |text: &str| Seen::Whole(200, text.to_owned());
    for (bytes, seen) in [
        ("", Seen::Cut),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", Seen::Cut),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no", Seen::Cut),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", whole("ok")),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", Seen::Cut),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", whole("ok")),
        ("HTTP/1.1 200 OK\r\n\r\nok", whole("ok")),
    ] {
        assert_eq!(Seen::of(bytes.as_bytes()), seen, "{bytes:?}");
    }
}

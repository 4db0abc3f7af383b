//! The judge of one complete request head.

use std::mem::MaybeUninit;

use httparse::{Error, Header, ParserConfig, Request, Status};
use memchr::{memchr, memchr3};

use crate::request::ParseError;

/// Fields parsed without an allocation; hyper's own threshold too.
pub(crate) const FIELDS_INLINE: usize = 100;

/// The longest Content-Length, in digits: nineteen may overflow a signed 64-bit number somewhere behind us.
const LENGTH_DIGITS_MAX: usize = 18;

/// The longest target that `http::Uri` holds.
const TARGET_BYTES_MAX: usize = 65_534;

/// How the rest of a message is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By a number of bytes; 0 if there is no body.
    Length(u64),
    /// By chunks.
    Chunked,
}

/// What a head that passed says about the bytes behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    /// The body's.
    pub(crate) framing: Framing,
    /// Whether hyper could hand over the connection behind it: HTTP/1.1 with an Upgrade field and without a body.
    pub(crate) upgrade: bool,
}

/// Judges a head from its method to its empty line, in which the caller has found no bare CR or LF. Passing means that
/// hyper will make a request of it, too, and that every parser we know finds the same message end.
pub(crate) fn judge(head: &[u8], headers_max: usize) -> Result<Passed, ParseError> {
    let http10 = judge_request_line(head)?;
    let mut inline = [const { MaybeUninit::uninit() }; FIELDS_INLINE];
    let mut spilled;
    let room = match inline.get_mut(..headers_max) {
        Some(room) => room,
        None => {
            spilled = (0..headers_max).map(|_| MaybeUninit::uninit()).collect::<Vec<_>>();
            spilled.as_mut_slice()
        }
    };
    let mut request = Request::new(&mut []);
    match ParserConfig::default().parse_request_with_uninit_headers(&mut request, head, room) {
        Ok(Status::Complete(bytes)) if bytes == head.len() => {}
        Ok(_) => return Err(ParseError::BadField),
        Err(Error::TooManyHeaders) => return Err(ParseError::TooManyHeaders),
        Err(Error::Token | Error::Version) => return Err(ParseError::BadRequestLine),
        Err(Error::HeaderName | Error::HeaderValue | Error::NewLine | Error::Status) => {
            return Err(ParseError::BadField);
        }
    }
    judge_fields(request.headers, http10)
}

/// Whether a byte may stand in a method or field name (RFC 9110 §5.6.2).
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether a CR stands without its LF, or an LF without its CR; a CR at the very end is left open. One pass without a
/// branch, so that it runs at vector speed.
pub(crate) fn has_bare_line_end(bytes: &[u8]) -> bool {
    let next = bytes.get(1..).unwrap_or_default();
    bytes.iter().zip(next).fold(false, |bare, (this, next)| bare | ((*this == b'\r') != (*next == b'\n')))
}

/// Returns whether the version is HTTP/1.0.
fn judge_request_line(head: &[u8]) -> Result<bool, ParseError> {
    let line = memchr(b'\r', head).and_then(|end| head.get(..end)).ok_or(ParseError::BadRequestLine)?;
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
        return Err(ParseError::BadRequestLine);
    };
    let http10 = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(ParseError::UnsupportedVersion);
        }
        _ => return Err(ParseError::BadRequestLine),
    };
    if method.is_empty() {
        return Err(ParseError::BadRequestLine);
    }
    if matches!(method, b"CONNECT" | b"TRACE") || !method.iter().all(|byte| is_token(*byte)) {
        return Err(ParseError::MethodRefused);
    }
    judge_target(method, target)?;
    Ok(http10)
}

fn judge_target(method: &[u8], target: &[u8]) -> Result<(), ParseError> {
    if target.len() > TARGET_BYTES_MAX {
        return Err(ParseError::HeadTooLarge);
    }
    let good = match target {
        b"*" => method == b"OPTIONS",
        [b'/', ..] => has_target_bytes(target),
        _ => is_absolute(target),
    };
    if good { Ok(()) } else { Err(ParseError::BadTarget) }
}

/// The bytes `http::Uri` takes, without those it cuts off or decodes: no `#`, nothing outside visible ASCII, and of the
/// delimiters that must be encoded only those that clients do send raw (RFC 3986 §2, WHATWG URL path and query sets).
fn has_target_bytes(target: &[u8]) -> bool {
    let visible = target.iter().fold(true, |good, byte| good & matches!(byte, 0x21..=0x7e));
    if !visible || memchr3(b'#', b'<', b'>', target).is_some() {
        return false;
    }
    let (path, query) = match memchr(b'?', target) {
        Some(at) => target.split_at(at),
        None => (target, &[][..]),
    };
    memchr(b'`', path).is_none() && memchr(b'"', query).is_none()
}

/// Absolute form (RFC 9112 §3.2.2): rare, so the full URI parser may look at it.
fn is_absolute(target: &[u8]) -> bool {
    let schemes: [&[u8]; 2] = [b"http://", b"https://"];
    let known = schemes
        .iter()
        .any(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    known
        && has_target_bytes(target)
        && http::Uri::try_from(target).is_ok_and(|uri| {
            uri.authority()
                .is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'))
        })
}

fn judge_fields(fields: &[Header<'_>], http10: bool) -> Result<Passed, ParseError> {
    let mut length = None;
    let mut chunked = false;
    let mut upgrade = false;
    for field in fields {
        match field.name.len() {
            7 if field.name.eq_ignore_ascii_case("upgrade") => upgrade = !http10,
            14 if field.name.eq_ignore_ascii_case("content-length") => {
                let number = parse_length(field.value)?;
                if length.replace(number).is_some() {
                    return Err(ParseError::BadContentLength);
                }
            }
            17 if field.name.eq_ignore_ascii_case("transfer-encoding") => {
                if http10 {
                    return Err(ParseError::EncodingInHttp10);
                }
                if !trim_blanks(field.value).eq_ignore_ascii_case(b"chunked")
                    || std::mem::replace(&mut chunked, true)
                {
                    return Err(ParseError::BadTransferEncoding);
                }
            }
            _ => {}
        }
    }
    let framing = match (length, chunked) {
        (Some(_), true) => return Err(ParseError::LengthAndEncoding),
        (length, false) => Framing::Length(length.unwrap_or(0)),
        (None, true) => Framing::Chunked,
    };
    Ok(Passed { framing, upgrade: upgrade && framing == Framing::Length(0) })
}

/// Without the optional white space of RFC 9110 §5.6.3, which is blank and tab only.
fn trim_blanks(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// One plain decimal number. A leading zero is legal but read as octal by some; no client sends one.
fn parse_length(value: &[u8]) -> Result<u64, ParseError> {
    let plain = !value.is_empty() && value.len() <= LENGTH_DIGITS_MAX && value.iter().all(u8::is_ascii_digit);
    if !plain || (value.len() > 1 && value.first() == Some(&b'0')) {
        return Err(ParseError::BadContentLength);
    }
    Ok(value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(head: &str) -> ParseError {
        judge(head.as_bytes(), 100).unwrap_err()
    }

    fn with(fields: &str) -> Result<Passed, ParseError> {
        judge(format!("POST /p HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n").as_bytes(), 100)
    }

    #[test]
    fn every_target_form_that_this_method_may_not_have_is_refused() {
        for target in [
            "admin",
            "?x",
            "a:80",
            "*",
            "*/x",
            "/a#b",
            "/a\u{e9}",
            "/a<b",
            "/`",
            "/?\"",
            "http://",
            "http:///a",
        ] {
            assert_eq!(refusal(&format!("GET {target} HTTP/1.1\r\n\r\n")), ParseError::BadTarget, "{target}");
        }
        for target in ["http://u@h/", "ftp://h/", "http://[::1/", "https://h/#"] {
            assert_eq!(refusal(&format!("GET {target} HTTP/1.1\r\n\r\n")), ParseError::BadTarget, "{target}");
        }
    }

    #[test]
    fn origin_absolute_and_asterisk_form_pass() {
        for line in ["GET /", "GET /a{\"}?b=`{}|\\^", "OPTIONS *", "GET HTTP://h/a", "GET https://h:1/?q"] {
            let head = format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n");
            assert!(judge(head.as_bytes(), 100).is_ok(), "{line}");
        }
    }

    #[test]
    fn the_request_line_tells_its_faults_apart() {
        assert_eq!(refusal("GET /p HTTP/1.2\r\n\r\n"), ParseError::UnsupportedVersion);
        assert_eq!(refusal("PRI * HTTP/2.0\r\n\r\n"), ParseError::UnsupportedVersion);
        assert_eq!(refusal("GET /p HTTP/11\r\n\r\n"), ParseError::BadRequestLine);
        assert_eq!(refusal("GET /p\r\n\r\n"), ParseError::BadRequestLine);
        assert_eq!(refusal("GET  /p HTTP/1.1\r\n\r\n"), ParseError::BadRequestLine);
        assert_eq!(refusal("G(T /p HTTP/1.1\r\n\r\n"), ParseError::MethodRefused);
        assert_eq!(refusal("TRACE /p HTTP/1.1\r\n\r\n"), ParseError::MethodRefused);
        assert_eq!(refusal("CONNECT h:1 HTTP/1.1\r\n\r\n"), ParseError::MethodRefused);
    }

    #[test]
    fn a_length_is_one_plain_number() {
        for value in ["", "+5", "5,5", "0x5", "05", "5 5", "1234567890123456789", "-0"] {
            assert_eq!(
                with(&format!("Content-Length: {value}")),
                Err(ParseError::BadContentLength),
                "{value}"
            );
        }
        let twice = with("Content-Length: 5\r\ncontent-length: 5");
        assert_eq!(twice, Err(ParseError::BadContentLength));
        let most = Passed { framing: Framing::Length(999_999_999_999_999_999), upgrade: false };
        assert_eq!(with("Content-Length: 999999999999999999"), Ok(most));
    }

    #[test]
    fn a_transfer_encoding_is_chunked_and_alone() {
        for value in ["", "gzip", "gzip, chunked", "chunked, chunked", "chunked;q=1", "\"chunked\"", "chunke"]
        {
            assert_eq!(
                with(&format!("Transfer-Encoding: {value}")),
                Err(ParseError::BadTransferEncoding),
                "{value}"
            );
        }
        let twice = with("Transfer-Encoding: chunked\r\ntransfer-encoding: chunked");
        assert_eq!(twice, Err(ParseError::BadTransferEncoding));
        let both = with("Transfer-Encoding: chunked\r\nContent-Length: 0");
        assert_eq!(both, Err(ParseError::LengthAndEncoding));
        let old = refusal("POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(old, ParseError::EncodingInHttp10);
        let chunked = Passed { framing: Framing::Chunked, upgrade: false };
        assert_eq!(with("Transfer-Encoding: \t Chunked \t"), Ok(chunked));
    }

    #[test]
    fn fields_are_counted_against_the_limit() {
        let head = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
        for limit in [3, 100, 250] {
            assert!(judge(head(limit).as_bytes(), limit).is_ok());
            assert_eq!(judge(head(limit + 1).as_bytes(), limit), Err(ParseError::TooManyHeaders));
        }
    }

    #[test]
    fn an_upgrade_is_one_only_without_a_body() {
        assert!(with("Connection: upgrade\r\nUpgrade: websocket").unwrap().upgrade);
        assert!(!with("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1").unwrap().upgrade);
        assert!(!judge(b"GET / HTTP/1.0\r\nUpgrade: websocket\r\n\r\n", 100).unwrap().upgrade);
    }
}

//! An HTTP/2 head, brought to the one form that is judged and forwarded.
//!
//! The head guard judges bytes, and HTTP/2 has none that it could: hyper has taken the frames apart, refused what names a
//! connection's fields, repeats or misplaces a pseudo-field, or writes a name in capitals. What it lets pass and
//! the guard would not is refused here, and what HTTP/2 says in its own way is said as in HTTP/1.1.

use crate::request::error::ParseError;
use crate::request::id::RequestId;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, HOST, SEC_WEBSOCKET_KEY, UPGRADE};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method};
use hyper::ext::Protocol;

/// The longest Content-Length, in digits, as in HTTP/1.1.
const LENGTH_DIGITS_MAX: usize = 18;

/// Judges and rewrites `head`: `:authority` becomes Host where there is none, the crumbs of a Cookie are joined (RFC 9113
/// §8.2.3), and an extended CONNECT becomes the handshake of HTTP/1.1. `tls` says whether it came over TLS.
pub(super) fn canonicalise(head: &mut Parts, tls: bool, id: RequestId) -> Result<(), ParseError> {
    // The scheme is part of no decision. Behind a proxy that ends TLS it is `https` on a plain connection.
    match head.uri.scheme_str() {
        Some("https") | None => {}
        Some("http") if !tls => {}
        Some(_) => return Err(ParseError::BadTarget),
    }
    if !head.uri.path_and_query().is_some_and(has_target_bytes) {
        return Err(ParseError::BadTarget);
    }
    if head.headers.values().any(|value| is_padded(value.as_bytes())) {
        return Err(ParseError::BadField);
    }
    judge_length(&head.headers)?;
    if let Some(authority) = head.uri.authority()
        && !head.headers.contains_key(HOST)
    {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| ParseError::BadHost)?;
        head.headers.insert(HOST, host);
    }
    join_cookies(&mut head.headers)?;
    match head.extensions.remove::<Protocol>() {
        Some(protocol) => shake_hands(head, &protocol, id),
        None => Ok(()),
    }
}

/// Says an extended CONNECT (RFC 8441) in the one form that is judged: whether it asks for a WebSocket in the right way, where it
/// may lead and who sent it is then decided as for any handshake. The key is ours, since HTTP/2 has none.
fn shake_hands(head: &mut Parts, protocol: &Protocol, id: RequestId) -> Result<(), ParseError> {
    if head.method != Method::CONNECT || protocol.as_str() != "websocket" {
        return Err(ParseError::BadUpgrade);
    }
    head.method = Method::GET;
    let key = STANDARD.encode(id.number().to_be_bytes());
    let key = HeaderValue::try_from(key).map_err(|_| ParseError::BadUpgrade)?;
    head.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    head.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    head.headers.insert(SEC_WEBSOCKET_KEY, key);
    Ok(())
}

/// The bytes that a target may have in HTTP/1.1: those beyond ASCII, the delimiters `http::Uri` takes and the guard does not. A `#`
/// came as a `>` (`blocks` of `listen`).
fn has_target_bytes(target: &PathAndQuery) -> bool {
    let bytes = target.as_str().as_bytes();
    // `http` reads a slash before a query that has none.
    let rooted = bytes.first() == Some(&b'/');
    let visible = bytes.iter().all(|byte| matches!(byte, 0x21..=0x7e) && !matches!(byte, b'<' | b'>'));
    rooted
        && visible
        && !target.path().contains('`')
        && !target.query().is_some_and(|query| query.contains('"'))
}

/// Blanks around a value: no part of it in HTTP/1.1, so two readers would differ.
fn is_padded(value: &[u8]) -> bool {
    matches!(value, [b' ' | b'\t', ..] | [.., b' ' | b'\t'])
}

/// One plain number, as in HTTP/1.1; that the frames add up to it is hyper's business.
fn judge_length(headers: &HeaderMap) -> Result<(), ParseError> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(()) };
    let digits = length.as_bytes();
    let plain =
        (1..=LENGTH_DIGITS_MAX).contains(&digits.len()) && digits.iter().all(|digit| digit.is_ascii_digit());
    let octal = digits.len() > 1 && digits.first() == Some(&b'0');
    if plain && !octal && lengths.next().is_none() { Ok(()) } else { Err(ParseError::BadContentLength) }
}

fn join_cookies(headers: &mut HeaderMap) -> Result<(), ParseError> {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return Ok(());
    }
    let mut joined = Vec::new();
    for crumb in headers.get_all(COOKIE) {
        if !joined.is_empty() {
            joined.extend_from_slice(b"; ");
        }
        joined.extend_from_slice(crumb.as_bytes());
    }
    let joined = HeaderValue::from_maybe_shared(Bytes::from(joined)).map_err(|_| ParseError::BadField)?;
    headers.insert(COOKIE, joined);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::RequestIds;

    fn canonical(uri: &str, fields: &[(&'static str, &'static str)]) -> Result<HeaderMap, ParseError> {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        // What `http::Uri` does not take, hyper has refused.
        let mut head = request.body(()).map_err(|_| ParseError::BadTarget)?.into_parts().0;
        canonicalise(&mut head, true, RequestIds::new(1, 1).next()).map(|()| head.headers)
    }

    #[test]
    fn what_the_head_guard_would_refuse_is_refused() {
        for (uri, field, error) in [
            ("https://h/<", ("a", "b"), ParseError::BadTarget),
            ("https://h?x", ("a", "b"), ParseError::BadTarget),
            ("https://h/?\"", ("a", "b"), ParseError::BadTarget),
            ("https://h/\u{e9}", ("a", "b"), ParseError::BadTarget),
            ("http://h/", ("a", "b"), ParseError::BadTarget),
            ("ftp://h/", ("a", "b"), ParseError::BadTarget),
            ("https://h/", ("a", " b"), ParseError::BadField),
            ("https://h/", ("a", "b\t"), ParseError::BadField),
            ("https://h/", ("content-length", "+5"), ParseError::BadContentLength),
            ("https://h/", ("content-length", "05"), ParseError::BadContentLength),
            ("https://h/", ("content-length", ""), ParseError::BadContentLength),
        ] {
            assert_eq!(canonical(uri, &[field]).err(), Some(error), "{uri} {field:?}");
        }
    }

    #[test]
    fn cookie_crumbs_become_one_line() {
        let crumbs = [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2; c=3")];
        let headers = canonical("https://h/", &crumbs).unwrap();
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    }

    #[test]
    fn the_authority_becomes_host_byte_for_byte_and_a_host_stays() {
        assert_eq!(canonical("https://GW.test:8443/", &[]).unwrap()[HOST], "GW.test:8443");
        assert_eq!(canonical("https://gw.test/", &[("host", "other")]).unwrap()[HOST], "other");
    }

    fn connecting(protocol: &'static str) -> Parts {
        let request = http::Request::builder().method("CONNECT").uri("https://h/ws");
        let request =
            request.extension(Protocol::from_static(protocol)).header("sec-websocket-key", "theirs");
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn an_extended_connect_becomes_a_handshake_and_nothing_else_does() {
        let mut head = connecting("websocket");
        canonicalise(&mut head, true, RequestIds::new(1, 1).next()).unwrap();
        assert_eq!(
            (head.method.as_str(), &head.headers[UPGRADE]),
            ("GET", &HeaderValue::from_static("websocket"))
        );
        assert_eq!(STANDARD.decode(&head.headers[SEC_WEBSOCKET_KEY]).unwrap().len(), 16);
        for protocol in ["connect-udp", "WebSocket", ""] {
            let judged = canonicalise(&mut connecting(protocol), true, RequestIds::new(1, 1).next());
            assert_eq!(judged, Err(ParseError::BadUpgrade), "{protocol:?}");
        }
        let plain = http::Request::builder().method("CONNECT").uri("https://h/ws").body(()).unwrap();
        let mut head = plain.into_parts().0;
        canonicalise(&mut head, true, RequestIds::new(1, 1).next()).unwrap();
        assert_eq!(head.method, Method::CONNECT);
    }
}

//! What of a response's head is meant for us, not for the client.

use http::header::{CONNECTION, CONTENT_LENGTH, PROXY_AUTHENTICATE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::upstream::body::TRAILERS;
use crate::upstream::error::UpstreamError;

/// RFC 9110 §7.6.1 and the older names that servers still send. The last one is handled apart.
static HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    TRAILER,
];

/// Refuses a response whose end two readers could see in two places. hyper lets Transfer-Encoding win over
/// Content-Length, takes any coding before `chunked`, and folds equal lengths into one.
pub(crate) fn check_length(headers: &HeaderMap) -> Result<(), UpstreamError> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next();
    let one_number = length.is_none_or(|value| is_number(value.as_bytes()));
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let coding = codings.next();
    let chunked = coding.is_none_or(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"));
    let single =
        lengths.next().is_none() && codings.next().is_none() && (length.is_none() || coding.is_none());
    if one_number && chunked && single { Ok(()) } else { Err(UpstreamError::AmbiguousLength) }
}

/// One that begins with a zero is octal to some readers.
fn is_number(length: &[u8]) -> bool {
    match length {
        [] | [b'0', _, ..] => false,
        digits => digits.iter().all(u8::is_ascii_digit),
    }
}

/// Takes out what belongs to the hop between the upstream and us.
pub(crate) fn clean(headers: &mut HeaderMap) {
    // Most responses have none of them, and looking through a few names costs less than eight lookups.
    if !headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        return;
    }
    for name in nominated(headers) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP.iter().filter(|name| **name != TRAILER) {
        headers.remove(name);
    }
    announce_allowed(headers);
}

/// Whether a comma-separated header holds `token`.
pub(crate) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers.get_all(name).iter().flat_map(tokens).any(|found| found.eq_ignore_ascii_case(token.as_bytes()))
}

/// Names that Connection gives besides the usual ones, which go anyway; ordinary responses allocate nothing here.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(tokens)
        .filter(|token| {
            !["close", "keep-alive", "upgrade"]
                .iter()
                .any(|usual| token.eq_ignore_ascii_case(usual.as_bytes()))
        })
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .collect()
}

fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Leaves in Trailer what [`crate::upstream::UpstreamBody`] lets pass: hyper's server sends no trailer that is not announced.
fn announce_allowed(headers: &mut HeaderMap) {
    let names: Vec<&str> =
        TRAILERS.iter().map(HeaderName::as_str).filter(|name| has_token(headers, &TRAILER, name)).collect();
    headers.remove(TRAILER);
    if let Ok(value) = HeaderValue::try_from(names.join(", "))
        && !names.is_empty()
    {
        headers.insert(TRAILER, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_length_given_in_two_ways_is_refused() {
        for fields in [
            &[("content-length", "5"), ("transfer-encoding", "chunked")][..],
            &[("content-length", "5"), ("content-length", "5")],
            &[("content-length", "5, 5")],
            &[("content-length", "+5")],
            &[("content-length", "")],
            &[("content-length", "02")],
            &[("content-length", "00")],
            &[("transfer-encoding", "gzip, chunked")],
            &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            &[("transfer-encoding", "identity")],
        ] {
            assert!(check_length(&headers(fields)).is_err(), "{fields:?}");
        }
        for fields in [
            &[][..],
            &[("content-length", "50")],
            &[("content-length", "0")],
            &[("transfer-encoding", "Chunked")],
        ] {
            assert!(check_length(&headers(fields)).is_ok(), "{fields:?}");
        }
    }

    #[test]
    fn what_connection_names_goes_with_it() {
        let mut found = headers(&[
            ("connection", "close, X-Secret"),
            ("connection", "x-other"),
            ("x-secret", "1"),
            ("x-other", "2"),
            ("x-third", "3"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("proxy-connection", "close"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
        ]);
        clean(&mut found);
        assert_eq!(found, headers(&[("x-third", "3")]));
    }

    #[test]
    fn trailer_announces_only_what_may_pass() {
        let mut found = headers(&[("trailer", "Expires, grpc-message"), ("trailer", "Grpc-Status")]);
        clean(&mut found);
        assert_eq!(found, headers(&[("trailer", "grpc-status, grpc-message")]));
        let mut found = headers(&[("trailer", "Expires")]);
        clean(&mut found);
        assert_eq!(found, HeaderMap::new());
    }
}

//! The WebSocket handshake with the upstream (RFC 6455 §4, RFC 8441).

use http::header::{CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, TRAILER, UPGRADE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::request::Upgrade;
use crate::upstream::hygiene;

/// Puts back the two fields that stripping took; `Sec-WebSocket-*` are end to end and still there.
pub(crate) fn ask(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Whether an answer would be the beginning of a tunnel, for the upstream or for the client: a 101, and where either of them
/// speaks HTTP/2 any success, since a CONNECT knows no other.
pub(crate) fn opens<B>(response: &Response<B>, upgrade: Option<&Upgrade>, http2: bool) -> bool {
    let status = response.status();
    let connects = upgrade.is_some_and(|upgrade| http2 || upgrade.connects);
    status == StatusCode::SWITCHING_PROTOCOLS || (connects && status.is_success())
}

/// Whether the upstream read this handshake. In HTTP/1.1 a 101 proves that by the right hash; without it, it may be anything that answers
/// 101 to everything, and what the client sends next would be requests that nobody judged. In HTTP/2 the upstream has said
/// beforehand that it knows how to.
pub(crate) fn is_accepted<B>(response: &Response<B>, accept: &str, http2: bool) -> bool {
    let headers = response.headers();
    let only = |name| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none()).map(HeaderValue::as_bytes)
    };
    match response.status() {
        StatusCode::SWITCHING_PROTOCOLS => {
            !http2
                && only(UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
                && hygiene::has_token(headers, &CONNECTION, "upgrade")
                && only(SEC_WEBSOCKET_ACCEPT) == Some(accept.as_bytes())
        }
        // The one success that hyper makes a tunnel of.
        StatusCode::OK => http2,
        _ => false,
    }
}

/// Makes the upstream's agreement our 101: same fields, our own hop.
pub(crate) fn answer(headers: &mut HeaderMap, accept: &str) {
    hygiene::clean(headers);
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRAILER);
    ask(headers);
    if let Ok(accept) = HeaderValue::from_str(accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
}

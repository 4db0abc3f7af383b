//! The WebSocket handshake with the upstream (RFC 6455 §4).

use http::header::{CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, TRAILER, UPGRADE};
use http::{HeaderMap, HeaderValue};

use crate::upstream::hygiene;

/// Puts back the two fields that stripping took; `Sec-WebSocket-*` are end to end and still there.
pub(crate) fn ask(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Whether a 101 proves that the upstream read this handshake. Without the right hash it may be anything that answers
/// 101 to everything, and what the client sends next would be requests that nobody judged.
pub(crate) fn is_accepted(headers: &HeaderMap, accept: &str) -> bool {
    let only = |name| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none()).map(HeaderValue::as_bytes)
    };
    only(UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
        && hygiene::has_token(headers, &CONNECTION, "upgrade")
        && only(SEC_WEBSOCKET_ACCEPT) == Some(accept.as_bytes())
}

/// Makes the upstream's 101 ours: same fields, our own hop.
pub(crate) fn answer(headers: &mut HeaderMap) {
    hygiene::clean(headers);
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRAILER);
    ask(headers);
}

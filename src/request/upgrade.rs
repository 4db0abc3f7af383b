//! The WebSocket handshake (RFC 6455 §4), judged before anything is forwarded.

use crate::request::error::ParseError;
use crate::request::header::has_token;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Method, Version, request::Parts};

/// RFC 6455 §1.3.
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The `Sec-WebSocket-Accept` that the upstream must answer, if this is a WebSocket handshake. Other upgrades (`h2c`, lists
/// of protocols, anything in HTTP/1.0) are no upgrade at all: the fields are taken away and the request goes on as plain HTTP,
/// as RFC 9110 §7.8 lets a server do.
///
/// # Errors
/// [`ParseError::BadUpgrade`] for a handshake that asks for `websocket` and breaks its rules.
pub(super) fn expected_accept(head: &Parts) -> Result<Option<String>, ParseError> {
    // In HTTP/2 hyper refuses an Upgrade of the client's, so this one is made of an extended CONNECT.
    if !head.headers.contains_key(UPGRADE) || head.version < Version::HTTP_11 {
        return Ok(None);
    }
    let asked =
        single(&head.headers, &UPGRADE).is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"));
    if !asked || !has_token(&head.headers, &CONNECTION, "upgrade") {
        return Ok(None);
    }
    let bodiless =
        !head.headers.contains_key(CONTENT_LENGTH) && !head.headers.contains_key(TRANSFER_ENCODING);
    let version = single(&head.headers, &SEC_WEBSOCKET_VERSION);
    let key = single(&head.headers, &SEC_WEBSOCKET_KEY);
    match key {
        Some(key) if head.method == Method::GET && bodiless && version == Some(b"13") && is_key(key) => {
            Ok(Some(accept_of(key)))
        }
        _ => Err(ParseError::BadUpgrade),
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.as_bytes().trim_ascii())
}

fn is_key(key: &[u8]) -> bool {
    STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16)
}

fn accept_of(key: &[u8]) -> String {
    use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(ACCEPT_GUID);
    STANDARD.encode(context.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(method: &str, fields: &[(&'static str, &'static str)]) -> Result<Option<String>, ParseError> {
        let mut request = http::Request::builder().method(method).uri("/ws");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        expected_accept(&request.body(()).unwrap().into_parts().0)
    }

    const GOOD: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    #[test]
    fn a_handshake_that_breaks_the_rules_is_refused() {
        for (at, field) in [
            (2, ("sec-websocket-version", "777")),
            (3, ("sec-websocket-key", "short")),
            (2, ("content-length", "5")),
        ] {
            let mut fields = GOOD;
            fields[at] = field;
            assert_eq!(judge("GET", &fields), Err(ParseError::BadUpgrade), "{field:?}");
        }
        assert_eq!(judge("POST", &GOOD), Err(ParseError::BadUpgrade));
    }

    #[test]
    fn other_upgrades_are_no_upgrade() {
        for protocol in ["h2c", "websocket, h2c", "TLS/1.0"] {
            let mut fields = GOOD;
            fields[1] = ("upgrade", protocol);
            assert_eq!(judge("GET", &fields), Ok(None), "{protocol}");
        }
    }

    #[test]
    fn the_expected_answer_is_that_of_the_rfc() {
        assert_eq!(judge("GET", &GOOD), Ok(Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned())));
    }
}

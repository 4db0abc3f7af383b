//! How a service agrees to a WebSocket (RFC 6455 §4.2.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The answer to a handshake with this key; `more` are further fields, each with its line end.
pub(crate) fn agreement(key: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n{more}\r\n",
        accept_of(key)
    )
}

/// What proves that the key was read.
pub(crate) fn accept_of(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

//! Hosts, origins, URLs and header names as they are written.

use std::net::Ipv6Addr;

/// Headers that frame a message, name its target or carry the session itself: neither a token nor a reserved name may
/// take their place.
const STRUCTURAL: &[&str] = &[
    "accept",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Splits `host`, `host:port`, `[::1]:port`; the host in lower case and without brackets.
pub(crate) fn authority(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            let port = match port.strip_prefix(':') {
                Some("") => return None,
                Some(port) => Some(port),
                None => port.is_empty().then_some(""),
            };
            (address.to_string(), port)
        }
        None => match text.split_once(':') {
            Some((host, port)) => (text_host(host)?, Some(port).filter(|port| !port.is_empty())),
            None => (text_host(text)?, Some("")),
        },
    };
    match port? {
        "" => Some((host, None)),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port != 0).map(|port| (host, Some(port)))
        }
        _ => None,
    }
}

fn text_host(text: &str) -> Option<String> {
    let label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.len() <= 63 && label.bytes().all(plain)
    };
    (text.len() <= 253 && text.split('.').all(label)).then(|| text.to_ascii_lowercase())
}

/// `scheme://host[:port]` of http and https, in lower case, without a default port.
pub(crate) fn origin(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let (scheme, rest) = lower.split_once("://")?;
    let default = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let (host, port) = authority(rest)?;
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Some(match port.filter(|port| *port != default) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

/// Whether `name` is a header that neither a token nor a reserved name may take; `name` may end in `*`.
pub(crate) fn is_structural(name: &str) -> bool {
    STRUCTURAL.iter().any(|known| match name.strip_suffix('*') {
        Some(start) => known.starts_with(start),
        None => *known == name,
    })
}

/// Why no rule of a route or upstream may touch `name`, if so: it frames the message, belongs to one hop, names the host,
/// or carries cookies, which have rules of their own.
pub(crate) fn framing(name: &str) -> Option<&'static str> {
    match name {
        "host" => Some("for Host there is `host` of the upstream"),
        "cookie" | "set-cookie" => Some("what becomes of session cookies is `forward_cookie`"),
        "connection" | "content-length" | "expect" | "http2-settings" | "keep-alive" | "te" | "trailer"
        | "transfer-encoding" | "upgrade" => Some("how a message is framed is each hop's own"),
        _ if name.starts_with("sec-websocket-") => Some("the handshake is between client and service"),
        _ => None,
    }
}

/// Whether `text` can stand in a header as it is, spaces excluded.
pub(crate) fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_with_anything_else_in_it_is_none() {
        for text in [
            "", ":80", "a:", "a:0", "a:65536", "a:+1", "a b", "a/b", "u@a", "a..b", "a.", "[::1", "[::1]x",
            "[::1]:",
        ] {
            assert_eq!(authority(text), None, "{text}");
        }
    }

    #[test]
    fn an_authority_is_folded_and_loses_its_brackets() {
        assert_eq!(authority("Shop.Example:81"), Some(("shop.example".into(), Some(81))));
        assert_eq!(authority("[0:0::1]:81"), Some(("::1".into(), Some(81))));
        assert_eq!(authority("[::1]"), Some(("::1".into(), None)));
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_no_default_port() {
        for text in ["null", "*", "https://a/", "https://a?b", "ftp://a", "//a", "https://u@a", "https://*.a"]
        {
            assert_eq!(origin(text), None, "{text}");
        }
        assert_eq!(origin("HTTPS://App.example:443"), Some("https://app.example".into()));
        assert_eq!(origin("http://[::1]:3000"), Some("http://[::1]:3000".into()));
    }

    #[test]
    fn a_pattern_that_would_take_a_structural_header_is_one() {
        assert!(is_structural("*") && is_structural("co*") && is_structural("cookie"));
        assert!(!is_structural("x-user-*") && !is_structural("authorization"));
    }
}

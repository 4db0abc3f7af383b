//! The `Forwarded` field (RFC 7239): what each proxy says of the hop before it.

use http::HeaderValue;
use std::net::{IpAddr, SocketAddr};

/// What one proxy says: of whom it got the request, and in what form.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// Whose it was; `None` if it does not say, or only by a name of its own (`unknown`, `_hidden`).
    pub address: Option<IpAddr>,
    /// Whether that one spoke TLS; `None` if it does not say, or names another protocol.
    pub https: Option<bool>,
    /// The host that it was asked for.
    pub host: Option<Vec<u8>>,
}

/// The elements of one line, leftmost first; `None` if it is malformed, since a quote that is never closed may hide where the proxy's
/// own element begins.
pub(super) fn parse(line: &HeaderValue) -> Option<Vec<Element>> {
    let mut rest = line.as_bytes();
    let mut elements = Vec::new();
    loop {
        let (element, after) = element(rest)?;
        elements.extend(element);
        match after {
            [b',', more @ ..] => rest = more,
            _ => return Some(elements),
        }
    }
}

/// A node as an address: alone, in brackets, and with a port that is left out (RFC 7239 §6, and what load balancers write in
/// X-Forwarded-For).
pub(super) fn address(node: &str) -> Option<IpAddr> {
    let bare = node.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let hidden_port = || {
        let (address, port) = node.rsplit_once(":_")?;
        (!port.is_empty() && port.bytes().all(is_name)).then(|| self::address(address))?
    };
    let address = match bare {
        Some(bare) => bare.parse().map(IpAddr::V6).ok(),
        None => node
            .parse()
            .ok()
            .or_else(|| node.parse::<SocketAddr>().ok().map(|node| node.ip()))
            .or_else(hidden_port),
    };
    address.map(|address| address.to_canonical())
}

/// Reads an element up to its comma or the end; an empty one counts for nothing (RFC 9110 §5.6.1.2).
fn element(text: &[u8]) -> Option<(Option<Element>, &[u8])> {
    let (mut told, mut seen, mut rest) = (Element::default(), Vec::new(), text);
    loop {
        rest = rest.trim_ascii_start();
        if let [] | [b',', ..] = rest {
            return Some(((!seen.is_empty()).then_some(told), rest));
        }
        if let [b';', more @ ..] = rest {
            rest = more;
            continue;
        }
        let (name, value, after) = pair(rest)?;
        if seen.contains(&name) {
            return None;
        }
        match name.as_slice() {
            b"for" => told.address = str::from_utf8(&value).ok().and_then(address),
            b"proto" => told.https = scheme(&value),
            b"host" => told.host = Some(value),
            _ => {}
        }
        seen.push(name);
        rest = after.trim_ascii_start();
        if !matches!(rest, [] | [b',' | b';', ..]) {
            return None;
        }
    }
}

/// Whether a scheme is that of TLS; `None` for what is neither of the two.
pub(super) fn scheme(value: &[u8]) -> Option<bool> {
    match value {
        _ if value.eq_ignore_ascii_case(b"https") => Some(true),
        _ if value.eq_ignore_ascii_case(b"http") => Some(false),
        _ => None,
    }
}

/// A `name=value`, its name in lower case and its value without quotes.
fn pair(text: &[u8]) -> Option<(Vec<u8>, Vec<u8>, &[u8])> {
    let equals = text.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (text.get(..equals)?, text.get(equals + 1..)?);
    if name.is_empty() || !name.iter().copied().all(is_name) {
        return None;
    }
    let (value, after) = match value {
        [b'"', quoted @ ..] => unquoted(quoted)?,
        // Some proxies leave out the quotes around a port or an IPv6 address.
        _ => {
            let plain = |byte: u8| is_name(byte) || matches!(byte, b':' | b'[' | b']');
            let end = value.iter().position(|byte| !plain(*byte)).unwrap_or(value.len());
            let (value, after) = value.split_at(end);
            (!value.is_empty()).then(|| (value.to_vec(), after))?
        }
    };
    Some((name.to_ascii_lowercase(), value, after))
}

/// A quoted string, from behind its first quote, and what comes after the last.
fn unquoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (mut value, mut rest) = (Vec::new(), text);
    loop {
        match rest {
            [b'"', after @ ..] => return Some((value, after)),
            [b'\\', escaped, after @ ..] => {
                value.push(*escaped);
                rest = after;
            }
            [byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
            [] => return None,
        }
    }
}

/// The characters of a token (RFC 9110 §5.6.2).
const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn addresses(line: &str) -> Option<Vec<Option<String>>> {
        let elements = parse(&HeaderValue::from_str(line).unwrap())?;
        Some(elements.into_iter().map(|element| element.address.map(|address| address.to_string())).collect())
    }

    fn address_of(node: &str) -> Option<String> {
        address(node).map(|address| address.to_string())
    }

    #[test]
    fn what_is_malformed_is_nothing() {
        for bad in [
            "for",
            "=1.2.3.4",
            "for=",
            "for=\"1.2.3.4",
            "for=\"1.2.3.4\\",
            "for=\"a\"b",
            "for=1.2.3.4 proto=http",
            "for=1.2.3.4;for=5.6.7.8",
            "For=1.2.3.4;fOR=1.2.3.4",
            "for = 1.2.3.4",
            "f(r=1.2.3.4",
            "for=1.2.3.4, \"",
            "for=\"_a, for=1.2.3.4",
            "1.2.3.4, for=1.2.3.4",
        ] {
            assert_eq!(addresses(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let v6 = Some(vec![Some("2001:db8:cafe::17".to_owned())]);
        assert_eq!(addresses("For=\"[2001:db8:cafe::17]:4711\""), v6);
        assert_eq!(addresses("for=192.0.2.43, for=198.51.100.17").map(|all| all.len()), Some(2));
        assert_eq!(addresses("for=unknown, for=_gazonk;by=203.0.113.60"), Some(vec![None, None]));
        assert_eq!(addresses("for=\"_gaz,onk;\";x=\"\\\"\""), Some(vec![None]));
        assert_eq!(addresses(" , for=192.0.2.43 ;; proto=http,, ").map(|all| all.len()), Some(1));
        let line = HeaderValue::from_static("for=192.0.2.60;PROTO=HTTPS;host=\"a\\.test:8443\"");
        let element = Element {
            address: Some([192, 0, 2, 60].into()),
            https: Some(true),
            host: Some(b"a.test:8443".to_vec()),
        };
        assert_eq!(parse(&line), Some(vec![element]));
    }

    #[test]
    fn a_node_may_have_a_port() {
        for same in
            ["192.0.2.1", "192.0.2.1:47011", "192.0.2.1:_p", "::ffff:192.0.2.1", "[::ffff:c000:201]:9"]
        {
            assert_eq!(address_of(same).as_deref(), Some("192.0.2.1"), "{same}");
        }
        for same in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:4711", "[2001:db8::1]:_x"] {
            assert_eq!(address_of(same).as_deref(), Some("2001:db8::1"), "{same}");
        }
        for none in [
            "",
            "unknown",
            "_1.2.3.4",
            "1.2.3",
            "1.2.3.4:",
            "1.2.3.4:99999",
            "[1.2.3.4]",
            "[::1",
            "::1]:2",
            "1.2.3.4:_",
        ] {
            assert_eq!(address_of(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_we_write_is_read(noise in "[ -~]{0,60}", node: IpAddr) {
            let _ = addresses(&noise);
            let node = node.to_canonical();
            let written = if node.is_ipv6() { format!("for=\"[{node}]\"") } else { format!("for={node}") };
            prop_assert_eq!(addresses(&written), Some(vec![Some(node.to_string())]));
        }
    }
}

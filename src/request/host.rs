//! The authority a request is for, canonical in one place.

use crate::request::error::ParseError;
use http::HeaderValue;
use std::net::Ipv6Addr;

/// Longest host name (RFC 1035 §2.3.4), a final dot included.
const NAME_BYTES_MAX: usize = 255;

/// A valid Host: the bytes the client sent, and the name that policy compares (lower case, without port and final dot).
#[derive(Clone, Debug)]
pub struct Host {
    raw: HeaderValue,
    name_end: usize,
    folded: Option<Box<str>>,
    port: Option<u16>,
}

impl Host {
    /// Reads one Host value: `name[:port]` or `[v6][:port]`. User information, lists, percent-encodings and empty
    /// ports are refused: proxies and frameworks read those differently.
    ///
    /// # Errors
    /// [`ParseError::BadHost`], the client's doing.
    pub fn parse(raw: &HeaderValue) -> Result<Self, ParseError> {
        let bytes = raw.as_bytes();
        let (name, port) = split_port(bytes)?;
        let valid = match name.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) {
            Some(v6) => std::str::from_utf8(v6).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok()),
            None => is_reg_name(name),
        };
        if !valid {
            return Err(ParseError::BadHost);
        }
        let undotted = name.strip_suffix(b".").unwrap_or(name);
        let folded = undotted
            .iter()
            .any(u8::is_ascii_uppercase)
            .then(|| String::from_utf8_lossy(undotted).to_ascii_lowercase().into_boxed_str());
        Ok(Self { raw: raw.clone(), name_end: undotted.len(), folded, port })
    }

    /// The name in lower case, without port and final dot.
    pub fn name(&self) -> &str {
        match &self.folded {
            Some(folded) => folded,
            None => self
                .raw
                .as_bytes()
                .get(..self.name_end)
                .and_then(|name| str::from_utf8(name).ok())
                .unwrap_or(""),
        }
    }

    /// The port, if the client named one.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The bytes as sent, which is what travels on.
    pub const fn raw(&self) -> &HeaderValue {
        &self.raw
    }

    /// Whether `other` names the same host and port, `default_port` standing in for none.
    pub fn same_authority(&self, other: &Self, default_port: u16) -> bool {
        self.name() == other.name() && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }
}

fn split_port(bytes: &[u8]) -> Result<(&[u8], Option<u16>), ParseError> {
    let after_v6 = bytes.iter().rposition(|byte| *byte == b']').map_or(0, |at| at + 1);
    let tail = bytes.get(after_v6..).unwrap_or_default();
    let Some(colon) = tail.iter().position(|byte| *byte == b':') else { return Ok((bytes, None)) };
    let (name, port) = bytes.split_at(after_v6 + colon);
    let digits = port.get(1..).unwrap_or_default();
    if digits.is_empty() || digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(ParseError::BadHost);
    }
    let port = str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or(ParseError::BadHost)?;
    Ok((name, Some(port)))
}

/// Letters, digits, `-`, `.` and `_` in non-empty labels; `_` is no host name but runs in many a compose file.
fn is_reg_name(name: &[u8]) -> bool {
    let undotted = name.strip_suffix(b".").unwrap_or(name);
    name.len() <= NAME_BYTES_MAX
        && undotted.split(|byte| *byte == b'.').all(|label| {
            !label.is_empty()
                && label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Result<Host, ParseError> {
        Host::parse(&HeaderValue::from_static(text))
    }

    #[test]
    fn what_is_not_one_plain_authority_is_refused() {
        for bad in [
            "",
            " ",
            "a,b",
            "a, b",
            "u@h",
            "h/x",
            "h:",
            "h:99999",
            "h:8x",
            "h:80:80",
            "[::1",
            "::1",
            "[::g]",
            "h ost",
            "h%2e",
            ".",
            "a..b",
            "-.a..",
            "h?x",
            "h#x",
            "h\\x",
            "[::1]x",
            "[1.2.3.4]",
        ] {
            assert_eq!(parse(bad).err(), Some(ParseError::BadHost), "{bad:?}");
        }
    }

    #[test]
    fn spellings_of_one_host_have_one_name() {
        for same in ["gw.test", "GW.TEST", "gw.test.", "Gw.Test:80", "GW.test.:8443"] {
            assert_eq!(parse(same).unwrap().name(), "gw.test", "{same:?}");
        }
    }

    #[test]
    fn the_bytes_that_travel_on_are_the_clients() {
        assert_eq!(parse("GW.Test:80").unwrap().raw(), "GW.Test:80");
    }

    #[test]
    fn ports_are_compared_with_the_default_in_place() {
        let (plain, named) = (parse("a").unwrap(), parse("A:80").unwrap());
        assert!(plain.same_authority(&named, 80));
        assert!(!plain.same_authority(&named, 443));
    }

    #[test]
    fn an_ipv6_literal_keeps_its_brackets() {
        assert_eq!(parse("[::1]:8080").unwrap().name(), "[::1]");
    }
}

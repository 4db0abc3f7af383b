//! Where a browser may be sent after it has logged in or out.

use std::borrow::Cow;

/// Longest path and query that is gone back to.
const BYTES_MAX: usize = 2048;

/// `next` if it can only lead to a page of the host it is sent from, else `/`.
///
/// It must be a path that every reader takes for a path: RFC 3986 reads `//host` and the URL Standard also `/\host` as
/// another host, browsers drop tabs and line ends from wherever they stand, and apps unescape once more than they
/// should. So nothing of that is let through, neither plainly nor escaped; the query may say what it likes, in visible ASCII.
pub fn safe_return(next: &str) -> &str {
    if is_plain(next) && is_local(next) && unescapes_to_local(next) { next } else { "/" }
}

/// Visible ASCII and not too long, as a Location field may hold.
fn is_plain(next: &str) -> bool {
    next.len() <= BYTES_MAX && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// A path, and not the start of a host.
fn is_local(path: &str) -> bool {
    path.starts_with('/') && !path.starts_with("//")
}

/// Whether the path stays one however often it is unescaped. Each round makes it shorter, so there is a last one.
fn unescapes_to_local(next: &str) -> bool {
    let end = next.find(['?', '#']).unwrap_or(next.len());
    let mut path = Cow::Borrowed(next.get(..end).unwrap_or_default());
    loop {
        let odd = |character: char| character == '\\' || character.is_control();
        if !is_local(&path) || path.contains(odd) || path.split('/').any(|step| matches!(step, "." | "..")) {
            return false;
        }
        let Ok(unescaped) = percent_encoding::percent_decode_str(&path).decode_utf8() else { return false };
        if unescaped == path {
            return true;
        }
        path = Cow::Owned(unescaped.into_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_open_redirect_leads_to_the_start_page() {
        let cases = include_str!("../../tests/security/cases.jsonl").lines();
        let mut seen = 0;
        for case in cases.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
            if case["proto"] != "return_to" {
                continue;
            }
            let (raw, id) = (case["raw"].as_str().unwrap(), &case["id"]);
            match case["expect"].as_str().unwrap() {
                "same_origin_only" => assert_eq!(safe_return(raw), "/", "{id}"),
                "allow" => assert_eq!(safe_return(raw), raw, "{id}"),
                other => panic!("{id} expects {other}"),
            }
            seen += 1;
        }
        assert!(seen >= 17, "only {seen} cases");
    }

    #[test]
    fn an_escape_hides_nothing_however_deep() {
        for next in [
            "/%2f/evil.test",
            "/%2Fevil.test",
            "/%5cevil.test",
            "/%255cevil.test",
            "/%25252509/evil.test",
            "/%2e/%2Fevil.test",
            "/..%2f/evil.test",
            "/a/%ff",
            "/%c2%85x",
        ] {
            assert_eq!(safe_return(next), "/", "{next}");
        }
    }

    #[test]
    fn what_no_field_should_hold_is_not_gone_back_to() {
        let long = format!("/{}", "a".repeat(BYTES_MAX));
        for next in ["", "a", "?a", "#", "/a b", "/a\u{7f}", "/é", "/a?b=\r\nSet-Cookie:c", "/a?b\\", &long]
        {
            assert_eq!(safe_return(next), "/", "{next}");
        }
    }

    #[test]
    fn a_page_of_ones_own_is_gone_back_to() {
        let long = format!("/{}", "a".repeat(BYTES_MAX - 1));
        for next in ["/", "/api/orders/?page=2&q=%2F%0A#x", "/my%20file", "/a//b", "/%C3%A9", "/a/.b", &long]
        {
            assert_eq!(safe_return(next), next);
        }
    }
}

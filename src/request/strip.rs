//! The proof that nothing a client sent can pass for something the gateway says.

use crate::request::cookie::{is_named, segments};
use crate::request::header::{Kept, Reserved, remove_foreign};
use crate::request::header_rules::HeaderRules;
use crate::request::navigation::is_safe;
use bytes::Bytes;
use http::header::COOKIE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

pub(super) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// A request from which every reserved and hop-by-hop field, every cookie that must not travel and every trailer have
/// been taken. Only [`super::Inbound::strip`] makes one; `upstream` accepts nothing else.
#[derive(Debug)]
pub struct Stripped<B = Incoming> {
    /// Method, origin-form target (the raw bytes that were judged) and clean headers.
    pub(super) head: Parts,
    /// The body as hyper reads it; framing is made anew on the way out.
    pub(super) body: B,
    /// A validated WebSocket handshake, if this is one.
    pub(super) upgrade: Option<Upgrade>,
}

/// A WebSocket handshake (RFC 6455 §4) that passed every check.
#[derive(Debug)]
pub struct Upgrade {
    /// Resolves to the client's byte stream once our 101 is written.
    pub client: OnUpgrade,
    /// The only `Sec-WebSocket-Accept` that an honest upstream can answer.
    pub accept: String,
    /// Whether it came as a CONNECT (RFC 8441): then any success would be one for the client.
    pub connects: bool,
}

impl<B> Stripped<B> {
    /// Takes it apart for sending.
    pub fn into_parts(self) -> (Parts, B, Option<Upgrade>) {
        (self.head, self.body, self.upgrade)
    }

    /// Skips the stripping, for tests of what comes after it.
    #[cfg(test)]
    pub(crate) fn for_test(head: Parts, body: B, upgrade: Option<Upgrade>) -> Self {
        Self { head, body, upgrade }
    }
}

/// What a route passes on beyond the default.
#[derive(Clone, Copy, Debug)]
pub struct StripRules<'a> {
    /// Names besides the fixed list.
    pub reserved: &'a Reserved,
    /// Names of cookies that stay here; empty where the route forwards them.
    pub cookies: &'a [String],
    /// Whether all cookies stay here: a preflight carries none.
    pub all_cookies: bool,
    /// Whether the client's own Authorization travels on.
    pub authorization: bool,
    /// Whether method overrides are taken away also on unsafe methods.
    pub method_is_policy: bool,
    /// What the configuration does to headers; they name nothing that is the gateway's to say.
    pub headers: Option<&'a HeaderRules>,
    /// Whether the path goes out as [`super::Inbound::rewrite`] made it.
    pub rewrites: bool,
}

pub(super) fn strip(head: &mut Parts, rules: &StripRules<'_>) {
    let headers = &mut head.headers;
    let method_overrides = !rules.method_is_policy && !is_safe(&head.method);
    remove_foreign(headers, rules.reserved, Kept { authorization: rules.authorization, method_overrides });
    if rules.all_cookies {
        headers.remove(COOKIE);
    } else if !rules.cookies.is_empty() {
        remove_cookies(headers, rules.cookies);
    }
    if headers.get(&TRACEPARENT).is_some_and(|value| !is_traceparent(value.as_bytes())) {
        headers.remove(&TRACEPARENT);
        headers.remove(&TRACESTATE);
    }
}

/// Rewrites the Cookie lines without the named cookies; what is left is left byte for byte.
fn remove_cookies(headers: &mut HeaderMap, names: &[String]) {
    let touched = headers
        .get_all(COOKIE)
        .iter()
        .any(|line| segments(line.as_bytes()).any(|pair| is_named(pair, names)));
    if !touched {
        return;
    }
    let lines: Vec<HeaderValue> =
        headers.get_all(COOKIE).iter().filter_map(|line| without(line, names)).collect();
    let mut lines = lines.into_iter();
    match lines.next() {
        Some(first) => drop(headers.insert(COOKIE, first)),
        None => drop(headers.remove(COOKIE)),
    }
    for line in lines {
        headers.append(COOKIE, line);
    }
}

fn without(line: &HeaderValue, names: &[String]) -> Option<HeaderValue> {
    let mut left = Vec::with_capacity(line.len());
    for pair in segments(line.as_bytes()).filter(|pair| !is_named(pair, names)) {
        if !left.is_empty() {
            left.push(b';');
        }
        left.extend_from_slice(if left.is_empty() { pair.trim_ascii_start() } else { pair });
    }
    HeaderValue::from_maybe_shared(Bytes::from(left)).ok().filter(|value| !value.is_empty())
}

/// W3C Trace Context §3.2: version, trace id, parent id and flags in lower-case hexadecimal.
fn is_traceparent(value: &[u8]) -> bool {
    let hex = |part: &[u8], length: usize| {
        part.len() == length && part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let nonzero = |part: &[u8]| part.iter().any(|byte| *byte != b'0');
    let mut parts = value.splitn(5, |byte| *byte == b'-');
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(version), Some(trace), Some(parent), Some(flags), rest) => {
            hex(version, 2)
                && version != b"ff"
                && (version != b"00" || rest.is_none())
                && hex(trace, 32)
                && nonzero(trace)
                && hex(parent, 16)
                && nonzero(parent)
                && hex(flags, 2)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(fields: &[(&'static str, &'static str)], rules: StripRules<'_>) -> HeaderMap {
        let mut request = http::Request::builder().uri("/");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut head = request.body(()).unwrap().into_parts().0;
        strip(&mut head, &rules);
        head.headers
    }

    fn with<T>(cookies: &[&str], test: impl FnOnce(StripRules<'_>) -> T) -> T {
        let reserved = Reserved::new([]);
        let cookies: Vec<String> = cookies.iter().map(|name| (*name).to_owned()).collect();
        test(StripRules {
            reserved: &reserved,
            cookies: &cookies,
            all_cookies: false,
            authorization: false,
            method_is_policy: false,
            headers: None,
            rewrites: false,
        })
    }

    #[test]
    fn a_session_cookie_goes_and_the_others_stay_byte_for_byte() {
        for (line, left) in [
            ("a=1; sid=x; b=\"2 3\"", Some("a=1; b=\"2 3\"")),
            ("sid=x; a=1", Some("a=1")),
            ("sid=x", None),
            ("sid=x; sid=y;sid =z", None),
            ("a=1;b=2;sid=x", Some("a=1;b=2")),
            ("SID=x; xsid=1", Some("SID=x; xsid=1")),
        ] {
            let headers = with(&["sid"], |rules| stripped(&[("cookie", line)], rules));
            assert_eq!(headers.get(COOKIE).map(|value| value.to_str().unwrap()), left, "{line}");
        }
    }

    #[test]
    fn php_spellings_of_the_name_go_too() {
        for line in ["app.sid=x", "app_sid=x", "app_sid[0]=x", "app sid=x", "app[sid=x"] {
            let headers = with(&["app_sid"], |rules| stripped(&[("cookie", line)], rules));
            assert!(!headers.contains_key(COOKIE), "{line}");
        }
    }

    #[test]
    fn authorization_passes_only_where_the_route_says_so() {
        let fields = [("authorization", "Basic x"), ("x-user", "root")];
        assert!(with(&[], |rules| stripped(&fields, rules)).is_empty());
        let kept = with(&[], |rules| stripped(&fields, StripRules { authorization: true, ..rules }));
        assert_eq!(kept.len(), 1);
        assert_eq!(kept["authorization"], "Basic x");
    }

    #[test]
    fn a_nominated_cookie_cannot_take_the_strip_away() {
        let fields = [("connection", "close, cookie"), ("cookie", "sid=x; a=1")];
        assert!(!with(&["sid"], |rules| stripped(&fields, rules)).contains_key(COOKIE));
    }

    #[test]
    fn only_a_valid_traceparent_travels() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(with(&[], |rules| stripped(&[("traceparent", good)], rules)).contains_key("traceparent"));
        for bad in ["", "00-0-0-00", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"] {
            assert!(
                !with(&[], |rules| stripped(&[("traceparent", bad)], rules)).contains_key("traceparent"),
                "{bad}"
            );
        }
    }
}

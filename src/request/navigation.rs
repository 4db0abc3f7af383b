//! What kind of caller a request betrays, for the form of an answer; never for a decision on access.

use http::header::{ACCEPT, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, HeaderName, Method, request::Parts};

/// Fetch-Metadata's mode.
static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Media types ignore case (RFC 9110 §8.3.1).
const HTML: &[u8] = b"text/html";
const GRPC: &[u8] = b"application/grpc";

/// A method that asks for nothing to change (RFC 9110 §9.2.1), of those we serve.
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// A browser going to a page: GET or HEAD with `Sec-Fetch-Mode: navigate`, or without that field (plain-HTTP hosts) and
/// with `text/html` in Accept.
pub fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return false;
    }
    match headers.get(&SEC_FETCH_MODE) {
        Some(mode) => mode.as_bytes() == b"navigate",
        None => headers
            .get_all(ACCEPT)
            .iter()
            .any(|value| value.as_bytes().windows(HTML.len()).any(|part| part.eq_ignore_ascii_case(HTML))),
    }
}

/// A gRPC call: its client reads a status from trailers and nothing from a body.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().get(..GRPC.len()));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(GRPC))
}

/// The method that a CORS preflight (Fetch standard §4.8) asks for. A preflight never carries a cookie, so it can never be
/// authenticated.
pub(super) fn preflight_method(head: &Parts) -> Option<Method> {
    if head.method != Method::OPTIONS || !head.headers.contains_key(ORIGIN) {
        return None;
    }
    let asked = head.headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    Method::from_bytes(asked.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_fetch_that_accepts_html_is_no_navigation() {
        let fetch = headers(&[("sec-fetch-mode", "cors"), ("accept", "text/html")]);
        assert!(!is_navigation(&Method::GET, &fetch));
    }

    #[test]
    fn a_post_is_no_navigation_so_that_no_form_is_lost_to_a_redirect() {
        let form = headers(&[("sec-fetch-mode", "navigate"), ("accept", "text/html")]);
        assert!(!is_navigation(&Method::POST, &form));
    }

    #[test]
    fn without_fetch_metadata_accept_decides() {
        assert!(is_navigation(&Method::GET, &headers(&[("accept", "text/html,*/*;q=0.8")])));
        assert!(is_navigation(&Method::GET, &headers(&[("accept", "TEXT/HTML")])));
        assert!(!is_navigation(&Method::GET, &headers(&[("accept", "*/*")])));
        assert!(!is_navigation(&Method::GET, &headers(&[("accept", "")])));
    }

    #[test]
    fn grpc_is_known_in_any_case_and_with_any_message_format() {
        for kind in ["application/grpc", "application/grpc+proto", "APPLICATION/GRPC"] {
            assert!(is_grpc(&headers(&[("content-type", kind)])), "{kind}");
        }
        assert!(!is_grpc(&headers(&[("content-type", "application/grp")])));
    }
}

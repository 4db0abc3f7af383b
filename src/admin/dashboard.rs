//! The page for operators: what `migration` and `keys list` say, in a browser.
//!
//! It is three files that are the same for everybody. What it shows it asks for by the calls that commands use, with a token that the
//! operator types in and that stays in the page; so it can do no more than they may, and a page of another site nothing.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, REFERRER_POLICY};
use http::{HeaderValue, Response};
use http_body_util::Full;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One of its files.
pub(super) fn find(path: &str) -> Option<Response<Full<Bytes>>> {
    let (kind, text) = match path {
        "/" => ("text/html; charset=utf-8", include_str!("dashboard/page.html")),
        "/dashboard.css" => ("text/css", include_str!("dashboard/dashboard.css")),
        "/dashboard.js" => ("text/javascript", include_str!("dashboard/dashboard.js")),
        _ => return None,
    };
    let mut response = Response::new(Full::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("content-security-policy", HeaderValue::from_static(POLICY));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    Some(response)
}

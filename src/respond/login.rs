//! Sending a browser to the app's own login page, once.

use crate::request::{Cookies, Path};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// How long a redirect is remembered. A browser that is back within it went round in a circle: the app thinks it is
/// logged in and we do not, and only a page that says so ends it.
const LOOP_SECONDS: u32 = 10;
/// Name of the cookie that remembers it.
const COOKIE: &str = "cloakroom-login";
/// Unreserved characters stay; everything else, `/` and `?` included, is escaped so that the path is one parameter value.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Longest path and query that is carried along; a longer one goes back to the start page.
const RETURN_BYTES_MAX: usize = 2048;

/// A route's `login`, split at `{path}`.
#[derive(Clone, Debug)]
pub struct LoginTemplate {
    before: String,
    after: Option<String>,
}

impl LoginTemplate {
    /// Splits a checked template.
    pub fn new(text: &str) -> Self {
        match text.split_once("{path}") {
            Some((before, after)) => Self { before: before.to_owned(), after: Some(after.to_owned()) },
            None => Self { before: text.to_owned(), after: None },
        }
    }

    /// Path of the login page, where it is on the same host or on another.
    pub fn path(&self) -> &str {
        let place = self.before.split(['?', '#']).next().unwrap_or_default();
        match place.split_once("://") {
            Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
            None => place,
        }
    }

    /// The redirect of a browser that asked for `path`. The path is the client's own target on this very host and is escaped
    /// whole, so it can neither leave the host nor add a header line.
    pub fn redirect(&self, path: &Path) -> Option<LoginRedirect> {
        let remember =
            format!("{COOKIE}={}; Max-Age={LOOP_SECONDS}; Path=/; HttpOnly; SameSite=Lax", mark(path));
        Some(LoginRedirect {
            location: self.location(path)?,
            remember: HeaderValue::try_from(remember).ok()?,
        })
    }

    fn location(&self, path: &Path) -> Option<HeaderValue> {
        let mut location = self.before.clone();
        if let Some(after) = &self.after {
            let target = path.raw().as_str();
            let target = if target.len() <= RETURN_BYTES_MAX { target } else { "/" };
            location.extend(utf8_percent_encode(target, ESCAPED));
            location.push_str(after);
        }
        HeaderValue::try_from(location).ok()
    }
}

/// A redirect to a login page, and the cookie that remembers it.
#[derive(Debug)]
pub struct LoginRedirect {
    pub(super) location: HeaderValue,
    pub(super) remember: HeaderValue,
}

impl LoginRedirect {
    /// Where it leads.
    pub const fn location(&self) -> &HeaderValue {
        &self.location
    }
}

/// Whether this browser was sent to log in from the same path within the last seconds.
pub fn seen_before(cookies: &Cookies, path: &Path) -> bool {
    let mark = mark(path);
    cookies.segments().any(|segment| {
        segment.trim_ascii().strip_prefix(COOKIE.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
            == Some(mark.as_bytes())
    })
}

/// A short hash of the path, so that two tabs with two pages are no loop.
fn mark(path: &Path) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, path.as_str().as_bytes());
    URL_SAFE_NO_PAD.encode(digest.as_ref().get(..9).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::uri::PathAndQuery;

    fn path(text: &'static str) -> Path {
        Path::parse(&PathAndQuery::from_static(text)).unwrap()
    }

    #[test]
    fn the_path_and_query_come_back_as_one_value() {
        let template = LoginTemplate::new("/login?next={path}&x=1");
        assert_eq!(
            template.location(&path("/a/b?c=d&e=%20")).unwrap(),
            "/login?next=%2Fa%2Fb%3Fc%3Dd%26e%3D%2520&x=1"
        );
    }

    #[test]
    fn a_template_without_a_place_for_the_path_is_taken_as_it_is() {
        assert_eq!(
            LoginTemplate::new("https://id.test/in").location(&path("/a")).unwrap(),
            "https://id.test/in"
        );
    }

    #[test]
    fn a_second_visit_to_the_same_path_is_a_loop_and_another_path_is_not() {
        let set = LoginTemplate::new("/in").redirect(&path("/a")).unwrap().remember;
        let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        let cookies = Cookies::from_line(format!("x=1; {pair}"));
        assert!(seen_before(&cookies, &path("/a")));
        assert!(!seen_before(&cookies, &path("/b")));
    }
}

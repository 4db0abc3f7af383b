//! The last touch on an upstream's answer.

use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

/// What an answer may not carry, and what it must.
#[derive(Clone, Copy, Debug)]
pub struct ResponseRules<'a> {
    /// Session cookies that this upstream does not own: it never got them, so what it sets would log the user out.
    pub foreign_cookies: &'a [String],
    /// Whether the request was made in a user's name: a shared cache must not keep the answer.
    pub authenticated: bool,
}

/// Applies the rules; returns whether a Set-Cookie was dropped, which is worth one warning.
pub fn clean(headers: &mut HeaderMap, rules: ResponseRules<'_>) -> bool {
    remove_our_names(headers);
    if rules.authenticated && !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    }
    !rules.foreign_cookies.is_empty() && drop_cookies(headers, rules.foreign_cookies)
}

/// Whether an answer sets one of these cookies.
pub fn sets_one_of(headers: &HeaderMap, names: &[String]) -> bool {
    headers.get_all(SET_COOKIE).iter().any(|value| is_one_of(value, names))
}

/// An upstream cannot speak in our name.
fn remove_our_names(headers: &mut HeaderMap) {
    let ours: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("cloakroom-")).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
}

fn is_one_of(set_cookie: &HeaderValue, names: &[String]) -> bool {
    let name = set_cookie.as_bytes().split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
    names.iter().any(|one| one.as_bytes() == name)
}

fn drop_cookies(headers: &mut HeaderMap, names: &[String]) -> bool {
    if !sets_one_of(headers, names) {
        return false;
    }
    let kept: Vec<HeaderValue> =
        headers.get_all(SET_COOKIE).iter().filter(|value| !is_one_of(value, names)).cloned().collect();
    headers.remove(SET_COOKIE);
    for value in kept {
        headers.append(SET_COOKIE, value);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_cookie_of_another_app_is_dropped_and_the_others_stay() {
        let mut headers = HeaderMap::new();
        for cookie in ["sid=new; Path=/", "theme=dark", "sidx=1"] {
            headers.append(SET_COOKIE, HeaderValue::from_static(cookie));
        }
        let names = ["sid".to_owned()];
        assert!(clean(&mut headers, ResponseRules { foreign_cookies: &names, authenticated: false }));
        let left: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(left, ["theme=dark", "sidx=1"]);
    }

    #[test]
    fn an_authenticated_answer_is_private_unless_the_app_says_otherwise() {
        let rules = ResponseRules { foreign_cookies: &[], authenticated: true };
        let mut silent = HeaderMap::new();
        clean(&mut silent, rules);
        assert_eq!(silent[CACHE_CONTROL], "private");
        let mut said = HeaderMap::new();
        said.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        clean(&mut said, rules);
        assert_eq!(said[CACHE_CONTROL], "public, max-age=60");
    }

    #[test]
    fn an_upstream_cannot_speak_in_our_name() {
        let mut headers = HeaderMap::new();
        headers.insert("cloakroom-refusal", HeaderValue::from_static("login-required"));
        clean(&mut headers, ResponseRules { foreign_cookies: &[], authenticated: false });
        assert!(headers.is_empty());
    }
}

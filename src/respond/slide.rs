//! A session cookie that is sent again, so that the browser keeps it as long as the session lives.

use crate::clock::UnixMillis;
use crate::format::date;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use std::time::Duration;

/// Attributes of a session cookie, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieSlide {
    /// As `Path=/; HttpOnly`.
    attributes: String,
    /// For how long the browser keeps it.
    life: Duration,
}

/// A Set-Cookie, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct SetCookie<'a> {
    /// `name=value`, as it is.
    pub pair: &'a str,
    /// How the app sends it, if the browser is to keep it beyond its own end.
    pub slide: Option<CookieSlide>,
}

impl CookieSlide {
    /// These attributes, as they were configured.
    pub const fn new(attributes: String, life: Duration) -> Self {
        Self { attributes, life }
    }

    /// Adds the cookies whose names are given, as the browser sent them, to an answer. Nothing is added where the app has just set one
    /// itself, or where a shared cache might hand it to somebody else.
    pub fn write(&self, pairs: &[&[u8]], headers: &mut HeaderMap) {
        if !is_private(headers) {
            return;
        }
        let set =
            |name: &[u8]| headers.get_all(SET_COOKIE).iter().any(|value| name_of(value.as_bytes()) == name);
        if pairs.iter().any(|pair| set(name_of(pair))) {
            return;
        }
        let end = if self.attributes.is_empty() { "" } else { "; " };
        let rest = format!("; Max-Age={}{end}{}", self.life.as_secs(), self.attributes);
        for pair in pairs {
            if let Ok(value) = HeaderValue::from_bytes(&[pair, rest.as_bytes()].concat()) {
                headers.append(SET_COOKIE, value);
            }
        }
    }
}

/// Takes a Set-Cookie apart; `None` if it is none.
pub fn read_set_cookie(value: &HeaderValue, now: UnixMillis) -> Option<SetCookie<'_>> {
    let text = value.to_str().ok()?;
    let mut parts = text.split(';').map(str::trim);
    let pair = parts.next().filter(|pair| pair.contains('='))?;
    let (mut kept, mut max_age, mut expires) = (Vec::new(), None, None);
    for part in parts.filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "max-age" => max_age = value.trim().parse::<u64>().ok(),
            "expires" => expires = date::http(value.trim()).map(|end| now.until(end)),
            _ => kept.push(part),
        }
    }
    // RFC 6265 §5.3: Max-Age goes before Expires.
    let life = max_age.map(Duration::from_secs).or(expires).filter(|life| !life.is_zero());
    let slide = life.map(|life| CookieSlide { attributes: kept.join("; "), life });
    Some(SetCookie { pair, slide })
}

fn name_of(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii()
}

/// Whether no shared cache keeps the answer: a Set-Cookie in one that it keeps would make many people one.
fn is_private(headers: &HeaderMap) -> bool {
    let says = |names: &[&str]| {
        headers.get_all(CACHE_CONTROL).iter().any(|line| {
            let text = String::from_utf8_lossy(line.as_bytes()).to_ascii_lowercase();
            text.split(',').any(|part| names.contains(&part.split('=').next().unwrap_or_default().trim()))
        })
    };
    says(&["private", "no-store"]) && !says(&["public", "s-maxage"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn written(fields: &[(&'static str, &'static str)]) -> Vec<String> {
        let slide = CookieSlide::new("Path=/; HttpOnly".into(), Duration::from_secs(60));
        let mut headers = headers(fields);
        slide.write(&[b"sid=s%3Aabc.def", b"sid.sig=x"], &mut headers);
        headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_cookie_is_never_added_to_an_answer_that_a_shared_cache_may_keep() {
        for said in ["public, max-age=60", "max-age=60", "s-maxage=5, private", ""] {
            assert!(written(&[("cache-control", said)]).is_empty(), "{said}");
        }
        assert!(written(&[]).is_empty());
    }

    #[test]
    fn what_the_app_sets_itself_is_not_set_again() {
        let own = written(&[("cache-control", "private"), ("set-cookie", "sid=new; Path=/")]);
        assert_eq!(own, ["sid=new; Path=/"]);
    }

    #[test]
    fn the_browsers_own_bytes_go_back_with_the_apps_attributes() {
        assert_eq!(
            written(&[("cache-control", "private")]),
            ["sid=s%3Aabc.def; Max-Age=60; Path=/; HttpOnly", "sid.sig=x; Max-Age=60; Path=/; HttpOnly"]
        );
    }

    #[test]
    fn an_apps_attributes_are_learned_but_for_the_end() {
        let read = |text: &'static str| {
            let value = HeaderValue::from_static(text);
            read_set_cookie(&value, UnixMillis::from_secs(1_700_000_000)).unwrap().slide
        };
        let slide = |attributes: &str, seconds| {
            Some(CookieSlide::new(attributes.into(), Duration::from_secs(seconds)))
        };
        assert_eq!(read("a=b; Path=/; Max-Age=60; HttpOnly"), slide("Path=/; HttpOnly", 60));
        assert_eq!(read("a=b; Path=/; Expires=Tue, 14 Nov 2023 22:14:20 GMT"), slide("Path=/", 60));
        assert_eq!(
            read("a=b; max-age=5; expires=Tue, 14-Nov-2023 22:14:20 GMT; SameSite=Lax"),
            slide("SameSite=Lax", 5)
        );
        for none in
            ["a=b; Path=/", "a=; Max-Age=0", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "a=b; Expires=x"]
        {
            assert_eq!(read(none), None, "{none}");
        }
    }
}

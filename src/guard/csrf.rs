//! The defence against requests that another site makes a browser send, where a cookie becomes a token.
//!
//! Fetch-Metadata says whose page a request comes from; browsers set it and pages cannot. Where it is missing (plain
//! HTTP hosts, old browsers) the Origin header is compared with Host. Neither: no browser, hence no ambient cookie to
//! abuse. WebSocket handshakes are GETs that need no preflight (RFC 6455 §10.2) and browsers never leave out their Origin, so that is
//! what decides there; without one, Fetch-Metadata does.

use crate::request::{Host, Inbound, is_safe};
use http::header::ORIGIN;
use http::{HeaderMap, HeaderName, HeaderValue};

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A request that another site's page made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrossSite;

/// `csrf.trusted_origins`: other origins of the same people.
#[derive(Clone, Debug, Default)]
pub struct TrustedOrigins(Vec<String>);

impl TrustedOrigins {
    /// These origins, each `scheme://host[:port]` in lower case without a default port.
    pub const fn new(origins: Vec<String>) -> Self {
        Self(origins)
    }

    /// Whether an Origin field names one of them.
    pub fn contains(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|trusted| origin.as_bytes().eq_ignore_ascii_case(trusted.as_bytes()))
    }

    /// Judges a request whose cookie is about to become a token.
    ///
    /// # Errors
    /// [`CrossSite`] if an unsafe request or a handshake comes from a page that is neither ours nor trusted.
    pub fn judge<B>(&self, inbound: &Inbound<B>) -> Result<(), CrossSite> {
        if is_safe(inbound.method()) && !inbound.is_upgrade() {
            return Ok(());
        }
        let headers = inbound.headers();
        let origin = only(headers, &ORIGIN)?;
        let site = only(headers, &SEC_FETCH_SITE)?.map(HeaderValue::as_bytes);
        let passes = match inbound.is_upgrade() {
            true => self.passes_as_handshake(site, origin, inbound.host()),
            false => self.passes(site, origin, inbound.host()),
        };
        if passes { Ok(()) } else { Err(CrossSite) }
    }

    fn passes(&self, site: Option<&[u8]>, origin: Option<&HeaderValue>, host: &Host) -> bool {
        let trusted = origin.is_some_and(|origin| self.contains(origin));
        match (site, origin) {
            (Some(b"same-origin" | b"none"), _) => true,
            (Some(_), _) => trusted,
            (None, None) => true,
            (None, Some(origin)) => trusted || is_own(origin, host),
        }
    }

    fn passes_as_handshake(&self, site: Option<&[u8]>, origin: Option<&HeaderValue>, host: &Host) -> bool {
        match origin {
            Some(_) => self.passes(None, origin, host),
            None => self.passes(site, None, host),
        }
    }
}

/// The value of a field that browsers send once, if it came. Two are no browser's: somebody between put one beside the page's own, and
/// we cannot tell which.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, CrossSite> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() { Err(CrossSite) } else { Ok(value) }
}

/// Whether an Origin names the host that the request is for. The scheme is not compared: behind a proxy that ends TLS we
/// may not know ours, and a page of the same host over plain HTTP could set cookies anyway.
fn is_own(origin: &HeaderValue, host: &Host) -> bool {
    let Ok(text) = origin.to_str() else { return false };
    let (authority, port) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(authority), _) => (authority, 443),
        (None, Some(authority)) => (authority, 80),
        (None, None) => return false,
    };
    let named = HeaderValue::from_str(authority).ok().and_then(|value| Host::parse(&value).ok());
    named.is_some_and(|named| named.same_authority(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(site: Option<&str>, origin: Option<&'static str>, host: &'static str) -> bool {
        let trusted = TrustedOrigins::new(vec!["https://www.shop.test".to_owned()]);
        let origin = origin.map(HeaderValue::from_static);
        let host = Host::parse(&HeaderValue::from_static(host)).unwrap();
        trusted.passes(site.map(str::as_bytes), origin.as_ref(), &host)
    }

    fn judge_handshake(site: Option<&str>, origin: Option<&'static str>) -> bool {
        let (origin, host) = (origin.map(HeaderValue::from_static), HeaderValue::from_static("shop.test"));
        let host = Host::parse(&host).unwrap();
        TrustedOrigins::default().passes_as_handshake(site.map(str::as_bytes), origin.as_ref(), &host)
    }

    #[test]
    fn a_handshake_without_an_origin_is_judged_by_fetch_metadata() {
        for (site, passes) in [
            (Some("cross-site"), false),
            (Some("same-site"), false),
            (Some("same-origin, cross-site"), false),
            (Some("same-origin"), true),
            (Some("none"), true),
            (None, true),
        ] {
            assert_eq!(judge_handshake(site, None), passes, "{site:?}");
        }
        assert!(
            !judge_handshake(Some("same-origin"), Some("https://evil.test")),
            "no page says that of itself"
        );
        assert!(judge_handshake(Some("same-origin"), Some("https://shop.test")));
    }

    #[test]
    fn another_sites_page_is_refused() {
        assert!(!judge(Some("cross-site"), Some("https://evil.test"), "shop.test"));
        assert!(!judge(Some("same-site"), Some("https://evil.shop.test"), "shop.test"));
        assert!(!judge(Some("cross-site"), None, "shop.test"));
        assert!(!judge(Some("nonsense"), None, "shop.test"));
        assert!(!judge(None, Some("https://evil.test"), "shop.test"));
        assert!(!judge(None, Some("null"), "shop.test"));
        assert!(!judge(None, Some("https://shop.test.evil.test"), "shop.test"));
        assert!(!judge(None, Some("https://shop.test@evil.test"), "shop.test"));
        assert!(!judge(None, Some("https://shop.test:8443"), "shop.test"));
    }

    #[test]
    fn our_own_pages_and_trusted_ones_pass() {
        assert!(judge(Some("same-origin"), Some("https://shop.test"), "shop.test"));
        assert!(judge(Some("none"), None, "shop.test"));
        assert!(judge(Some("same-site"), Some("https://www.shop.test"), "shop.test"));
        assert!(judge(None, Some("https://Shop.test"), "shop.test"));
        assert!(judge(None, Some("http://shop.test:8080"), "shop.test:8080"));
    }

    #[test]
    fn what_is_no_browser_passes() {
        assert!(judge(None, None, "shop.test"));
    }
}

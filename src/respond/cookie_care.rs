//! What an app leaves out when it sets its session cookie, and putting it in.

use crate::config::CookieAttribute;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

/// A set of [`Flaw`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flaws(u8);

/// What is wrong with the attributes of a session cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// No HttpOnly: a script that somebody else got into a page reads it.
    Readable,
    /// No Secure, though it came over HTTPS: the next plain request gives it away.
    NotSecure,
    /// No SameSite: browsers differ in what they make of that.
    NoSameSite,
    /// SameSite=None without Secure: browsers refuse the cookie.
    NoneWithoutSecure,
    /// A `__Host-` or `__Secure-` name without what it promises: browsers refuse the cookie.
    PrefixBroken,
}

/// Every flaw once.
const FLAWS: [Flaw; 5] =
    [Flaw::Readable, Flaw::NotSecure, Flaw::NoSameSite, Flaw::NoneWithoutSecure, Flaw::PrefixBroken];

/// The session cookies of one profile, and what is put right about them.
#[derive(Clone, Debug)]
pub struct CookieCare {
    /// Their names.
    pub names: Vec<String>,
    /// What is added where it is missing.
    pub repair: Vec<CookieAttribute>,
}

/// The attributes of one Set-Cookie; a name of several counts as browsers count it: the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Attributes<'a> {
    secure: bool,
    http_only: bool,
    same_site: Option<&'a str>,
    domain: bool,
    root: bool,
    removes: bool,
}

impl CookieCare {
    /// Repairs what sets one of the cookies, as far as that is configured, and says what is wrong with the rest. A cookie that is being
    /// removed is left alone.
    pub fn tend(&self, headers: &mut HeaderMap, https: bool) -> Flaws {
        let mut flaws = Flaws::default();
        let mut repaired = false;
        let values: Vec<HeaderValue> = headers
            .get_all(SET_COOKIE)
            .iter()
            .map(|value| match self.tend_one(value, https, &mut flaws) {
                Some(better) => {
                    repaired = true;
                    better
                }
                None => value.clone(),
            })
            .collect();
        if repaired {
            headers.remove(SET_COOKIE);
            for value in values {
                headers.append(SET_COOKIE, value);
            }
        }
        flaws
    }

    fn tend_one(&self, value: &HeaderValue, https: bool, flaws: &mut Flaws) -> Option<HeaderValue> {
        let text = value.to_str().ok()?;
        let name = text.split(['=', ';']).next().unwrap_or_default().trim();
        self.names.iter().find(|own| *own == name)?;
        let attributes = Attributes::read(text);
        if attributes.removes {
            return None;
        }
        let better = self.repair(text, name, attributes, https);
        flaws.0 |= better.as_deref().map_or(attributes, Attributes::read).flaws(name, https).0;
        HeaderValue::try_from(better?).ok()
    }

    /// The text with what it lacks, or nothing if it lacks nothing.
    fn repair(&self, text: &str, name: &str, attributes: Attributes<'_>, https: bool) -> Option<String> {
        let trimmed = text.trim_end().trim_end_matches(';');
        let mut better = trimmed.to_owned();
        for attribute in &self.repair {
            match attribute {
                // Over plain HTTP a browser would refuse the cookie.
                CookieAttribute::Secure if https && !attributes.secure => better.push_str("; Secure"),
                CookieAttribute::HttpOnly if !attributes.http_only => better.push_str("; HttpOnly"),
                CookieAttribute::SameSiteLax if attributes.same_site.is_none() => {
                    better.push_str("; SameSite=Lax");
                }
                CookieAttribute::SameSiteStrict if attributes.same_site.is_none() => {
                    better.push_str("; SameSite=Strict");
                }
                CookieAttribute::HostPrefix
                    if name.starts_with("__Host-") && (attributes.domain || !attributes.root) =>
                {
                    better = without_place(&better) + "; Path=/";
                }
                CookieAttribute::Secure
                | CookieAttribute::HttpOnly
                | CookieAttribute::SameSiteLax
                | CookieAttribute::SameSiteStrict
                | CookieAttribute::HostPrefix => {}
            }
        }
        (better != trimmed).then_some(better)
    }
}

/// The text without its Domain and Path.
fn without_place(text: &str) -> String {
    let kept = text.split(';').enumerate().filter(|(at, part)| {
        let name = part.split('=').next().unwrap_or_default().trim();
        *at == 0 || !(name.eq_ignore_ascii_case("domain") || name.eq_ignore_ascii_case("path"))
    });
    kept.map(|(_, part)| part).collect::<Vec<_>>().join(";")
}

impl<'a> Attributes<'a> {
    fn read(text: &'a str) -> Self {
        let mut parts = text.split(';').map(|part| part.split_once('=').unwrap_or((part, "")));
        let empty = parts.next().is_some_and(|(_, value)| value.trim().is_empty());
        let mut found = Self { removes: empty, ..Self::default() };
        for (name, value) in parts.map(|(name, value)| (name.trim(), value.trim())) {
            if name.eq_ignore_ascii_case("secure") {
                found.secure = true;
            } else if name.eq_ignore_ascii_case("httponly") {
                found.http_only = true;
            } else if name.eq_ignore_ascii_case("samesite") {
                // Of another value browsers make what they make of none (RFC 6265bis §5.6.7).
                let known = |value: &&str| {
                    ["lax", "strict", "none"].iter().any(|one| value.eq_ignore_ascii_case(one))
                };
                found.same_site = Some(value).filter(known);
            } else if name.eq_ignore_ascii_case("domain") {
                found.domain = !value.is_empty();
            } else if name.eq_ignore_ascii_case("path") {
                found.root = value == "/";
            } else if name.eq_ignore_ascii_case("max-age") {
                found.removes |= value.starts_with('-') || value == "0";
            } else if name.eq_ignore_ascii_case("expires") {
                // The one date that every framework removes cookies with.
                found.removes |= value.contains("1970");
            }
        }
        found
    }

    fn flaws(self, name: &str, https: bool) -> Flaws {
        let none = self.same_site.is_some_and(|value| value.eq_ignore_ascii_case("none"));
        let broken = if name.starts_with("__Host-") {
            !self.secure || self.domain || !self.root
        } else {
            name.starts_with("__Secure-") && !self.secure
        };
        let found = |flaw| match flaw {
            Flaw::Readable => !self.http_only,
            Flaw::NotSecure => https && !self.secure && !broken && !none,
            Flaw::NoSameSite => self.same_site.is_none(),
            Flaw::NoneWithoutSecure => none && !self.secure,
            Flaw::PrefixBroken => broken,
        };
        Flaws(FLAWS.into_iter().filter(|flaw| found(*flaw)).fold(0, |bits, flaw| bits | flaw.bit()))
    }
}

impl Flaws {
    /// As a number, for an atomic.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Those that are not among `known`.
    pub fn beyond(self, known: u8) -> impl Iterator<Item = Flaw> {
        FLAWS.into_iter().filter(move |flaw| self.0 & !known & flaw.bit() != 0)
    }
}

impl Flaw {
    const fn bit(self) -> u8 {
        match self {
            Self::Readable => 1,
            Self::NotSecure => 2,
            Self::NoSameSite => 4,
            Self::NoneWithoutSecure => 8,
            Self::PrefixBroken => 16,
        }
    }

    /// What is wrong, and what of it we could mend.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Readable => {
                "it has no HttpOnly, so that any script in a page can read it; `cookie_repair = [\"HttpOnly\"]` adds it"
            }
            Self::NotSecure => {
                "it has no Secure, so that a plain HTTP request gives it away; `cookie_repair = [\"Secure\"]` adds it"
            }
            Self::NoSameSite => {
                "it has no SameSite, of which browsers make different things; `cookie_repair = [\"SameSite=Lax\"]` adds it"
            }
            Self::NoneWithoutSecure => {
                "it has SameSite=None without Secure, so that browsers refuse it; `cookie_repair = [\"Secure\"]` adds that over HTTPS"
            }
            Self::PrefixBroken => {
                "its name promises what it does not keep, so that browsers refuse it: `__Secure-` wants Secure, `__Host-` also Path=/ and \
                 no Domain; `cookie_repair = [\"Secure\", \"__Host-\"]` puts that right"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CookieAttribute::{HostPrefix, HttpOnly, SameSiteLax, SameSiteStrict, Secure};

    fn tended(value: &'static str, https: bool, repair: &[CookieAttribute]) -> (String, Vec<Flaw>) {
        let names = ["sid", "__Host-sid", "__Secure-sid"].map(str::to_owned).to_vec();
        let care = CookieCare { names, repair: repair.to_vec() };
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, HeaderValue::from_static("a=1"));
        headers.append(SET_COOKIE, HeaderValue::from_static(value));
        headers.append(SET_COOKIE, HeaderValue::from_static("sidecar=1"));
        let flaws = care.tend(&mut headers, https).beyond(0).collect();
        let all: Vec<_> = headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!((all[0], all[2], all.len()), ("a=1", "sidecar=1", 3), "others' cookies stay as they are");
        (all[1].to_owned(), flaws)
    }

    #[test]
    fn what_is_missing_is_found() {
        let found = |value, https| tended(value, https, &[]).1;
        assert_eq!(found("sid=1; Path=/; Secure; HttpOnly; SameSite=Lax", true), []);
        assert_eq!(found("sid=1;secure;HTTPONLY;samesite=strict", true), []);
        assert_eq!(found("sid=1", true), [Flaw::Readable, Flaw::NotSecure, Flaw::NoSameSite]);
        assert_eq!(found("sid=1; HttpOnly; SameSite=Lax", false), [], "plain HTTP cannot be Secure");
        assert_eq!(found("sid=1; HttpOnly; SameSite=None", true), [Flaw::NoneWithoutSecure]);
        for broken in [
            "__Host-sid=1; HttpOnly; SameSite=Lax; Path=/",
            "__Host-sid=1; HttpOnly; SameSite=Lax; Secure",
            "__Host-sid=1; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=a.test",
            "__Host-sid=1; HttpOnly; SameSite=Lax; Secure; Path=/x",
            "__Secure-sid=1; HttpOnly; SameSite=Lax",
        ] {
            assert_eq!(found(broken, true), [Flaw::PrefixBroken], "{broken}");
        }
    }

    #[test]
    fn only_what_is_asked_for_is_repaired_and_nothing_that_is_there() {
        let all = [Secure, HttpOnly, SameSiteLax, HostPrefix];
        let better = |value, https| tended(value, https, &all).0;
        assert_eq!(better("sid=1; Path=/x;", true), "sid=1; Path=/x; Secure; HttpOnly; SameSite=Lax");
        assert_eq!(better("sid=1", false), "sid=1; HttpOnly; SameSite=Lax");
        let whole = "sid=1; secure; httponly; samesite=None";
        assert_eq!(better(whole, true), whole);
        assert_eq!(
            better("__Host-sid=1; Domain=a.test; Path=/x; Secure; HttpOnly; SameSite=Lax", true),
            "__Host-sid=1; Secure; HttpOnly; SameSite=Lax; Path=/"
        );
        assert_eq!(tended("sid=1; HttpOnly", true, &[SameSiteStrict]).0, "sid=1; HttpOnly; SameSite=Strict");
        assert_eq!(
            better("sid=1; HttpOnly; SameSite=Bogus", false),
            "sid=1; HttpOnly; SameSite=Bogus; SameSite=Lax"
        );
        assert_eq!(tended("sid=1", true, &all).1, [], "what was repaired is no flaw");
        assert_eq!(tended("sid=1", true, &[HttpOnly]).1, [Flaw::NotSecure, Flaw::NoSameSite]);
    }

    #[test]
    fn a_cookie_that_is_removed_is_left_alone() {
        for gone in [
            "sid=; Path=/",
            "sid=x; Max-Age=0",
            "sid=x; Max-Age=-1",
            "sid=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        ] {
            assert_eq!(tended(gone, true, &[Secure, HttpOnly]), (gone.to_owned(), vec![]));
        }
    }
}

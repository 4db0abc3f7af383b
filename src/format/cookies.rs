//! Which cookie a framework reads, and how it unescapes it.
//!
//! Two readers of one Cookie header must not see two users. The rules below were captured from the running frameworks
//! by sending each the same odd headers; a constant per family says what its parser does. Where a name comes twice the
//! families disagree most, so unless a profile asks for the framework's own choice, two different values are refused.

use crate::config::DuplicateCookie;
use crate::format::Reject;
use crate::request::Cookies;
use std::borrow::Cow;

/// Longest value taken, in bytes: browsers stop at 4096 for name and value, Laravel's encrypted cookie needs about 500.
pub const VALUE_BYTES_MAX: usize = 8 * 1024;

/// How one family of frameworks reads the Cookie header.
#[derive(Clone, Copy, Debug)]
pub struct CookieRules {
    /// Which one counts when the name comes twice.
    pub pick: Pick,
    /// What `%41` and `+` mean.
    pub percent: Percent,
    /// What `"..."` around a value means.
    pub quotes: Quotes,
    /// Whether `name =value` names the cookie, blanks around the value not being part of it either.
    pub space_before_equals: bool,
    /// Whether names are mangled as PHP does: `.` and blank become `_`, and `name[..]` makes an array of it.
    pub php_names: bool,
    /// Whether any byte outside RFC 6265's cookie-octet is refused.
    pub octets_only: bool,
}

/// Which of several values counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The first, an empty one included.
    First,
    /// The last.
    Last,
}

/// Percent decoding of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Percent {
    /// The value is what was sent.
    None,
    /// As `decodeURIComponent`; with a bad escape, or where the result is not UTF-8, the whole value stays as sent.
    Component,
    /// As form data, `+` is a blank; with a bad escape the whole value stays as sent, in PHP only the bad escape does.
    FormPlus,
}

/// Quotes around values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    /// They are part of the value.
    Kept,
    /// A pair of them is taken off.
    Stripped,
    /// A pair of them is taken off, and `\"`, `\\` and `\ooo` inside are unescaped.
    Python,
}

impl CookieRules {
    /// express-session, NestJS, better-auth: the npm package cookie 0.4 to 1.0.
    pub const EXPRESS: Self = Self {
        pick: Pick::First,
        percent: Percent::Component,
        quotes: Quotes::Stripped,
        space_before_equals: true,
        php_names: false,
        octets_only: false,
    };
    /// @fastify/cookie 9 to 11.
    pub const FASTIFY: Self = Self { quotes: Quotes::Kept, ..Self::EXPRESS };
    /// The npm package cookies 0.8 and 0.9, under koa.
    pub const KOA: Self = Self { percent: Percent::None, space_before_equals: false, ..Self::EXPRESS };
    /// Django and Starlette: a dict, so the last one wins.
    pub const DJANGO: Self =
        Self { pick: Pick::Last, percent: Percent::None, quotes: Quotes::Python, ..Self::EXPRESS };
    /// Flask: Werkzeug's MultiDict, so the first one wins.
    pub const FLASK: Self = Self { pick: Pick::First, ..Self::DJANGO };
    /// Rack and Rails.
    pub const RACK: Self = Self {
        percent: Percent::FormPlus,
        quotes: Quotes::Kept,
        space_before_equals: false,
        ..Self::EXPRESS
    };
    /// PHP, hence Laravel and Symfony.
    pub const PHP: Self = Self { php_names: true, ..Self::RACK };
    /// Go's net/http up to 1.22: scs, gorilla, gin.
    pub const GO: Self = Self::KOA;
    /// tower-cookies: a set that later ones replace.
    pub const TOWER: Self = Self { pick: Pick::Last, quotes: Quotes::Kept, ..Self::EXPRESS };
    /// actix-web 4.
    pub const ACTIX: Self = Self::EXPRESS;
    /// Spring's DefaultCookieSerializer on Tomcat (from its source); several values it tries one by one, see [`values`].
    pub const SPRING: Self = Self::KOA;
    /// ASP.NET Core (from its source).
    pub const ASPNET: Self = Self { pick: Pick::Last, ..Self::EXPRESS };
    /// A profile without a framework: RFC 6265 to the letter.
    pub const STRICT: Self = Self { quotes: Quotes::Kept, octets_only: true, ..Self::KOA };
}

/// The value of the cookie `name`, unescaped as `rules` say; `None` if there is no such cookie.
///
/// # Errors
/// [`Reject::DuplicateCookie`] if `policy` refuses two different values, [`Reject::MalformedCookie`] if the value that
/// counts is too long or holds a byte that no framework writes. What unescaping brings to light is not judged here.
pub fn pick<'c>(
    cookies: &'c Cookies,
    name: &str,
    rules: CookieRules,
    policy: DuplicateCookie,
) -> Result<Option<Cow<'c, [u8]>>, Reject> {
    let found = raw_values(cookies, name, rules)?;
    let (Some(first), Some(last)) = (found.first(), found.last()) else { return Ok(None) };
    if policy == DuplicateCookie::Reject && found.iter().any(|value| value != first) {
        return Err(Reject::DuplicateCookie);
    }
    let counts = match rules.pick {
        Pick::First => first,
        Pick::Last => last,
    };
    read(counts, rules).map(Some)
}

/// Every value of the cookie `name` in the order sent, for the one family that tries them in turn.
///
/// # Errors
/// As [`pick`], for any of them.
pub fn values<'c>(
    cookies: &'c Cookies,
    name: &str,
    rules: CookieRules,
) -> Result<Vec<Cow<'c, [u8]>>, Reject> {
    raw_values(cookies, name, rules)?.into_iter().map(|value| read(value, rules)).collect()
}

fn raw_values<'c>(cookies: &'c Cookies, name: &str, rules: CookieRules) -> Result<Vec<&'c [u8]>, Reject> {
    let mut found = Vec::new();
    for segment in cookies.segments() {
        let Some(equals) = memchr::memchr(b'=', segment) else { continue };
        let (sent, value) = segment.split_at(equals);
        let sent = strip_start(sent);
        let sent = if rules.space_before_equals { strip_end(sent) } else { sent };
        let same = if rules.php_names { php_name_is(sent, name)? } else { sent == name.as_bytes() };
        if same {
            found.push(value.get(1..).unwrap_or_default());
        }
    }
    Ok(found)
}

/// Whether PHP files a cookie sent as `sent` under `name`.
///
/// # Errors
/// [`Reject::MalformedCookie`] for `name[..]`: PHP then has an array under that name, whatever else was sent.
fn php_name_is(sent: &[u8], name: &str) -> Result<bool, Reject> {
    // Since PHP 7.4.11 a mangled name cannot become a prefixed one: `..Host-sid` must not pass for `__Host-sid`.
    if ["__Host-", "__Secure-"]
        .iter()
        .any(|mark| name.starts_with(mark) && !sent.starts_with(mark.as_bytes()))
    {
        return Ok(false);
    }
    let bracket = memchr::memchr(b'[', sent)
        .filter(|at| sent.get(*at..).is_some_and(|rest| memchr::memchr(b']', rest).is_some()));
    let (base, array) = match bracket {
        Some(at) => (sent.get(..at).unwrap_or_default(), true),
        None => (sent, false),
    };
    let mangled = base.iter().map(|byte| if b". [".contains(byte) { b'_' } else { *byte });
    match (mangled.eq(name.bytes()), array) {
        (true, true) => Err(Reject::MalformedCookie("the cookie is sent as an array")),
        (same, _) => Ok(same),
    }
}

fn read(raw: &[u8], rules: CookieRules) -> Result<Cow<'_, [u8]>, Reject> {
    let value = if rules.space_before_equals { strip_end(strip_start(raw)) } else { raw };
    if value.len() > VALUE_BYTES_MAX {
        return Err(Reject::MalformedCookie("the value is longer than 8 KiB"));
    }
    if !all(value, |byte| matches!(byte, b'\t' | b' '..=b'~')) {
        return Err(Reject::MalformedCookie("the value holds a control character or is not ASCII"));
    }
    if rules.octets_only && !all(value, cookie_octet) {
        return Err(Reject::MalformedCookie("the value is not made of cookie-octets"));
    }
    let value = unquote(value, rules.quotes);
    Ok(match rules.percent {
        Percent::None => value,
        Percent::Component => match decode_strictly(&value, false) {
            Some(decoded) if std::str::from_utf8(&decoded).is_ok() => Cow::Owned(decoded),
            _ => value,
        },
        Percent::FormPlus if rules.php_names => Cow::Owned(decode_leniently(&value)),
        Percent::FormPlus => decode_strictly(&value, true).map_or(value, Cow::Owned),
    })
}

/// Whether every byte is one of these; looked at to the end, so that it runs at vector speed.
pub(crate) fn all(bytes: &[u8], is_one: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(true, |all, byte| all & is_one(*byte))
}

/// RFC 6265 §4.1.1.
const fn cookie_octet(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}

fn unquote(value: &[u8], quotes: Quotes) -> Cow<'_, [u8]> {
    let inner = match value {
        [b'"', inner @ .., b'"'] if quotes != Quotes::Kept => inner,
        _ => return Cow::Borrowed(value),
    };
    if quotes == Quotes::Python && memchr::memchr(b'\\', inner).is_some() {
        return Cow::Owned(unescape_octal(inner));
    }
    Cow::Borrowed(inner)
}

/// Python's `http.cookies._unquote`: `\ooo` with a first digit up to 3, else the character behind the backslash.
fn unescape_octal(mut rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rest.len());
    loop {
        rest = match rest {
            [] => return out,
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                out.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                tail
            }
            [b'\\', byte, tail @ ..] | [byte, tail @ ..] => {
                out.push(*byte);
                tail
            }
        };
    }
}

/// `None` if any escape is bad.
fn decode_strictly(mut rest: &[u8], plus: bool) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(rest.len());
    loop {
        rest = match rest {
            [] => return Some(out),
            [b'%', high, low, tail @ ..] => {
                out.push(hex(*high)? * 16 + hex(*low)?);
                tail
            }
            [b'%', ..] => return None,
            [b'+', tail @ ..] if plus => {
                out.push(b' ');
                tail
            }
            [byte, tail @ ..] => {
                out.push(*byte);
                tail
            }
        };
    }
}

fn decode_leniently(value: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = value.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_encoding::percent_decode(&spaced).collect()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn strip_start(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    bytes.get(blanks..).unwrap_or_default()
}

fn strip_end(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    bytes.get(..bytes.len() - blanks).unwrap_or_default()
}

#[cfg(test)]
mod tests;

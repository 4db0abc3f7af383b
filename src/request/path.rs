//! The path that policy judges, and the spellings of it that an upstream might take for another.
//!
//! Nothing is normalised on the way through: the bytes judged are the bytes forwarded. What frameworks are known to
//! read differently is refused outright (dot segments, controls, backslashes, broken triplets), refused unless the route
//! allows it (encoded slashes, `%25`, `%23`, `%3F`, `;`, `//`), or compared twice (case, trailing slash, escaped
//! unreserved characters: see [`Path::folded`]).

use crate::config::PathException;
use crate::request::error::ParseError;
use http::uri::PathAndQuery;

/// The exceptions in the order of their bits.
const EXCEPTIONS: [PathException; 6] = [
    PathException::Slash,
    PathException::Percent,
    PathException::NumberSign,
    PathException::QuestionMark,
    PathException::Semicolon,
    PathException::EmptySegment,
];

/// A set of [`PathException`]s: what a path needs, or what a route allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathExceptions(u8);

impl PathExceptions {
    /// The set of `allowed`.
    pub fn new(allowed: &[PathException]) -> Self {
        Self(allowed.iter().fold(0, |bits, exception| bits | bit(*exception)))
    }

    const fn add(&mut self, exception: PathException) {
        self.0 |= bit(exception);
    }

    /// The first exception of `self` that `allowed` lacks.
    pub fn beyond(self, allowed: Self) -> Option<PathException> {
        let missing = self.0 & !allowed.0;
        EXCEPTIONS.into_iter().find(|exception| missing & bit(*exception) != 0)
    }
}

const fn bit(exception: PathException) -> u8 {
    match exception {
        PathException::Slash => 1,
        PathException::Percent => 2,
        PathException::NumberSign => 4,
        PathException::QuestionMark => 8,
        PathException::Semicolon => 16,
        PathException::EmptySegment => 32,
    }
}

/// How an exception is written in `allow_in_path`.
pub const fn exception_text(exception: PathException) -> &'static str {
    match exception {
        PathException::Slash => "%2F",
        PathException::Percent => "%25",
        PathException::NumberSign => "%23",
        PathException::QuestionMark => "%3F",
        PathException::Semicolon => ";",
        PathException::EmptySegment => "//",
    }
}

/// A judged path. The raw bytes stay in the [`PathAndQuery`] that travels on.
#[derive(Clone, Debug)]
pub struct Path {
    raw: PathAndQuery,
    needs: PathExceptions,
    folded: Option<Box<str>>,
}

impl Path {
    /// Judges the path of an origin-form target.
    ///
    /// # Errors
    /// What no route may take: dot segments, controls, backslashes, bytes outside ASCII, broken triplets, overlong or
    /// invalid UTF-8, blanks at the edge of a segment.
    pub fn parse(raw: &PathAndQuery) -> Result<Self, ParseError> {
        let path = raw.path();
        if !path.starts_with('/') {
            return Err(ParseError::BadTarget);
        }
        if is_plain(path.as_bytes()) {
            return Ok(Self { raw: raw.clone(), needs: PathExceptions::default(), folded: None });
        }
        let (decoded, needs) = decode(path.as_bytes())?;
        refuse_odd_segments(&decoded)?;
        let folded = fold(path);
        let folded = (folded != path).then(|| folded.into_boxed_str());
        Ok(Self { raw: raw.clone(), needs, folded })
    }

    /// The path as sent: what routes are matched against.
    pub fn as_str(&self) -> &str {
        self.raw.path()
    }

    /// Path and query as sent: what travels on.
    pub const fn raw(&self) -> &PathAndQuery {
        &self.raw
    }

    /// What a route must allow for this path to pass.
    pub const fn needs(&self) -> PathExceptions {
        self.needs
    }

    /// The path as a lax app may read it: lower case, unreserved characters unescaped, no trailing slash. `None` if that
    /// changes nothing.
    pub fn folded(&self) -> Option<&str> {
        self.folded.as_deref()
    }
}

/// Whether every segment is lower-case unreserved characters, none empty, none starting with a dot: then there is
/// nothing to refuse and nothing to fold.
fn is_plain(path: &[u8]) -> bool {
    let mut previous = 0;
    for (at, byte) in path.iter().enumerate() {
        let plain = match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => true,
            b'.' => previous != b'/',
            b'/' => at == 0 || previous != b'/',
            _ => false,
        };
        if !plain {
            return false;
        }
        previous = *byte;
    }
    previous != b'/' || path.len() == 1
}

/// Unescapes every triplet, and notes what only some routes take. An escaped slash becomes a slash, since that is what a
/// careless upstream will make of it when it looks for dot segments.
fn decode(path: &[u8]) -> Result<(Vec<u8>, PathExceptions), ParseError> {
    let mut needs = PathExceptions::default();
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.iter();
    while let Some(byte) = bytes.next() {
        let escaped = *byte == b'%';
        let byte = if escaped { triplet(bytes.next(), bytes.next())? } else { *byte };
        match byte {
            0..=0x1f | 0x7f | b'\\' => return Err(ParseError::PathUnsafe),
            0x80.. if !escaped => return Err(ParseError::PathUnsafe),
            b'/' if escaped => needs.add(PathException::Slash),
            b'/' if decoded.last() == Some(&b'/') => needs.add(PathException::EmptySegment),
            b'%' => needs.add(PathException::Percent),
            b'#' => needs.add(PathException::NumberSign),
            b'?' => needs.add(PathException::QuestionMark),
            b';' => needs.add(PathException::Semicolon),
            _ => {}
        }
        decoded.push(byte);
    }
    Ok((decoded, needs))
}

fn triplet(high: Option<&u8>, low: Option<&u8>) -> Result<u8, ParseError> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    match (digit(high), digit(low)) {
        (Some(high), Some(low)) => u8::try_from(high * 16 + low).map_err(|_| ParseError::PathUnsafe),
        _ => Err(ParseError::PathUnsafe),
    }
}

/// Refuses dot segments, also with path parameters (`..;x`) and in the full-width and one-dot-leader spellings that
/// compatibility normalisation turns into dots; blanks at a segment's edge, which some file systems drop; and what is no
/// UTF-8, overlong forms included.
fn refuse_odd_segments(decoded: &[u8]) -> Result<(), ParseError> {
    let text = str::from_utf8(decoded).map_err(|_| ParseError::PathUnsafe)?;
    for segment in text.split('/') {
        if segment.starts_with(' ') || segment.ends_with(' ') {
            return Err(ParseError::PathUnsafe);
        }
        if is_dot_segment(segment) {
            return Err(ParseError::PathDotSegment);
        }
        if segment.chars().any(|letter| matches!(letter, '\u{ff0f}' | '\u{ff3c}')) {
            return Err(ParseError::PathUnsafe);
        }
    }
    // A second round of unescaping must not bring a dot segment either: `%252e%252e` behind an allowed `%25`.
    if memchr::memchr(b'%', decoded).is_some() {
        let twice = percent_encoding::percent_decode(decoded).decode_utf8_lossy();
        if twice.split(['/', '\\']).any(is_dot_segment) {
            return Err(ParseError::PathDotSegment);
        }
    }
    Ok(())
}

fn is_dot_segment(segment: &str) -> bool {
    let name = segment.split(';').next().unwrap_or(segment);
    !name.is_empty() && name.chars().all(is_dot) && name.chars().count() <= 2
}

const fn is_dot(letter: char) -> bool {
    matches!(letter, '.' | '\u{2024}' | '\u{fe52}' | '\u{ff0e}')
}

/// The reading of a router that ignores case and a trailing slash and unescapes what need not be escaped.
pub fn fold(path: &str) -> String {
    let mut folded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (before, from) = rest.split_at(at);
        folded.push_str(before);
        let unescaped = from.get(1..3).and_then(|hex| u8::from_str_radix(hex, 16).ok()).map(char::from);
        match unescaped {
            Some(letter) if letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_' | '~') => {
                folded.push(letter);
                rest = from.get(3..).unwrap_or("");
            }
            _ => {
                folded.push('%');
                rest = from.get(1..).unwrap_or("");
            }
        }
    }
    folded.push_str(rest);
    folded.make_ascii_lowercase();
    while folded.len() > 1 && folded.ends_with('/') {
        folded.pop();
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(path: &str) -> Result<Path, ParseError> {
        Path::parse(&PathAndQuery::try_from(path).expect("a target that http takes"))
    }

    #[test]
    fn dot_segments_are_refused_in_every_spelling() {
        for bad in [
            "/..",
            "/a/..",
            "/a/../b",
            "/./a",
            "/a/.",
            "/%2e%2e/a",
            "/.%2E/a",
            "/a/..;x/b",
            "/a/%2e%2e;/b",
            "/a%2f..%2fb",
            "/%ef%bc%8e%ef%bc%8e/a",
            "/%252e%252e/a",
            "/a/%252e",
            "/%252e%252e;x/a",
            "/%252e%252e%253bx/a",
            "/%25ef%25bc%258e/a",
        ] {
            assert_eq!(parse(bad).err(), Some(ParseError::PathDotSegment), "{bad}");
        }
    }

    #[test]
    fn controls_backslashes_and_broken_triplets_are_refused() {
        for bad in [
            "/a%00",
            "/a%0a",
            "/a%0d%0aX:y",
            "/a%09",
            "/a%7f",
            "/a%5cb",
            "/a%5C..",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%c0%af",
            "/a%ff",
            "/admin%20",
            "/%20admin",
            "/a%ef%bc%8fb",
        ] {
            assert_eq!(parse(bad).err(), Some(ParseError::PathUnsafe), "{bad}");
        }
    }

    #[test]
    fn what_only_some_routes_take_is_named() {
        for (path, exception) in [
            ("/a%2Fb", PathException::Slash),
            ("/a%25b", PathException::Percent),
            ("/a%23b", PathException::NumberSign),
            ("/a%3Fb", PathException::QuestionMark),
            ("/a;b", PathException::Semicolon),
            ("/a%3bb", PathException::Semicolon),
            ("/a//b", PathException::EmptySegment),
            ("//a", PathException::EmptySegment),
        ] {
            let needs = parse(path).unwrap().needs();
            assert_eq!(needs.beyond(PathExceptions::default()), Some(exception), "{path}");
            assert_eq!(needs.beyond(PathExceptions::new(&[exception])), None, "{path}");
        }
    }

    #[test]
    fn an_international_path_passes() {
        let path = parse("/caf%C3%A9/men%C3%BC").unwrap();
        assert_eq!(path.needs().beyond(PathExceptions::default()), None);
    }

    #[test]
    fn lax_spellings_fold_to_one() {
        for (spelling, folded) in [
            ("/Admin", "/admin"),
            ("/admin/", "/admin"),
            ("/%61dmin", "/admin"),
            ("/a%2Db/", "/a-b"),
            ("/A%2Fb", "/a%2fb"),
        ] {
            assert_eq!(parse(spelling).unwrap().folded(), Some(folded), "{spelling}");
        }
        assert_eq!(parse("/admin").unwrap().folded(), None);
    }

    #[test]
    fn the_query_is_not_judged() {
        assert_eq!(parse("/a?x=/../%00").unwrap().as_str(), "/a");
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "/[ -~]{0,40}") {
            if let Ok(target) = PathAndQuery::try_from(path.as_str()) {
                let _ = Path::parse(&target);
            }
        }

        #[test]
        fn a_plain_path_has_nothing_to_fold_or_to_allow(path in "(/[a-z0-9_~-][a-z0-9._~-]{0,8}){1,4}") {
            let judged = parse(&path).unwrap();
            prop_assert!(judged.folded().is_none());
            prop_assert_eq!(judged.needs(), PathExceptions::default());
            prop_assert_eq!(fold(&path), path);
        }

        #[test]
        fn folding_twice_changes_nothing_more(path in "/[ -~]{0,40}") {
            let once = fold(&path);
            if !once.contains('%') {
                prop_assert_eq!(fold(&once), once);
            }
        }
    }
}

//! The Cookie header as the client sent it.

use bytes::Bytes;
use http::HeaderMap;
use http::header::COOKIE;
use memchr::memchr;

/// All Cookie lines of one request, joined with `; ` where there are several (RFC 9113 §8.2.3 for HTTP/2; frameworks
/// read several HTTP/1.1 lines the same way). Nothing is unescaped here: how a name or value is spelled means
/// different things to different frameworks, and those rules live in `format`.
#[derive(Clone, Default)]
pub struct Cookies(Bytes);

impl Cookies {
    /// The cookies of a request; one line is shared, several are joined.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let mut lines = headers.get_all(COOKIE).iter();
        let (Some(first), second) = (lines.next(), lines.next()) else { return Self::default() };
        let Some(second) = second else { return Self(Bytes::copy_from_slice(first.as_bytes())) };
        let mut joined = first.as_bytes().to_vec();
        for line in std::iter::once(second).chain(lines) {
            joined.extend_from_slice(b"; ");
            joined.extend_from_slice(line.as_bytes());
        }
        Self(joined.into())
    }

    /// A Cookie header's value, for tests and `explain`.
    pub fn from_line(line: impl Into<Bytes>) -> Self {
        Self(line.into())
    }

    /// Whether the client sent none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The raw bytes between semicolons, blanks and all.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        segments(&self.0)
    }

    /// Those of these names, byte for byte.
    pub fn only(&self, names: &[String]) -> Self {
        let mut kept = Vec::new();
        for pair in self.segments().filter(|pair| is_named(pair, names)) {
            if !kept.is_empty() {
                kept.push(b';');
            }
            kept.extend_from_slice(pair);
        }
        Self(kept.into())
    }

    /// Whether one of these names is among them, in any framework's spelling.
    pub fn names_any(&self, names: &[String]) -> bool {
        self.segments().any(|pair| is_named(pair, names))
    }

    /// The values of exactly this name.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.segments().filter_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    }

    /// The whole line.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whether a pair's name is one of `names` in any framework's reading: blanks around it, PHP's `.`, blank and unclosed `[`
/// as `_`, and `name[...]` as an array.
pub(super) fn is_named(pair: &[u8], names: &[String]) -> bool {
    let name = pair.get(..memchr(b'=', pair).unwrap_or(pair.len())).unwrap_or_default().trim_ascii();
    let base = name.get(..memchr(b'[', name).unwrap_or(name.len())).unwrap_or_default();
    names.iter().any(|candidate| is_same(candidate, base) || is_same(candidate, name))
}

fn is_same(candidate: &str, name: &[u8]) -> bool {
    candidate.len() == name.len()
        && candidate.bytes().zip(name).all(|(ours, theirs)| {
            ours == *theirs
                || (ours == b'_' && matches!(theirs, b'.' | b' ' | b'['))
                || (ours == b'.' && *theirs == b'_')
        })
}

/// What stands between the semicolons of a Cookie line.
pub(super) fn segments(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let end = memchr(b';', line);
        rest = end.and_then(|at| line.get(at + 1..));
        line.get(..end.unwrap_or(line.len()))
    })
}

/// Cookies are credentials: only the length is printed.
impl std::fmt::Debug for Cookies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cookies({} bytes)", self.0.len())
    }
}

//! Path and host patterns.

use crate::request::fold;

/// A checked path pattern: `/x` exact, `/x/*` x and all below, `/u/{id}/posts`; segments only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    segments: Vec<Segment>,
    below: bool,
}

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// This text, byte for byte.
    Literal(String),
    /// Any text but none. Its name is for the reader: `/u/{id}` and `/u/{name}` are one pattern.
    Parameter,
}

impl Pattern {
    /// Checks a pattern; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let path = text.strip_prefix('/').ok_or("a pattern that does not start with `/`")?;
        let mut below = false;
        let mut segments = Vec::new();
        if path.is_empty() {
            return Ok(Self { segments, below });
        }
        for part in path.split('/') {
            if below {
                return Err("a `*` that is not the last segment");
            }
            match part {
                "" => return Err("an empty segment"),
                "." | ".." => return Err("a dot segment"),
                "*" => below = true,
                _ if part.starts_with('{') && part.ends_with('}') => {
                    if part.len() < 3
                        || part.chars().filter(|letter| matches!(letter, '{' | '}')).count() != 2
                    {
                        return Err("a parameter without a name");
                    }
                    segments.push(Segment::Parameter);
                }
                // As Express and Rails write a parameter; as a literal it would fit no request that anybody sends.
                _ if part.starts_with(':') => return Err("a segment that begins with `:`"),
                _ if part.contains(['*', '{', '}']) => return Err("`*` or `{}` inside a segment"),
                _ if !part.bytes().all(is_path_byte) => {
                    return Err("a character that a path cannot hold as it stands");
                }
                _ => segments.push(Segment::Literal(part.to_owned())),
            }
        }
        Ok(Self { segments, below })
    }

    /// The pattern as a lax app would read its literals.
    pub(super) fn folded(&self) -> Self {
        let segments = self
            .segments
            .iter()
            .map(|segment| match segment {
                Segment::Literal(text) => Segment::Literal(fold(text)),
                Segment::Parameter => Segment::Parameter,
            })
            .collect();
        Self { segments, below: self.below }
    }

    /// The segments, a final `*` not counted.
    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether everything below matches too.
    pub(super) const fn is_open_ended(&self) -> bool {
        self.below
    }

    /// Whether some path matches both `self` and `other`, were encodings, empty segments and parameters read away.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let common = self.segments.iter().zip(&other.segments);
        let agree = common.into_iter().all(|(mine, theirs)| match (mine, theirs) {
            (Segment::Literal(mine), Segment::Literal(theirs)) => mine == theirs,
            (Segment::Parameter, _) | (_, Segment::Parameter) => true,
        });
        let (mine, theirs) = (self.segments.len(), other.segments.len());
        agree && (mine == theirs || (mine < theirs && self.below) || (theirs < mine && other.below))
    }
}

/// RFC 3986 §3.3 pchar, percent signs for triplets included.
const fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
                | b'%'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in [
            "", "x", "//", "/a//b", "/a/", "/a/../b", "/a*", "/*/a", "/{}", "/{a", "/a{b}", "/a b", "/a?b",
            "/a#b", "/u/:id",
        ] {
            assert!(Pattern::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn patterns_meet_where_a_path_could_match_both() {
        let meets = |a: &str, b: &str| Pattern::parse(a).unwrap().meets(&Pattern::parse(b).unwrap());
        assert!(meets("/*", "/admin/*"));
        assert!(meets("/files/*", "/files/{id}/secret"));
        assert!(!meets("/files/*", "/admin/*"));
        assert!(!meets("/files", "/files/secret"));
    }
}

//! Modified UTF-8: NUL as two bytes, and characters beyond U+FFFF as two surrogates of three bytes each.

use std::borrow::Cow;

/// What a Java string is to us.
pub(crate) enum Decoded<'a> {
    /// Borrowed where it is ASCII, as names and nearly all values are.
    Text(Cow<'a, str>),
    /// It holds half of a surrogate pair, as a string cut in the middle of an emoji does, and is no text.
    LoneSurrogate,
}

/// Decodes a string; `None` if it is not modified UTF-8. Longer spellings than necessary, which Java would take, are
/// refused: nothing writes them, and they make one user id look like another.
pub(crate) fn decode(bytes: &[u8]) -> Option<Decoded<'_>> {
    // ASCII needs no decoding, but NUL is not spelled as itself.
    if bytes.is_ascii() && !bytes.contains(&0) {
        return std::str::from_utf8(bytes).ok().map(|text| Decoded::Text(Cow::Borrowed(text)));
    }
    let (mut text, mut rest, mut high) = (String::with_capacity(bytes.len()), bytes, None);
    loop {
        let (unit, after) = match rest {
            [] => break,
            [a @ 0x01..=0x7f, after @ ..] => (u16::from(*a), after),
            [a @ 0xc0..=0xdf, b @ 0x80..=0xbf, after @ ..] => {
                let unit = u16::from(a & 0x1f) << 6 | u16::from(b & 0x3f);
                ((unit >= 0x80 || unit == 0).then_some(unit)?, after)
            }
            [a @ 0xe0..=0xef, b @ 0x80..=0xbf, c @ 0x80..=0xbf, after @ ..] => {
                let unit = u16::from(a & 0x0f) << 12 | u16::from(b & 0x3f) << 6 | u16::from(c & 0x3f);
                ((unit >= 0x800).then_some(unit)?, after)
            }
            _ => return None,
        };
        rest = after;
        match (high.take(), unit) {
            (None, 0xd800..=0xdbff) => high = Some(unit),
            (None, 0xdc00..=0xdfff) => return rest_is_well_formed(rest),
            (Some(first), 0xdc00..=0xdfff) => text.extend(char::decode_utf16([first, unit]).flatten()),
            (Some(_), _) => return rest_is_well_formed(rest),
            (None, _) => text.extend(char::from_u32(u32::from(unit))),
        }
    }
    Some(if high.is_none() { Decoded::Text(Cow::Owned(text)) } else { Decoded::LoneSurrogate })
}

/// What follows a lone surrogate must still be modified UTF-8, but no longer matters.
fn rest_is_well_formed(mut rest: &[u8]) -> Option<Decoded<'static>> {
    loop {
        rest = match rest {
            [] => return Some(Decoded::LoneSurrogate),
            [0x01..=0x7f, after @ ..]
            | [0xc0..=0xdf, 0x80..=0xbf, after @ ..]
            | [0xe0..=0xef, 0x80..=0xbf, 0x80..=0xbf, after @ ..] => after,
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Option<String> {
        match decode(bytes)? {
            Decoded::Text(text) => Some(text.into_owned()),
            Decoded::LoneSurrogate => None,
        }
    }

    #[test]
    fn longer_spellings_than_necessary_are_refused() {
        assert!(decode(b"\xc1\x81dmin").is_none());
        assert!(decode(b"\xe0\x81\x81dmin").is_none());
        assert!(decode(b"\0").is_none());
        assert!(decode("😀".as_bytes()).is_none());
    }

    #[test]
    fn half_a_pair_is_no_text_wherever_it_is() {
        for bytes in [&b"\xed\xa0\xbd"[..], b"a\xed\xb8\x80b", b"\xed\xa0\xbdx", b"\xed\xa0\xbd\xed\xa0\xbd"]
        {
            assert!(matches!(decode(bytes), Some(Decoded::LoneSurrogate)));
        }
        assert!(decode(b"\xed\xb8\x80\xff").is_none());
    }

    #[test]
    fn nul_and_pairs_have_their_own_spelling() {
        assert_eq!(text(b"a\xc0\x80\xc3\x85\xe2\x9c\x93").as_deref(), Some("a\0Å✓"));
        assert_eq!(text(b"\xed\xa0\xbd\xed\xb8\x80").as_deref(), Some("😀"));
    }
}

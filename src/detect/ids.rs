//! What session ids are made of.

/// The characters of an id, from the narrowest set to the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alphabet {
    /// `0-9a-f`
    Hex,
    /// `A-Z2-7`
    Base32,
    /// `0-9a-z`
    Lower,
    /// `0-9A-Za-z`
    Alnum,
    /// `0-9A-Za-z-_`: base64url.
    Url,
    /// `0-9A-Za-z,-`: PHP's own.
    Php,
    /// Anything.
    Any,
}

/// The shape that all ids of a family have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// So many characters of one alphabet.
    Fixed(usize, Alphabet),
    /// Rack's private id: `2::` and 64 hexadecimal digits.
    Rack,
    /// A UUID in its text form.
    Uuid,
    /// Several lengths, or none that a framework makes.
    Various,
}

impl Alphabet {
    const NARROW_FIRST: [Self; 6] = [Self::Hex, Self::Base32, Self::Lower, Self::Alnum, Self::Url, Self::Php];

    /// Whether the byte belongs to it.
    pub const fn has(self, byte: u8) -> bool {
        match self {
            Self::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::Base32 => matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
            Self::Lower => matches!(byte, b'0'..=b'9' | b'a'..=b'z'),
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
            Self::Php => byte.is_ascii_alphanumeric() || matches!(byte, b',' | b'-'),
            Self::Any => true,
        }
    }

    /// Whether every id over `other` is one over this.
    pub fn includes(self, other: Self) -> bool {
        self == other || self == Self::Any || (0..=127).all(|byte| !other.has(byte) || self.has(byte))
    }

    /// The narrowest one that nearly all of the ids are over; a stray key must not widen it.
    pub fn of<'k>(ids: impl Iterator<Item = &'k [u8]> + Clone) -> Self {
        let total = ids.clone().count();
        let fits = |alphabet: &Self| {
            let fitting = ids.clone().filter(|id| id.iter().all(|byte| alphabet.has(*byte))).count();
            fitting * 20 >= total * 19
        };
        Self::NARROW_FIRST.into_iter().find(fits).unwrap_or(Self::Any)
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Hex => "hexadecimal digits",
            Self::Base32 => "characters of base32",
            Self::Lower => "small letters and digits",
            Self::Alnum => "letters and digits",
            Self::Url => "characters of base64url",
            Self::Php => "letters, digits, `,` and `-`",
            Self::Any => "characters",
        }
    }
}

impl Ids {
    /// Whether ids like `found` may be of this kind, and how surely: 2 if they look exactly so, 1 if they fit, 0 if not.
    pub fn fits(self, found: Self) -> u8 {
        match (self, found) {
            (Self::Fixed(length, alphabet), Self::Fixed(other, found)) if length == other => {
                if alphabet == found { 2 } else { u8::from(alphabet.includes(found)) }
            }
            (Self::Rack, Self::Rack) | (Self::Uuid, Self::Uuid) => 2,
            _ => 0,
        }
    }

    /// Whether nobody guesses one.
    pub const fn is_random(self) -> bool {
        !matches!(self, Self::Various)
    }

    /// In words, for people.
    pub fn words(self) -> String {
        match self {
            Self::Fixed(length, alphabet) => format!("{length} {}", alphabet.words()),
            Self::Rack => "`2::` and 64 hexadecimal digits".to_owned(),
            Self::Uuid => "a UUID".to_owned(),
            Self::Various => "of various lengths".to_owned(),
        }
    }
}

/// Whether this is a UUID's text.
pub(crate) fn is_uuid(id: &[u8]) -> bool {
    id.len() == 36
        && id.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stray_id_among_many_does_not_widen_the_alphabet() {
        let many = vec![b"0123abcd".as_slice(); 30];
        assert_eq!(Alphabet::of(many.iter().copied()), Alphabet::Hex);
        let stray = many.iter().copied().chain([b"ZZZZ____".as_slice()]);
        assert_eq!(Alphabet::of(stray), Alphabet::Hex);
        assert_eq!(Alphabet::of([b"0123abcd".as_slice(), b"xyz_".as_slice()].into_iter()), Alphabet::Url);
    }

    #[test]
    fn a_narrower_id_fits_and_a_wider_one_does_not() {
        let url = Ids::Fixed(32, Alphabet::Url);
        assert_eq!(url.fits(Ids::Fixed(32, Alphabet::Url)), 2);
        assert_eq!(url.fits(Ids::Fixed(32, Alphabet::Hex)), 1);
        assert_eq!(Ids::Fixed(32, Alphabet::Hex).fits(url), 0);
        assert_eq!(url.fits(Ids::Fixed(43, Alphabet::Url)), 0);
    }

    #[test]
    fn a_uuid_has_its_dashes_in_their_places() {
        assert!(is_uuid(b"50ec1309-6686-4d58-9e6c-5651d08db924"));
        assert!(!is_uuid(b"50ec13096-686-4d58-9e6c-5651d08db924"));
    }
}

//! The judge of chunked framing (RFC 9112 §7.1), byte by byte where it is framing, by the block where it is data.

use httparse::{EMPTY_HEADER, Status};

use crate::listen::head::FIELDS_INLINE;
use crate::request::ParseError;

/// The longest chunk extension; no client we know sends any.
const EXTENSION_BYTES_MAX: u16 = 256;

/// The longest trailer section. Trailers are dropped behind us, so this only bounds what is held.
const TRAILER_BYTES_MAX: usize = 8 * 1024;

/// How far framing may outweigh data, as Go bounds it since CVE-2023-39326: each chunk may cost 16 bytes and twice its
/// data, so that one byte at a time is fine and extensions or padded sizes are not.
const EXCESS_BYTES_MAX: u64 = 16 * 1024;
const EXCESS_FREE_PER_CHUNK: u64 = 16;

/// The largest chunk: more is negative to a parser that keeps it in a signed 64-bit number.
const CHUNK_BYTES_MAX: u64 = i64::MAX as u64;

/// Where in a chunked body the next byte stands.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    place: Place,
    /// Bytes of the chunk line so far, and how far framing has outweighed data.
    line: u64,
    excess: u64,
}

#[derive(Debug)]
enum Place {
    Size { digits: u8, value: u64 },
    Extension { size: u64, bytes: u16 },
    SizeLf { size: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    TrailerStart,
    EndLf,
    Trailer(Vec<u8>),
}

impl Default for Place {
    fn default() -> Self {
        Self::Size { digits: 0, value: 0 }
    }
}

/// How much of the input belongs to the body, all of it sound, and whether the body ends there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) bytes: usize,
    pub(crate) end: bool,
}

impl Chunks {
    /// Reads on. The final line feed of the body is taken only if everything before it is sound, trailers included.
    pub(crate) fn take(&mut self, input: &[u8]) -> Result<Taken, ParseError> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            if let Place::Data { left } = &mut self.place {
                let rest = input.len() - at;
                let part = usize::try_from(*left).unwrap_or(usize::MAX).min(rest);
                at += part;
                *left -= part as u64;
                if *left == 0 {
                    self.place = Place::DataCr;
                }
                continue;
            }
            at += 1;
            if self.step(byte)? {
                return Ok(Taken { bytes: at, end: true });
            }
        }
        Ok(Taken { bytes: at, end: false })
    }

    /// One byte of framing; returns whether it was the body's last.
    fn step(&mut self, byte: u8) -> Result<bool, ParseError> {
        self.line += 1;
        self.place = match (std::mem::take(&mut self.place), byte) {
            (Place::Size { digits, value }, _) if byte.is_ascii_hexdigit() && digits < 16 => {
                let digit = char::from(byte).to_digit(16).map(u64::from).unwrap_or_default();
                Place::Size { digits: digits + 1, value: value << 4 | digit }
            }
            (Place::Size { digits: 1.., value }, b'\r') => Place::SizeLf { size: value },
            (Place::Size { digits: 1.., value }, b';') => Place::Extension { size: value, bytes: 0 },
            (Place::Extension { size, .. }, b'\r') => Place::SizeLf { size },
            (Place::Extension { size, bytes }, b'\t' | b' '..=b'~') if bytes < EXTENSION_BYTES_MAX => {
                Place::Extension { size, bytes: bytes + 1 }
            }
            (Place::SizeLf { size }, b'\n') if size <= CHUNK_BYTES_MAX => self.weigh(size)?,
            (Place::DataCr, b'\r') => Place::DataLf,
            (Place::DataLf, b'\n') => Place::default(),
            (Place::TrailerStart, b'\r') => Place::EndLf,
            (Place::EndLf, b'\n') => return Ok(true),
            (Place::TrailerStart, b' '..=b'~') => Place::Trailer(vec![byte]),
            (Place::Trailer(mut section), _)
                if section.len() < TRAILER_BYTES_MAX && section.ends_with(b"\r") == (byte == b'\n') =>
            {
                section.push(byte);
                if section.ends_with(b"\r\n\r\n") {
                    judge_trailers(&section)?;
                    return Ok(true);
                }
                Place::Trailer(section)
            }
            _ => return Err(ParseError::BadChunk),
        };
        Ok(false)
    }

    /// At the end of a chunk line: what its framing cost, and what comes next.
    fn weigh(&mut self, size: u64) -> Result<Place, ParseError> {
        let framing = std::mem::take(&mut self.line) + 2;
        let free = EXCESS_FREE_PER_CHUNK.saturating_add(size.saturating_mul(2));
        self.excess = (self.excess + framing).saturating_sub(free);
        if self.excess > EXCESS_BYTES_MAX {
            return Err(ParseError::BadChunk);
        }
        Ok(if size == 0 { Place::TrailerStart } else { Place::Data { left: size } })
    }
}

fn judge_trailers(section: &[u8]) -> Result<(), ParseError> {
    let mut fields = [EMPTY_HEADER; FIELDS_INLINE];
    match httparse::parse_headers(section, &mut fields) {
        Ok(Status::Complete((bytes, _))) if bytes == section.len() => Ok(()),
        Ok(_) | Err(_) => Err(ParseError::BadChunk),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(body: &str) -> Result<Taken, ParseError> {
        Chunks::default().take(body.as_bytes())
    }

    #[test]
    fn every_broken_frame_is_refused() {
        for body in [
            "10000000000000000\r\nx",
            "8000000000000000\r\nx",
            "\r\nhello",
            "+5\r\nhello",
            "0x5\r\nhello",
            " 5\r\nhello",
            "5 \r\nhello",
            "5\nhello",
            "5\rXhello",
            "5;\nhello",
            "5;a=\"x\ny\"\r\nhello",
            "5;\x7f\r\nhello",
            "5\r\nhelloworld\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhello\r\n0\n\r\n",
            "0\r\nX: y\n",
            "0\r\nX\ry",
            "0\r\nX : y\r\n\r\n",
            "0\r\n: y\r\n\r\n",
            "0\r\nX: a\r\n b\r\n\r\n",
            "0\r\n\rX",
        ] {
            assert_eq!(take(body), Err(ParseError::BadChunk), "{body:?}");
        }
    }

    #[test]
    fn a_body_ends_behind_its_trailers_and_not_before() {
        for body in
            ["0\r\n\r\n", "5;a=b\r\nhello\r\n000\r\nX: y\r\nZ: \r\n\r\n", "a\r\n0123456789\r\n0\r\n\r\n"]
        {
            let next = format!("{body}GET / HTTP/1.1\r\n");
            assert_eq!(take(&next), Ok(Taken { bytes: body.len(), end: true }), "{body:?}");
            let short = &body[..body.len() - 1];
            assert_eq!(take(short), Ok(Taken { bytes: short.len(), end: false }), "{short:?}");
        }
    }

    #[test]
    fn framing_may_not_outweigh_data() {
        let single = "1\r\nx\r\n".repeat(20_000);
        assert!(take(&single).is_ok());
        let padded = format!("1;{}\r\nx\r\n", "a".repeat(200)).repeat(100);
        assert_eq!(take(&padded), Err(ParseError::BadChunk));
    }

    #[test]
    fn an_extension_and_a_trailer_section_are_bounded() {
        assert!(take(&format!("1;{}\r\n", "a".repeat(256))).is_ok());
        assert_eq!(take(&format!("1;{}", "a".repeat(257))), Err(ParseError::BadChunk));
        assert_eq!(take(&format!("0\r\nx: {}", "a".repeat(9000))), Err(ParseError::BadChunk));
    }
}

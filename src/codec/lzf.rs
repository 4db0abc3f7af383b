//! LZF, one of the three ways phpredis compresses a session (`redis.session.compression`, phpredis 6).
//!
//! Facts [liblzf 3.6, lzf_d.c]: a control byte below 32 is followed by that many plus one literal bytes; any other repeats 3
//! to 264 bytes from up to 8192 bytes back, which may overlap what it writes. There is no header and no length.

use crate::codec::{Cursor, DecodeError, Fault, Limits};

/// Inflates `input` to at most `limits.bytes`.
///
/// # Errors
/// [`Fault::UnknownReference`] for a repetition of what was not written, [`Fault::LengthExceeded`] past the limit or the end.
pub fn read(input: &[u8], limits: Limits) -> Result<Vec<u8>, DecodeError> {
    let mut cursor = Cursor::new(input);
    let mut output: Vec<u8> = Vec::new();
    while !cursor.is_empty() {
        let start = cursor.clone();
        let control = usize::from(cursor.byte()?);
        let length = if control < 32 { control + 1 } else { repeat_length(control, &mut cursor)? };
        if output.len() + length > limits.bytes {
            let declared = (output.len() + length) as u64;
            return Err(start.fail(Fault::LengthExceeded { declared, available: limits.bytes as u64 }));
        }
        if control < 32 {
            output.extend_from_slice(cursor.take(length)?);
            continue;
        }
        let distance = ((control & 0x1f) << 8) + usize::from(cursor.byte()?) + 1;
        let from = output.len().checked_sub(distance).ok_or_else(|| start.fail(Fault::UnknownReference))?;
        let mut left = length;
        while left > 0 {
            // What overlaps repeats with the distance as its period, and so does every copy of a whole number of periods.
            let part = left.min(output.len() - from);
            output.extend_from_within(from..from + part);
            left -= part;
        }
    }
    Ok(output)
}

fn repeat_length(control: usize, cursor: &mut Cursor<'_>) -> Result<usize, DecodeError> {
    match control >> 5 {
        7 => Ok(usize::from(cursor.byte()?) + 9),
        short => Ok(short + 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_of_nothing_is_refused() {
        let refused = read(&[0x20, 0x00], Limits::default()).unwrap_err();
        assert_eq!(refused.to_string(), "a reference to nothing that came before at byte 0");
    }

    #[test]
    fn a_run_past_the_end_is_refused() {
        let refused = read(&[0x05, b'a'], Limits::default()).unwrap_err();
        assert_eq!(refused.to_string(), "a length of 6 where 1 are possible at byte 1");
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let mut bomb = vec![0x00, b'a'];
        bomb.extend([0xe0, 0xff, 0x00].repeat(2000));
        let refused = read(&bomb, Limits::default()).unwrap_err();
        assert!(refused.to_string().starts_with("a length of 262"), "{refused}");
    }

    #[test]
    fn literals_and_overlapping_repetitions_unfold() {
        let text = read(&[0x01, b'a', b'b', 0x40, 0x01, 0x00, b'!'], Limits::default()).unwrap();
        assert_eq!(text, b"abababa!".get(..6).unwrap().iter().copied().chain(*b"!").collect::<Vec<_>>());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_end_within_the_limit(bytes: Vec<u8>) {
            if let Ok(output) = read(&bytes, Limits::default()) {
                proptest::prop_assert!(output.len() <= Limits::default().bytes);
            }
        }
    }
}

//! Integers of any length.

use crate::codec::{Cursor, DecodeError, Fault, Value};

/// Longest integer read, in bytes. Writing one out in decimal takes time with the square of its length; ids have 16 bytes, and
/// Python itself refuses to print more than 4300 digits since 3.10.7.
pub(super) const INTEGER_BYTES_MAX: usize = 1024;

/// The integer with this sign and these magnitude bytes, least significant first.
///
/// # Errors
/// [`Fault::LengthExceeded`] past [`INTEGER_BYTES_MAX`].
pub(super) fn integer(negative: bool, magnitude: &[u8], cursor: &Cursor<'_>) -> Result<Value, DecodeError> {
    if magnitude.len() > INTEGER_BYTES_MAX {
        let (declared, available) = (magnitude.len() as u64, INTEGER_BYTES_MAX as u64);
        return Err(cursor.fail(Fault::LengthExceeded { declared, available }));
    }
    let digits = decimal(magnitude);
    Ok(from_digits(negative, digits))
}

/// The integer that `bytes` are in two's complement, least significant first; none are zero.
///
/// # Errors
/// As [`integer`].
pub(super) fn twos_complement(bytes: &[u8], cursor: &Cursor<'_>) -> Result<Value, DecodeError> {
    if bytes.last().is_none_or(|last| last & 0x80 == 0) {
        return integer(false, bytes, cursor);
    }
    // The magnitude of a negative number: invert, add one.
    let mut carry = true;
    let magnitude: Vec<u8> = bytes
        .iter()
        .map(|byte| {
            let (sum, overflow) = (!byte).overflowing_add(u8::from(carry));
            carry = overflow;
            sum
        })
        .collect();
    integer(true, &magnitude, cursor)
}

/// The integer written as `text`: an optional sign and decimal digits; `None` if it is anything else or too long.
pub(super) fn parse(text: &[u8]) -> Option<Value> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 4300 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count().min(digits.len() - 1);
    let digits = std::str::from_utf8(digits.get(zeros..)?).ok()?;
    Some(from_digits(negative, digits.to_owned()))
}

fn from_digits(negative: bool, digits: String) -> Value {
    let signed = if negative && digits != "0" { format!("-{digits}") } else { digits };
    signed.parse().map_or_else(|_| Value::BigInt(signed), Value::Int)
}

/// Divides by a billion until nothing is left.
fn decimal(magnitude: &[u8]) -> String {
    const BILLION: u64 = 1_000_000_000;
    let mut limbs: Vec<u32> = magnitude
        .chunks(4)
        .map(|chunk| chunk.iter().rev().fold(0, |limb, byte| limb << 8 | u32::from(*byte)))
        .collect();
    let mut groups = Vec::new();
    while limbs.iter().any(|limb| *limb != 0) {
        let mut rest = 0;
        for limb in limbs.iter_mut().rev() {
            let part = rest << 32 | u64::from(*limb);
            *limb = u32::try_from(part / BILLION).unwrap_or(u32::MAX);
            rest = part % BILLION;
        }
        groups.push(rest);
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
    }
    let Some(first) = groups.pop() else { return "0".to_owned() };
    groups.iter().rev().fold(first.to_string(), |text, group| format!("{text}{group:09}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Value {
        twos_complement(bytes, &Cursor::new(b"")).unwrap()
    }

    #[test]
    fn an_integer_beyond_the_bound_is_refused_by_its_length() {
        let error = integer(false, &[1; 1025], &Cursor::new(b"")).unwrap_err();
        assert_eq!(error.to_string(), "a length of 1025 where 1024 are possible at byte 0");
    }

    #[test]
    fn twos_complement_is_exact_on_both_sides_of_every_edge() {
        assert!(read(&[]) == Value::Int(0));
        assert!(read(&[0xff]) == Value::Int(-1));
        assert!(read(&[0x80]) == Value::Int(-128));
        assert!(read(&[0xff, 0]) == Value::Int(255));
        assert!(read(&i64::MIN.to_le_bytes()) == Value::Int(i64::MIN));
        assert!(read(&u64::MAX.to_le_bytes()) == Value::Int(-1));
        assert!(read(&u128::from(u64::MAX).to_le_bytes()) == Value::BigInt("18446744073709551615".into()));
        assert!(read(&i128::MIN.to_le_bytes()) == Value::BigInt(i128::MIN.to_string()));
    }

    #[test]
    fn a_written_integer_is_digits_with_a_sign_and_nothing_else() {
        for text in ["", "-", "1 ", "0x1", "1_0", "--1"] {
            assert!(parse(text.as_bytes()).is_none(), "{text}");
        }
        assert!(parse(b"-0") == Some(Value::Int(0)));
        assert!(parse(b"0042") == Some(Value::Int(42)));
        assert!(parse(b"1180591620717411303424") == Some(Value::BigInt("1180591620717411303424".into())));
    }

    proptest::proptest! {
        #[test]
        fn every_128_bit_integer_reads_as_its_own_decimal(number: i128) {
            let text = match read(&number.to_le_bytes()) {
                Value::Int(small) => small.to_string(),
                Value::BigInt(text) => text,
                other => format!("{other:?}"),
            };
            proptest::prop_assert_eq!(text, number.to_string());
        }
    }
}

//! JSON (RFC 8259), straight into a [`Value`].
//!
//! Not serde_json, for its numbers: it reads an integer over 64 bits as a float and rounds some floats, and its exact mode
//! mistakes an object with one magic key for a number. Here an integer keeps every digit, a float is the nearest one, and
//! each error knows its byte. Text must be UTF-8, control characters escaped; one with half of a surrogate pair in it, as of a
//! string cut in the middle of an emoji, is bytes and not text; `__proto__` is an ordinary key; of duplicate keys the last counts, as in `JSON.parse` and every other reader we know of.

use crate::codec::{Budget, Cursor, DecodeError, Fault, Limits, Value};

/// Reads exactly one JSON text, blanks around it allowed.
///
/// # Errors
/// [`DecodeError`] with the offset at which reading stopped.
pub fn decode(bytes: &[u8], limits: Limits) -> Result<Value, DecodeError> {
    let mut cursor = Cursor::new(bytes);
    if bytes.len() > limits.bytes {
        let (declared, available) = (bytes.len() as u64, limits.bytes as u64);
        return Err(cursor.fail(Fault::LengthExceeded { declared, available }));
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(DecodeError { offset: error.valid_up_to(), fault: Fault::Malformed("invalid UTF-8") });
    }
    let mut budget = Budget::new(limits);
    let value = value(&mut cursor, &mut budget)?;
    skip_blanks(&mut cursor)?;
    if cursor.is_empty() { Ok(value) } else { Err(cursor.fail(Fault::Malformed("more after the JSON text"))) }
}

fn value(cursor: &mut Cursor<'_>, budget: &mut Budget) -> Result<Value, DecodeError> {
    skip_blanks(cursor)?;
    budget.node(cursor)?;
    match cursor.peek() {
        None => Err(cursor.fail(Fault::Truncated)),
        Some(b'{') => map(cursor, budget),
        Some(b'[') => list(cursor, budget),
        Some(b'"') => text(cursor),
        Some(b't') => word(cursor, b"true", Value::Bool(true)),
        Some(b'f') => word(cursor, b"false", Value::Bool(false)),
        Some(b'n') => word(cursor, b"null", Value::Null),
        Some(b'-' | b'0'..=b'9') => number(cursor),
        Some(_) => Err(cursor.fail(Fault::Malformed("no JSON value begins like this"))),
    }
}

fn map(cursor: &mut Cursor<'_>, budget: &mut Budget) -> Result<Value, DecodeError> {
    let mut fields = Vec::new();
    budget.enter(cursor)?;
    cursor.byte()?;
    skip_blanks(cursor)?;
    if cursor.peek() == Some(b'}') {
        cursor.byte()?;
    } else {
        loop {
            skip_blanks(cursor)?;
            let start = cursor.clone();
            let Value::Text(key) = text(cursor)? else {
                return Err(start.fail(Fault::Malformed("a lone surrogate in a key")));
            };
            skip_blanks(cursor)?;
            expect(cursor, b':', "no `:` behind a key")?;
            fields.push((key, value(cursor, budget)?));
            if !goes_on(cursor, b'}', "neither `,` nor `}` behind a member")? {
                break;
            }
        }
    }
    budget.leave();
    Ok(Value::Map(fields))
}

fn list(cursor: &mut Cursor<'_>, budget: &mut Budget) -> Result<Value, DecodeError> {
    let mut items = Vec::new();
    budget.enter(cursor)?;
    cursor.byte()?;
    skip_blanks(cursor)?;
    if cursor.peek() == Some(b']') {
        cursor.byte()?;
    } else {
        loop {
            items.push(value(cursor, budget)?);
            if !goes_on(cursor, b']', "neither `,` nor `]` behind an element")? {
                break;
            }
        }
    }
    budget.leave();
    Ok(Value::List(items))
}

/// Whether a comma follows rather than the `end`.
fn goes_on(cursor: &mut Cursor<'_>, end: u8, otherwise: &'static str) -> Result<bool, DecodeError> {
    skip_blanks(cursor)?;
    if cursor.peek() == Some(b',') {
        cursor.byte()?;
        return Ok(true);
    }
    expect(cursor, end, otherwise)?;
    Ok(false)
}

/// Text; or bytes, if it has a lone surrogate.
fn text(cursor: &mut Cursor<'_>) -> Result<Value, DecodeError> {
    expect(cursor, b'"', "no text where one must be")?;
    let mut out = Vec::new();
    loop {
        let plain = cursor.rest().iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
        let plain = plain.unwrap_or(cursor.remaining());
        out.extend_from_slice(cursor.take(plain)?);
        match cursor.peek() {
            None => return Err(cursor.fail(Fault::Truncated)),
            Some(b'"') => break,
            Some(b'\\') => escape(cursor, &mut out)?,
            Some(_) => return Err(cursor.fail(Fault::Malformed("a control character in a text"))),
        }
    }
    cursor.byte()?;
    // The input is UTF-8 and was cut at ASCII bytes only: what is none is an escaped surrogate.
    Ok(String::from_utf8(out).map_or_else(|error| Value::Bytes(error.into_bytes()), Value::Text))
}

fn escape(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let start = cursor.clone();
    cursor.byte()?;
    out.push(match cursor.byte()? {
        byte @ (b'"' | b'\\' | b'/') => byte,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            let first = unit(cursor)?;
            match (pair(first, cursor), char::from_u32(first.into())) {
                (Some((char, behind)), _) => {
                    push(out, char);
                    *cursor = behind;
                }
                (None, Some(char)) => push(out, char),
                // What UTF-8 would be if it took surrogates.
                (None, None) => {
                    let bytes = [first >> 12 | 0xe0, first >> 6 & 0x3f | 0x80, first & 0x3f | 0x80];
                    out.extend(bytes.map(low_byte));
                }
            }
            return Ok(());
        }
        _ => return Err(start.fail(Fault::Malformed("an unknown escape"))),
    });
    Ok(())
}

/// The character that `first` and the escape behind it are the two halves of, and what follows them.
fn pair<'a>(first: u16, cursor: &Cursor<'a>) -> Option<(char, Cursor<'a>)> {
    let mut behind = cursor.clone();
    if behind.take(2).ok()? != b"\\u" {
        return None;
    }
    let char = char::decode_utf16([first, unit(&mut behind).ok()?]).next()?.ok()?;
    (char > '\u{ffff}').then_some((char, behind))
}

fn push(out: &mut Vec<u8>, char: char) {
    out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
}

const fn low_byte(unit: u16) -> u8 {
    let [_, low] = unit.to_be_bytes();
    low
}

fn unit(cursor: &mut Cursor<'_>) -> Result<u16, DecodeError> {
    let mut unit = 0_u16;
    for _ in 0..4 {
        let bad = cursor.fail(Fault::Malformed("no hexadecimal digit"));
        let digit = char::from(cursor.byte()?).to_digit(16).and_then(|digit| u16::try_from(digit).ok());
        unit = unit << 4 | digit.ok_or(bad)?;
    }
    Ok(unit)
}

fn number(cursor: &mut Cursor<'_>) -> Result<Value, DecodeError> {
    let start = cursor.clone();
    let mut whole = true;
    if cursor.peek() == Some(b'-') {
        cursor.byte()?;
    }
    let leading_zero = cursor.peek() == Some(b'0');
    let count = digits(cursor)?;
    if leading_zero && count > 1 {
        return Err(start.fail(Fault::Malformed("a number with a leading zero")));
    }
    if cursor.peek() == Some(b'.') {
        whole = false;
        cursor.byte()?;
        digits(cursor)?;
    }
    if matches!(cursor.peek(), Some(b'e' | b'E')) {
        whole = false;
        cursor.byte()?;
        if matches!(cursor.peek(), Some(b'+' | b'-')) {
            cursor.byte()?;
        }
        digits(cursor)?;
    }
    let length = cursor.offset() - start.offset();
    let digits = start.rest().get(..length).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or("");
    let float = || digits.parse().map_err(|_| start.fail(Fault::Malformed("not a number"))).map(Value::Float);
    if !whole {
        return float();
    }
    Ok(digits.parse().map_or_else(|_| Value::BigInt(digits.to_owned()), Value::Int))
}

/// Consumes digits, at least one, and says how many.
fn digits(cursor: &mut Cursor<'_>) -> Result<usize, DecodeError> {
    let count = cursor.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
    cursor.take(count)?;
    match (count, cursor.is_empty()) {
        (0, true) => Err(cursor.fail(Fault::Truncated)),
        (0, false) => Err(cursor.fail(Fault::Malformed("no digit where one must be"))),
        _ => Ok(count),
    }
}

fn word(cursor: &mut Cursor<'_>, word: &[u8], value: Value) -> Result<Value, DecodeError> {
    if cursor.rest().starts_with(word) {
        cursor.take(word.len())?;
        return Ok(value);
    }
    let cut = word.starts_with(cursor.rest());
    Err(cursor.fail(if cut { Fault::Truncated } else { Fault::Malformed("no JSON value begins like this") }))
}

fn expect(cursor: &mut Cursor<'_>, byte: u8, otherwise: &'static str) -> Result<(), DecodeError> {
    match cursor.peek() {
        Some(found) if found == byte => cursor.byte().map(|_| ()),
        Some(_) => Err(cursor.fail(Fault::Malformed(otherwise))),
        None => Err(cursor.fail(Fault::Truncated)),
    }
}

fn skip_blanks(cursor: &mut Cursor<'_>) -> Result<(), DecodeError> {
    let blanks = cursor.rest().iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
    cursor.take(blanks).map(|_| ())
}

#[cfg(test)]
mod tests;

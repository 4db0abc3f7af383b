//! A session as PHP's own handlers write it: `session.serialize_handler`.
//!
//! Facts [ext/session/session.c of PHP 8 read; captured with 8.2]: `php` writes `name|value` over and over, and a
//! string may hold a `|`, so only reading value by value finds the next name; all variables share one table of slots.
//! `php_binary` writes a length byte before the name. `php_serialize` writes one array. PHP up to 7.0 could mark a
//! variable as undefined (`!name|`, or the length's top bit) and newer ones cannot: the two read such a record
//! differently, so it is refused. No bytes at all are a session without a variable. The handlers `igbinary` and `msgpack`
//! come from extensions and have readers of their own.

use crate::codec::php::{self, Reader};
use crate::codec::{DecodeError, Fault, Limits, Value};

/// Reads the `php` handler's record.
///
/// # Errors
/// What is wrong with the record and where.
pub fn read_php(input: &[u8], limits: Limits) -> Result<Value, DecodeError> {
    variables(input, limits, |reader| {
        let cursor = reader.cursor();
        if cursor.peek() == Some(b'!') {
            return Err(cursor.fail(Fault::Malformed("a variable marked as undefined")));
        }
        let start = cursor.clone();
        cursor.until(b'|').map_err(|_| start.fail(Fault::Malformed("a variable without its bar")))
    })
}

/// Reads the `php_binary` handler's record.
///
/// # Errors
/// What is wrong with the record and where.
pub fn read_php_binary(input: &[u8], limits: Limits) -> Result<Value, DecodeError> {
    variables(input, limits, |reader| {
        let cursor = reader.cursor();
        let start = cursor.clone();
        let length = cursor.byte()?;
        if length > i8::MAX.unsigned_abs() {
            return Err(start.fail(Fault::Malformed("a variable marked as undefined")));
        }
        cursor.take(usize::from(length))
    })
}

/// Reads the `php_serialize` handler's record.
///
/// # Errors
/// What is wrong with the record and where.
pub fn read_php_serialize(input: &[u8], limits: Limits) -> Result<Value, DecodeError> {
    if input.is_empty() {
        return Ok(Value::Map(Vec::new()));
    }
    session(php::read(input, limits)?)
}

/// The array that a whole session is, as a map: PHP has one word for both, and no session is a list.
///
/// # Errors
/// [`Fault::Malformed`] if the value is no array.
pub(crate) fn session(value: Value) -> Result<Value, DecodeError> {
    match value {
        Value::Map(_) => Ok(value),
        Value::List(items) => {
            let name = |(index, item): (usize, Value)| (index.to_string(), item);
            Ok(Value::Map(items.into_iter().enumerate().map(name).collect()))
        }
        _ => Err(DecodeError { offset: 0, fault: Fault::Malformed("a session that is no array") }),
    }
}

fn variables<'a>(
    input: &'a [u8],
    limits: Limits,
    name: impl Fn(&mut Reader<'a>) -> Result<&'a [u8], DecodeError>,
) -> Result<Value, DecodeError> {
    let mut reader = Reader::new(input, limits)?;
    let mut variables = Vec::new();
    while !reader.cursor().is_empty() {
        let name = name(&mut reader)?;
        let value = reader.value()?;
        // PHP drops names that are numbers: `$_SESSION[5]` cannot be told from a string key afterwards.
        if !is_number(name) {
            variables.push((name, value));
        }
    }
    let root = reader.array_of(variables);
    session(reader.expand(root)?)
}

fn is_number(name: &[u8]) -> bool {
    let digits = name.strip_prefix(b"-").unwrap_or(name);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests;

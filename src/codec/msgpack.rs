//! MessagePack (the specification of 2017, with its timestamps), as data.
//!
//! Nothing in it runs, but much in it is nested and every length is declared. The timestamp extension reads as RFC 3339
//! text, any other extension as its bytes. Keys are made text; of a key that comes twice the last counts, as in every
//! library we know. What else a key or mark means is the framework's business, save one dialect that has to be told while
//! reading ([`Dialect::Php`]): afterwards nobody could tell a `nil` from the text that stands for it.

use crate::codec::{Budget, Cursor, DecodeError, Fault, Limits, Value, civil};

/// How maps are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// A map is a map; a `nil` key reads as `null`.
    Plain,
    /// As the PHP extension writes them: in front of a map may come `nil` and what it is made of. A text is the class of an
    /// object; 1 marks what PHP refers to more than once, and is left out; other marks are not read.
    Php,
}

/// Reads one value that is the whole of `input`.
///
/// # Errors
/// [`DecodeError`] with the offset at which reading stopped.
pub fn read(input: &[u8], limits: Limits) -> Result<Value, DecodeError> {
    whole(input, read_prefix(input, limits, Dialect::Plain)?)
}

/// Reads one value of the PHP extension that is the whole of `input`.
///
/// # Errors
/// As [`read`].
pub fn read_php(input: &[u8], limits: Limits) -> Result<Value, DecodeError> {
    whole(input, read_prefix(input, limits, Dialect::Php)?)
}

/// Reads the value that `input` begins with, and says how long it was.
///
/// # Errors
/// As [`read`].
pub fn read_prefix(input: &[u8], limits: Limits, dialect: Dialect) -> Result<(Value, usize), DecodeError> {
    let mut cursor = Cursor::new(input);
    if input.len() > limits.bytes {
        let (declared, available) = (input.len() as u64, limits.bytes as u64);
        return Err(cursor.fail(Fault::LengthExceeded { declared, available }));
    }
    let mut reader = Reader { cursor: &mut cursor, budget: Budget::new(limits), dialect };
    let value = reader.value()?;
    Ok((value, cursor.offset()))
}

fn whole(input: &[u8], (value, length): (Value, usize)) -> Result<Value, DecodeError> {
    if length == input.len() {
        return Ok(value);
    }
    Err(DecodeError { offset: length, fault: Fault::Malformed("more after the MessagePack value") })
}

struct Reader<'c, 'a> {
    cursor: &'c mut Cursor<'a>,
    budget: Budget,
    dialect: Dialect,
}

impl Reader<'_, '_> {
    fn value(&mut self) -> Result<Value, DecodeError> {
        self.budget.node(self.cursor)?;
        let first = self.cursor.byte()?;
        match first {
            0x00..=0x7f => Ok(Value::Int(first.into())),
            0x80..=0x8f => self.map(usize::from(first & 0x0f)),
            0x90..=0x9f => self.list(usize::from(first & 0x0f)),
            0xa0..=0xbf => self.text(usize::from(first & 0x1f)),
            0xc0 => Ok(Value::Null),
            0xc1 => Err(self.cursor.fail(Fault::Malformed("the byte that MessagePack never uses"))),
            0xc2 => Ok(Value::Bool(false)),
            0xc3 => Ok(Value::Bool(true)),
            0xc4..=0xc6 => {
                let length = self.length(first - 0xc4)?;
                Ok(Value::Bytes(self.cursor.take(length)?.to_vec()))
            }
            0xc7..=0xc9 => {
                let length = self.length(first - 0xc7)?;
                self.extension(length)
            }
            0xd4..=0xd8 => self.extension(1 << (first - 0xd4)),
            0xca => Ok(Value::Float(f32::from_be_bytes(self.cursor.array()?).into())),
            0xcb => Ok(Value::Float(f64::from_be_bytes(self.cursor.array()?))),
            0xcc..=0xd3 => self.integer(first),
            0xd9..=0xdb => {
                let length = self.length(first - 0xd9)?;
                self.text(length)
            }
            0xdc | 0xdd => {
                let length = self.length(first - 0xdc + 1)?;
                self.list(length)
            }
            0xde | 0xdf => {
                let length = self.length(first - 0xde + 1)?;
                self.map(length)
            }
            0xe0..=0xff => Ok(Value::Int(first.cast_signed().into())),
        }
    }

    fn integer(&mut self, first: u8) -> Result<Value, DecodeError> {
        Ok(Value::Int(match first {
            0xcc => self.cursor.byte()?.into(),
            0xcd => u16::from_be_bytes(self.cursor.array()?).into(),
            0xce => u32::from_be_bytes(self.cursor.array()?).into(),
            0xcf => {
                let number = u64::from_be_bytes(self.cursor.array()?);
                return Ok(i64::try_from(number).map_or(Value::BigInt(number.to_string()), Value::Int));
            }
            0xd0 => self.cursor.byte()?.cast_signed().into(),
            0xd1 => i16::from_be_bytes(self.cursor.array()?).into(),
            0xd2 => i32::from_be_bytes(self.cursor.array()?).into(),
            _ => i64::from_be_bytes(self.cursor.array()?),
        }))
    }

    /// A length of one, two or four bytes.
    fn length(&mut self, width: u8) -> Result<usize, DecodeError> {
        let length = match width {
            0 => self.cursor.byte()?.into(),
            1 => u16::from_be_bytes(self.cursor.array()?).into(),
            _ => u32::from_be_bytes(self.cursor.array()?),
        };
        Ok(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// Text; PHP and old libraries write bytes as text, so what is not UTF-8 is bytes.
    fn text(&mut self, length: usize) -> Result<Value, DecodeError> {
        let bytes = self.cursor.take(length)?;
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Bytes(bytes.to_vec()),
        })
    }

    fn list(&mut self, length: usize) -> Result<Value, DecodeError> {
        self.can_hold(length, 1)?;
        self.budget.enter(self.cursor)?;
        let mut items = Vec::new();
        for _ in 0..length {
            items.push(self.value()?);
        }
        self.budget.leave();
        Ok(Value::List(items))
    }

    fn map(&mut self, length: usize) -> Result<Value, DecodeError> {
        self.can_hold(length, 2)?;
        self.budget.enter(self.cursor)?;
        let mut class = None;
        let mut fields = Vec::new();
        for index in 0..length {
            let key = self.value()?;
            if key == Value::Null && index == 0 && self.dialect == Dialect::Php {
                class = self.mark()?;
            } else {
                let key = self.key(key)?;
                fields.push((key, self.value()?));
            }
        }
        self.budget.leave();
        Ok(match class {
            Some(class) => Value::Object { class, fields },
            None => Value::Map(fields),
        })
    }

    /// What stands behind PHP's `nil` key: a class name, or 1.
    fn mark(&mut self) -> Result<Option<String>, DecodeError> {
        match self.value()? {
            Value::Text(class) => Ok(Some(class)),
            Value::Int(1) => Ok(None),
            _ => Err(self.cursor.fail(Fault::Malformed("a mark of PHP's that is not read"))),
        }
    }

    fn key(&self, key: Value) -> Result<String, DecodeError> {
        match key {
            Value::Text(text) | Value::BigInt(text) => Ok(text),
            Value::Int(number) => Ok(number.to_string()),
            Value::Bool(yes) => Ok(yes.to_string()),
            Value::Float(number) => Ok(format!("{number:?}")),
            Value::Null => Ok("null".to_owned()),
            Value::Bytes(bytes) => String::from_utf8(bytes)
                .map_err(|_| self.cursor.fail(Fault::Malformed("a key that is not text"))),
            Value::List(_) | Value::Map(_) | Value::Object { .. } => {
                Err(self.cursor.fail(Fault::Malformed("a container as a key")))
            }
        }
    }

    fn extension(&mut self, length: usize) -> Result<Value, DecodeError> {
        let kind = self.cursor.byte()?.cast_signed();
        let bytes = self.cursor.take(length)?;
        if kind != -1 {
            return Ok(Value::Bytes(bytes.to_vec()));
        }
        let moment = timestamp(bytes);
        moment.map(Value::Text).ok_or_else(|| self.cursor.fail(Fault::Malformed("no timestamp")))
    }

    /// Refuses a count that cannot come: each part takes at least `each` bytes.
    fn can_hold(&self, length: usize, each: usize) -> Result<(), DecodeError> {
        let available = self.cursor.remaining() / each;
        if length > available {
            let (declared, available) = (length as u64, available as u64);
            return Err(self.cursor.fail(Fault::LengthExceeded { declared, available }));
        }
        Ok(())
    }
}

/// 32 bits of seconds; 30 of nanoseconds and 34 of seconds; or 32 of nanoseconds and 64 of signed seconds.
fn timestamp(bytes: &[u8]) -> Option<String> {
    let (seconds, nanos) = match bytes.len() {
        4 => (u32::from_be_bytes(bytes.try_into().ok()?).into(), 0),
        8 => {
            let packed = u64::from_be_bytes(bytes.try_into().ok()?);
            (i64::try_from(packed & 0x3_ffff_ffff).ok()?, packed >> 34)
        }
        12 => {
            let (nanos, seconds) = bytes.split_first_chunk::<4>()?;
            (i64::from_be_bytes(seconds.try_into().ok()?), u32::from_be_bytes(*nanos).into())
        }
        _ => return None,
    };
    let text = civil::date_time(seconds);
    match nanos {
        0 => Some(format!("{text}+00:00")),
        1..=999_999_999 => {
            let fraction = format!("{nanos:09}");
            Some(format!("{text}.{}+00:00", fraction.trim_end_matches('0')))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;

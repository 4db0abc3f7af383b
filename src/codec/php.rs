//! PHP's `serialize` format, as data.
//!
//! Facts [ext/standard/var.c and var_unserializer.re of PHP 8; captured with 8.2]: lengths are bytes. Every value
//! takes a slot, counted from 1, except what `R:` makes; array keys take none. `R:n;` is the value in slot n by
//! reference, `r:n;` the same object again. `E:` is an enum's case, `C:` an object whose class wrote bytes of its own.
//! What follows the first value is ignored, as `unserialize` does.
//!
//! In PHP an object's `__wakeup`, `__unserialize` and `__destruct` run while or after it is read, which is the gadget
//! behind most object injections. Here a class is a word.

use crate::codec::php_graph::{Graph, Key, NodeId, Shape};
use crate::codec::{Budget, Cursor, DecodeError, Fault, Limits, Value};
use std::borrow::Cow;

/// Reads one value.
///
/// # Errors
/// What is wrong with the record and where; nothing of it has been run.
pub fn read(input: &[u8], limits: Limits) -> Result<Value, DecodeError> {
    let mut reader = Reader::new(input, limits)?;
    let root = reader.value()?;
    reader.expand(root)
}

/// Reads values that share one table of slots, as the variables of a session do.
pub(crate) struct Reader<'a> {
    input: &'a [u8],
    cursor: Cursor<'a>,
    budget: Budget,
    graph: Graph<'a>,
    slots: Vec<NodeId>,
    /// How many slots are known for sure: a `C:` payload may have taken more that we cannot see.
    slots_before_custom: Option<usize>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(input: &'a [u8], limits: Limits) -> Result<Self, DecodeError> {
        let cursor = Cursor::new(input);
        if input.len() > limits.bytes {
            return Err(cursor.fail(Fault::LengthExceeded {
                declared: input.len() as u64,
                available: limits.bytes as u64,
            }));
        }
        Ok(Self {
            input,
            cursor,
            budget: Budget::new(limits),
            graph: Graph::default(),
            slots: Vec::new(),
            slots_before_custom: None,
        })
    }

    /// Where the next value starts.
    pub(crate) fn cursor(&mut self) -> &mut Cursor<'a> {
        &mut self.cursor
    }

    /// Reads the next value.
    pub(crate) fn value(&mut self) -> Result<NodeId, DecodeError> {
        let start = self.cursor.clone();
        self.budget.node(&start)?;
        let tag = self.cursor.byte()?;
        if tag == b'N' {
            self.expect(b';', "a null without its semicolon")?;
            return Ok(self.slot(Shape::Plain(Value::Null), &start));
        }
        self.expect(b':', "a tag without its colon")?;
        let shape = match tag {
            b'R' | b'r' => return self.reference(tag, &start),
            b'a' => return self.array(&start),
            b'O' => return self.object(&start),
            b'b' => Shape::Plain(self.boolean()?),
            b'i' => Shape::Plain(Value::Int(self.integer()?)),
            b'd' => Shape::Plain(self.float()?),
            b's' => Shape::Text(self.string()?),
            b'S' => Shape::Text(self.escaped()?),
            b'E' => return self.case(&start),
            b'C' => self.custom()?,
            _ => return Err(start.fail(Fault::Malformed("an unknown tag"))),
        };
        let is_custom = tag == b'C';
        let id = self.slot(shape, &start);
        if is_custom {
            self.slots_before_custom.get_or_insert(self.slots.len());
        }
        Ok(id)
    }

    /// An array of values that were read one by one.
    pub(crate) fn array_of(&mut self, items: Vec<(&'a [u8], NodeId)>) -> NodeId {
        let items = items.into_iter().map(|(name, id)| (Key::Text(Cow::Borrowed(name)), id)).collect();
        self.graph.push(Shape::Array(items), 0)
    }

    /// The tree under `root`.
    pub(crate) fn expand(self, root: NodeId) -> Result<Value, DecodeError> {
        self.graph.expand(root, self.input, self.budget.limits())
    }

    fn slot(&mut self, shape: Shape<'a>, start: &Cursor<'a>) -> NodeId {
        let id = self.graph.push(shape, start.offset());
        self.slots.push(id);
        id
    }

    fn reference(&mut self, tag: u8, start: &Cursor<'a>) -> Result<NodeId, DecodeError> {
        let digits = self.cursor.until(b';')?;
        let number = decimal(digits).ok_or_else(|| start.fail(Fault::UnknownReference))?;
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let known = index.filter(|index| self.slots_before_custom.is_none_or(|known| *index < known));
        let target = known.and_then(|index| self.slots.get(index).copied());
        let target = target.ok_or_else(|| start.fail(Fault::UnknownReference))?;
        let id = self.graph.link(target, start.offset());
        if tag == b'r' {
            if !self.graph.is_object(target) {
                return Err(start.fail(Fault::Malformed("an object reference to something else")));
            }
            self.slots.push(id);
        }
        Ok(id)
    }

    fn array(&mut self, start: &Cursor<'a>) -> Result<NodeId, DecodeError> {
        let count = self.length(b':')?;
        let id = self.slot(Shape::Array(Vec::new()), start);
        let items = self.entries(count, Key::of)?;
        self.graph.fill(id, Shape::Array(items));
        Ok(id)
    }

    fn object(&mut self, start: &Cursor<'a>) -> Result<NodeId, DecodeError> {
        let class = self.quoted()?;
        self.expect(b':', "a class name without its colon")?;
        let count = self.length(b':')?;
        let id = self.slot(Shape::Object { class, fields: Vec::new() }, start);
        let fields = self.entries(count, Key::Text)?;
        self.graph.fill(id, Shape::Object { class, fields });
        Ok(id)
    }

    fn entries(
        &mut self,
        count: usize,
        key: impl Fn(Cow<'a, [u8]>) -> Key<'a>,
    ) -> Result<Vec<(Key<'a>, NodeId)>, DecodeError> {
        self.expect(b'{', "a container without its opening brace")?;
        self.budget.enter(&self.cursor)?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let start = self.cursor.clone();
            let tag = self.cursor.byte()?;
            self.expect(b':', "a tag without its colon")?;
            let key = match tag {
                b'i' => Key::Int(self.integer()?),
                b's' => key(self.string()?),
                b'S' => key(self.escaped()?),
                _ => return Err(start.fail(Fault::Malformed("a key that is neither number nor string"))),
            };
            entries.push((key, self.value()?));
        }
        self.budget.leave();
        self.expect(b'}', "a container without its closing brace")?;
        Ok(entries)
    }

    /// `E:10:"Level:Gold";`
    fn case(&mut self, start: &Cursor<'a>) -> Result<NodeId, DecodeError> {
        let text = self.quoted()?;
        self.expect(b';', "an enum case without its semicolon")?;
        let colon = memchr::memchr(b':', text)
            .ok_or_else(|| start.fail(Fault::Malformed("an enum without a case")))?;
        let class = text.get(..colon).unwrap_or_default();
        let name = text.get(colon + 1..).unwrap_or_default();
        let id = self.slot(Shape::Object { class, fields: Vec::new() }, start);
        let name = self.graph.push(Shape::Text(Cow::Borrowed(name)), start.offset());
        let fields = vec![(Key::Text(Cow::Borrowed(b"case")), name)];
        self.graph.fill(id, Shape::Object { class, fields });
        Ok(id)
    }

    /// `C:3:"Ser":5:{bytes}`
    fn custom(&mut self) -> Result<Shape<'a>, DecodeError> {
        let class = self.quoted()?;
        self.expect(b':', "a class name without its colon")?;
        let length = self.length(b':')?;
        self.expect(b'{', "a container without its opening brace")?;
        self.cursor.take(length)?;
        self.expect(b'}', "a container without its closing brace")?;
        Ok(Shape::Object { class, fields: Vec::new() })
    }

    fn boolean(&mut self) -> Result<Value, DecodeError> {
        let start = self.cursor.clone();
        match self.cursor.until(b';')? {
            b"0" => Ok(Value::Bool(false)),
            b"1" => Ok(Value::Bool(true)),
            _ => Err(start.fail(Fault::Malformed("a boolean that is neither 0 nor 1"))),
        }
    }

    fn integer(&mut self) -> Result<i64, DecodeError> {
        let start = self.cursor.clone();
        let digits = self.cursor.until(b';')?;
        std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| start.fail(Fault::Malformed("an integer that is not one of 64 bits")))
    }

    fn float(&mut self) -> Result<Value, DecodeError> {
        let start = self.cursor.clone();
        let digits = self.cursor.until(b';')?;
        let number = match digits {
            b"INF" => Some(f64::INFINITY),
            b"-INF" => Some(f64::NEG_INFINITY),
            b"NAN" => Some(f64::NAN),
            _ if digits.iter().all(|byte| b"0123456789+-.eE".contains(byte)) => {
                std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok())
            }
            _ => None,
        };
        number.map(Value::Float).ok_or_else(|| start.fail(Fault::Malformed("a float that is no number")))
    }

    fn string(&mut self) -> Result<Cow<'a, [u8]>, DecodeError> {
        let text = self.quoted()?;
        self.expect(b';', "a string without its semicolon")?;
        Ok(Cow::Borrowed(text))
    }

    /// `S:3:"a\0b";`: the length counts what the escapes stand for.
    fn escaped(&mut self) -> Result<Cow<'a, [u8]>, DecodeError> {
        let length = self.length(b':')?;
        self.expect(b'"', "a string without its opening quote")?;
        let mut text = Vec::new();
        for _ in 0..length {
            let start = self.cursor.clone();
            let byte = match self.cursor.byte()? {
                b'\\' => {
                    let digits = self.cursor.array::<2>()?;
                    hex(digits).ok_or_else(|| start.fail(Fault::Malformed("an escape that is not hex")))?
                }
                byte => byte,
            };
            text.push(byte);
        }
        self.expect(b'"', "a string without its closing quote")?;
        self.expect(b';', "a string without its semicolon")?;
        Ok(Cow::Owned(text))
    }

    fn quoted(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.length(b':')?;
        self.expect(b'"', "a string without its opening quote")?;
        let text = self.cursor.take(length)?;
        self.expect(b'"', "a string without its closing quote")?;
        Ok(text)
    }

    /// A declared length or count. Every unit of it is at least one byte of what follows.
    fn length(&mut self, end: u8) -> Result<usize, DecodeError> {
        let start = self.cursor.clone();
        let digits = self.cursor.until(end)?;
        let declared =
            decimal(digits).ok_or_else(|| start.fail(Fault::Malformed("a length that is not a number")))?;
        let available = self.cursor.remaining() as u64;
        match usize::try_from(declared) {
            Ok(length) if declared <= available => Ok(length),
            _ => Err(start.fail(Fault::LengthExceeded { declared, available })),
        }
    }

    fn expect(&mut self, byte: u8, otherwise: &'static str) -> Result<(), DecodeError> {
        let start = self.cursor.clone();
        if self.cursor.byte()? == byte { Ok(()) } else { Err(start.fail(Fault::Malformed(otherwise))) }
    }
}

/// Digits and nothing else; what is past 64 bits is as good as the largest number.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = |number: u64, digit: &u8| {
        number.saturating_mul(10).saturating_add(u64::from(digit.wrapping_sub(b'0')))
    };
    Some(digits.iter().fold(0, value))
}

fn hex([high, low]: [u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests;

//! igbinary, the compact serialiser that phpredis and Laravel can be told to use.
//!
//! Facts [igbinary 3.2, src/php7/igbinary.c read; captured with 3.2.13]: a header of four bytes, 1 or 2 big endian; then
//! one value. Every string that is written out, class names included, gets a number from 0, and `0e` to `10` repeat
//! it; every array, object and scalar behind a by-reference mark gets a number from 0 in a second table, which `01`
//! to `03` and `22` to `24` refer to. A null in place of a key is a property that was skipped.

use crate::codec::php_graph::{Graph, Key, NodeId, Shape};
use crate::codec::{Budget, Cursor, DecodeError, Fault, Limits, Value};
use std::borrow::Cow;

/// Reads one record.
///
/// # Errors
/// What is wrong with the record and where; nothing of it has been run.
pub fn read(input: &[u8], limits: Limits) -> Result<Value, DecodeError> {
    let mut cursor = Cursor::new(input);
    if input.len() > limits.bytes {
        let (declared, available) = (input.len() as u64, limits.bytes as u64);
        return Err(cursor.fail(Fault::LengthExceeded { declared, available }));
    }
    let start = cursor.clone();
    if !matches!(cursor.array::<4>()?, [0, 0, 0, 1 | 2]) {
        return Err(start.fail(Fault::Malformed("not igbinary version 1 or 2")));
    }
    let (strings, values) = (Vec::new(), Vec::new());
    let mut reader = Reader { cursor, budget: Budget::new(limits), graph: Graph::default(), strings, values };
    let root = reader.value()?;
    if !reader.cursor.is_empty() {
        return Err(reader.cursor.fail(Fault::Malformed("bytes behind the end")));
    }
    reader.graph.expand(root, input, limits)
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    budget: Budget,
    graph: Graph<'a>,
    /// Strings by number.
    strings: Vec<&'a [u8]>,
    /// Arrays, objects and referenced scalars by number.
    values: Vec<NodeId>,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Result<NodeId, DecodeError> {
        let start = self.cursor.clone();
        self.budget.node(&start)?;
        match self.cursor.byte()? {
            tag @ (0x01..=0x03 | 0x22..=0x24) => self.reference(tag, &start),
            tag @ 0x14..=0x16 => self.array(tag, &start),
            tag @ 0x17..=0x19 => {
                let length = self.length(tag - 0x17)?;
                let class = self.new_string(length)?;
                self.object(class, &start)
            }
            tag @ 0x1a..=0x1c => {
                let class = self.known_string(tag - 0x1a)?;
                self.object(class, &start)
            }
            0x25 => self.by_reference(&start),
            tag => {
                let shape = self.scalar(tag, &start)?;
                Ok(self.graph.push(shape, start.offset()))
            }
        }
    }

    fn scalar(&mut self, tag: u8, start: &Cursor<'a>) -> Result<Shape<'a>, DecodeError> {
        if let Some(text) = self.string(tag)? {
            return Ok(Shape::Text(Cow::Borrowed(text)));
        }
        Ok(Shape::Plain(match tag {
            0x00 => Value::Null,
            0x04 => Value::Bool(false),
            0x05 => Value::Bool(true),
            0x06..=0x0b | 0x20..=0x21 => Value::Int(self.integer(tag, start)?),
            0x0c => Value::Float(f64::from_be_bytes(self.cursor.array()?)),
            _ => return Err(start.fail(Fault::Malformed("an unknown tag"))),
        }))
    }

    /// Magnitudes of 1, 2, 4 or 8 bytes; odd tags are negative.
    fn integer(&mut self, tag: u8, start: &Cursor<'a>) -> Result<i64, DecodeError> {
        let magnitude = match tag {
            0x06 | 0x07 => u64::from(self.cursor.byte()?),
            0x08 | 0x09 => u64::from(u16::from_be_bytes(self.cursor.array()?)),
            0x0a | 0x0b => u64::from(u32::from_be_bytes(self.cursor.array()?)),
            _ => u64::from_be_bytes(self.cursor.array()?),
        };
        let number = if tag % 2 == 1 {
            0i64.checked_sub_unsigned(magnitude)
        } else {
            0i64.checked_add_unsigned(magnitude)
        };
        number.ok_or_else(|| start.fail(Fault::Malformed("an integer that is not one of 64 bits")))
    }

    /// The string that `tag` announces, if it announces one.
    fn string(&mut self, tag: u8) -> Result<Option<&'a [u8]>, DecodeError> {
        Ok(Some(match tag {
            0x0d => &[],
            0x0e..=0x10 => self.known_string(tag - 0x0e)?,
            0x11..=0x13 => {
                let length = self.length(tag - 0x11)?;
                self.new_string(length)?
            }
            0x26 => {
                let length = self.length(3)?;
                self.new_string(length)?
            }
            _ => return Ok(None),
        }))
    }

    fn new_string(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let text = self.cursor.take(length)?;
        self.strings.push(text);
        Ok(text)
    }

    fn known_string(&mut self, width: u8) -> Result<&'a [u8], DecodeError> {
        let start = self.cursor.clone();
        let number = self.number(width)?;
        let text = usize::try_from(number).ok().and_then(|index| self.strings.get(index).copied());
        text.ok_or_else(|| start.fail(Fault::UnknownReference))
    }

    fn reference(&mut self, tag: u8, start: &Cursor<'a>) -> Result<NodeId, DecodeError> {
        let number = self.number(if tag < 0x22 { tag - 0x01 } else { tag - 0x22 })?;
        let target = usize::try_from(number).ok().and_then(|index| self.values.get(index).copied());
        let target = target.ok_or_else(|| start.fail(Fault::UnknownReference))?;
        Ok(self.graph.link(target, start.offset()))
    }

    /// A PHP reference: only what has no number of its own yet gets one for it.
    fn by_reference(&mut self, start: &Cursor<'a>) -> Result<NodeId, DecodeError> {
        match self.cursor.peek() {
            Some(0x25) => Err(start.fail(Fault::Malformed("a reference to a reference"))),
            Some(0x01..=0x03 | 0x14..=0x1c | 0x22..=0x24) => self.value(),
            _ => {
                let id = self.value()?;
                self.values.push(id);
                Ok(id)
            }
        }
    }

    fn array(&mut self, tag: u8, start: &Cursor<'a>) -> Result<NodeId, DecodeError> {
        let id = self.graph.push(Shape::Array(Vec::new()), start.offset());
        self.values.push(id);
        let items = self.entries(tag - 0x14, Key::of)?;
        self.graph.fill(id, Shape::Array(items));
        Ok(id)
    }

    fn object(&mut self, class: &'a [u8], start: &Cursor<'a>) -> Result<NodeId, DecodeError> {
        let id = self.graph.push(Shape::Object { class, fields: Vec::new() }, start.offset());
        self.values.push(id);
        let form = self.cursor.clone();
        let fields = match self.cursor.byte()? {
            tag @ 0x14..=0x16 => self.entries(tag - 0x14, Key::Text)?,
            tag @ 0x1d..=0x1f => {
                let length = self.length(tag - 0x1d)?;
                self.cursor.take(length)?;
                Vec::new()
            }
            0x27 => vec![(Key::Text(Cow::Borrowed(b"case")), self.case()?)],
            _ => return Err(form.fail(Fault::Malformed("an object without properties"))),
        };
        self.graph.fill(id, Shape::Object { class, fields });
        Ok(id)
    }

    fn case(&mut self) -> Result<NodeId, DecodeError> {
        let start = self.cursor.clone();
        let tag = self.cursor.byte()?;
        let name = self.string(tag)?;
        let name = name.ok_or_else(|| start.fail(Fault::Malformed("an enum without a case")))?;
        Ok(self.graph.push(Shape::Text(Cow::Borrowed(name)), start.offset()))
    }

    fn entries(
        &mut self,
        width: u8,
        key: impl Fn(Cow<'a, [u8]>) -> Key<'a>,
    ) -> Result<Vec<(Key<'a>, NodeId)>, DecodeError> {
        let count = self.length(width)?;
        self.budget.enter(&self.cursor)?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let start = self.cursor.clone();
            let key = match self.cursor.byte()? {
                0x00 => continue,
                tag @ (0x06..=0x0b | 0x20..=0x21) => Key::Int(self.integer(tag, &start)?),
                tag => match self.string(tag)? {
                    Some(text) => key(Cow::Borrowed(text)),
                    None => {
                        return Err(start.fail(Fault::Malformed("a key that is neither number nor string")));
                    }
                },
            };
            entries.push((key, self.value()?));
        }
        self.budget.leave();
        Ok(entries)
    }

    /// A declared length or count. Every unit of it is at least one byte of what follows.
    fn length(&mut self, width: u8) -> Result<usize, DecodeError> {
        let start = self.cursor.clone();
        let declared = self.number(width)?;
        let available = self.cursor.remaining() as u64;
        match usize::try_from(declared) {
            Ok(length) if declared <= available => Ok(length),
            _ => Err(start.fail(Fault::LengthExceeded { declared, available })),
        }
    }

    /// 1, 2, 4 or 8 bytes, big endian, for widths 0 to 3.
    fn number(&mut self, width: u8) -> Result<u64, DecodeError> {
        Ok(match width {
            0 => u64::from(self.cursor.byte()?),
            1 => u64::from(u16::from_be_bytes(self.cursor.array()?)),
            2 => u64::from(u32::from_be_bytes(self.cursor.array()?)),
            _ => u64::from_be_bytes(self.cursor.array()?),
        })
    }
}

#[cfg(test)]
mod tests;

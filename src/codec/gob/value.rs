//! Values by their type.

use std::rc::Rc;

use crate::codec::civil;
use crate::codec::gob::wire::{Definition, Wire};
use crate::codec::uuid;
use crate::codec::{DecodeError, Limits, Value};

/// Built-in type ids.
const BOOL: i64 = 1;
const INT: i64 = 2;
const UINT: i64 = 3;
const FLOAT: i64 = 4;
const BYTES: i64 = 5;
const STRING: i64 = 6;
const COMPLEX: i64 = 7;
const INTERFACE: i64 = 8;

/// Seconds from the first instant of year 1, where Go's `time.Time` starts counting, to 1970.
const YEAR_ONE: i64 = 62_135_596_800;

/// Reads values off the wire.
pub(crate) struct Reader<'a> {
    wire: Wire<'a>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(input: &'a [u8], limits: Limits) -> Self {
        Self { wire: Wire::new(input, limits) }
    }

    /// The one value the input is, and nothing after it.
    pub(crate) fn whole(mut self) -> Result<Value, DecodeError> {
        let id = self.wire.type_sequence(false)?;
        let value = self.outermost(id, None)?;
        if !self.wire.cursor.is_empty() {
            return self.wire.malformed("bytes after the value");
        }
        Ok(value)
    }

    /// A value that is no field or element: whatever is not a struct has a zero byte before it.
    fn outermost(&mut self, id: i64, class: Option<String>) -> Result<Value, DecodeError> {
        if id >= 64
            && let Definition::Struct { name, fields } = &*self.wire.defined(id)?
        {
            return self.fields_of(class.unwrap_or_else(|| name.clone()), fields);
        }
        if self.wire.uint()? != 0 {
            return self.wire.malformed("no zero byte before a value that is no struct");
        }
        self.value(id)
    }

    fn value(&mut self, id: i64) -> Result<Value, DecodeError> {
        self.wire.budget.node(&self.wire.cursor)?;
        match id {
            BOOL => match self.wire.uint()? {
                0 => Ok(Value::Bool(false)),
                1 => Ok(Value::Bool(true)),
                _ => self.wire.malformed("a truth value that is neither 0 nor 1"),
            },
            INT => Ok(Value::Int(self.wire.int()?)),
            UINT => {
                let number = self.wire.uint()?;
                Ok(i64::try_from(number).map_or_else(|_| Value::BigInt(number.to_string()), Value::Int))
            }
            FLOAT => self.float(),
            BYTES => Ok(Value::Bytes(self.wire.bytes()?.to_vec())),
            STRING => Ok(text_or_bytes(self.wire.bytes()?)),
            COMPLEX => Ok(Value::List(vec![self.float()?, self.float()?])),
            INTERFACE => self.nested(Self::interface),
            _ => {
                let definition = self.wire.defined(id)?;
                self.nested(|reader| reader.defined(&definition))
            }
        }
    }

    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Value, DecodeError>,
    ) -> Result<Value, DecodeError> {
        self.wire.budget.enter(&self.wire.cursor)?;
        let value = read(self)?;
        self.wire.budget.leave();
        Ok(value)
    }

    /// A float travels with its bytes reversed, so that round numbers are short.
    fn float(&mut self) -> Result<Value, DecodeError> {
        Ok(Value::Float(f64::from_bits(self.wire.uint()?.swap_bytes())))
    }

    /// Name of the concrete type, its id, a byte count that only skipping needs, the value.
    fn interface(&mut self) -> Result<Value, DecodeError> {
        let class = self.wire.name()?;
        if class.is_empty() {
            return Ok(Value::Null);
        }
        let id = self.wire.type_sequence(true)?;
        let count = self.wire.uint()?;
        self.wire.bounded(count)?;
        self.outermost(id, Some(class))
    }

    fn defined(&mut self, definition: &Rc<Definition>) -> Result<Value, DecodeError> {
        match &**definition {
            Definition::Array { element, length } => {
                let declared = self.wire.uint()?;
                if declared != *length {
                    return self.wire.malformed("an array of another length than its type");
                }
                self.elements(*element, declared)
            }
            Definition::Slice { element } => {
                let declared = self.wire.uint()?;
                self.elements(*element, declared)
            }
            Definition::Struct { name, fields } => self.fields_of(name.clone(), fields),
            Definition::Map { key, element } => self.map(*key, *element),
            Definition::Opaque { name, text } => {
                let bytes = self.wire.bytes()?;
                if *text {
                    return Ok(text_or_bytes(bytes));
                }
                match (name.as_str(), bytes) {
                    ("Time", [1 | 2, ..]) => self.time(bytes),
                    ("UUID", bytes) => Ok(match bytes.try_into() {
                        Ok(bits) => Value::Text(uuid::text(u128::from_be_bytes(bits))),
                        Err(_) => Value::Bytes(bytes.to_vec()),
                    }),
                    _ => Ok(Value::Bytes(bytes.to_vec())),
                }
            }
        }
    }

    fn elements(&mut self, element: i64, declared: u64) -> Result<Value, DecodeError> {
        let count = self.wire.bounded(declared)?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(self.value(element)?);
        }
        Ok(Value::List(items))
    }

    fn map(&mut self, key: i64, element: i64) -> Result<Value, DecodeError> {
        let declared = self.wire.uint()?;
        let count = self.wire.bounded(declared)?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let name = match self.value(key)? {
                Value::Text(name) | Value::BigInt(name) => name,
                Value::Int(number) => number.to_string(),
                Value::Bool(truth) => truth.to_string(),
                Value::Float(number) => number.to_string(),
                _ => return self.wire.malformed("a map key that is not a scalar"),
            };
            entries.push((name, self.value(element)?));
        }
        Ok(Value::Map(entries))
    }

    fn fields_of(&mut self, class: String, declared: &[(String, i64)]) -> Result<Value, DecodeError> {
        let names = declared.iter().map(|(name, _)| name.len()).sum::<usize>();
        self.wire.budget.copy(names + class.len(), &self.wire.cursor)?;
        self.wire.budget.enter(&self.wire.cursor)?;
        let mut next = 0_usize;
        let mut fields = Vec::new();
        loop {
            let delta = self.wire.uint()?;
            if delta == 0 {
                break;
            }
            let index = usize::try_from(delta).ok().and_then(|delta| next.checked_add(delta));
            let Some((sent, index)) = index.and_then(|index| Some((declared.get(index - 1)?, index))) else {
                return self.wire.malformed("a field that its struct does not have");
            };
            self.unsent(&mut fields, declared, next, index - 1)?;
            fields.push((sent.0.clone(), self.value(sent.1)?));
            next = index;
        }
        self.unsent(&mut fields, declared, next, declared.len())?;
        self.wire.budget.leave();
        Ok(Value::Object { class, fields })
    }

    /// Version 1: seconds since year 1, nanoseconds, minutes of the zone, -1 for UTC; version 2 has its seconds too.
    fn time(&self, bytes: &[u8]) -> Result<Value, DecodeError> {
        let parts = || -> Option<(i64, u32, i32)> {
            let seconds = i64::from_be_bytes(*bytes.get(1..)?.first_chunk()?);
            let nanos = u32::from_be_bytes(*bytes.get(9..)?.first_chunk()?);
            let minutes = i16::from_be_bytes(*bytes.get(13..)?.first_chunk()?);
            let rest = match (bytes.first()?, bytes.get(15..)?) {
                (1, []) => 0,
                (2, [rest]) => i32::from(i8::from_be_bytes([*rest])),
                _ => return None,
            };
            let offset = if minutes == -1 { 0 } else { i32::from(minutes) * 60 + rest };
            (nanos < 1_000_000_000).then_some((seconds, nanos, offset))
        };
        let Some((seconds, nanos, offset)) = parts() else { return self.wire.malformed("no time") };
        let local = seconds.saturating_sub(YEAR_ONE).saturating_add(i64::from(offset));
        let fraction = match nanos {
            0 => String::new(),
            nanos => format!(".{}", format!("{nanos:09}").trim_end_matches('0')),
        };
        Ok(Value::Text(format!("{}{fraction}{}", civil::date_time(local), civil::offset(offset))))
    }

    /// Adds the fields from `from` to `to` at their zero values.
    fn unsent(
        &mut self,
        fields: &mut Vec<(String, Value)>,
        declared: &[(String, i64)],
        from: usize,
        to: usize,
    ) -> Result<(), DecodeError> {
        for (name, id) in declared.iter().take(to).skip(from) {
            self.wire.budget.node(&self.wire.cursor)?;
            fields.push((name.clone(), self.zero(*id)));
        }
        Ok(())
    }

    fn zero(&self, id: i64) -> Value {
        match id {
            BOOL => Value::Bool(false),
            INT | UINT => Value::Int(0),
            FLOAT => Value::Float(0.0),
            BYTES => Value::Bytes(Vec::new()),
            STRING => Value::Text(String::new()),
            _ => match self.wire.defined(id).as_deref() {
                Ok(Definition::Array { .. } | Definition::Slice { .. }) => Value::List(Vec::new()),
                Ok(Definition::Map { .. }) => Value::Map(Vec::new()),
                Ok(Definition::Struct { .. } | Definition::Opaque { .. }) | Err(_) => Value::Null,
            },
        }
    }
}

/// Go strings may be any bytes.
fn text_or_bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::Text(text.to_owned()),
        Err(_) => Value::Bytes(bytes.to_vec()),
    }
}

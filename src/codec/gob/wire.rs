//! Messages, numbers and type definitions: everything below the values.

use std::collections::HashMap;
use std::rc::Rc;

use crate::codec::{Budget, Cursor, DecodeError, Fault, Limits};

/// Ids below this are built in and cannot be defined by a stream (`firstUserId`).
const FIRST_DEFINED_ID: i64 = 64;

/// What a stream says about one of its types.
pub(crate) enum Definition {
    Array {
        element: i64,
        length: u64,
    },
    Slice {
        element: i64,
    },
    Struct {
        name: String,
        fields: Vec<(String, i64)>,
    },
    Map {
        key: i64,
        element: i64,
    },
    /// A type that writes itself: `GobEncode`, `MarshalBinary`, and whether it is `MarshalText`.
    Opaque {
        name: String,
        text: bool,
    },
}

/// The cursor, which never passes the end of the current message, and the definitions so far.
pub(crate) struct Wire<'a> {
    pub(crate) cursor: Cursor<'a>,
    pub(crate) budget: Budget,
    message_end: usize,
    definitions: HashMap<i64, Rc<Definition>>,
}

impl<'a> Wire<'a> {
    pub(crate) fn new(input: &'a [u8], limits: Limits) -> Self {
        Self {
            cursor: Cursor::new(input),
            budget: Budget::new(limits),
            message_end: 0,
            definitions: HashMap::new(),
        }
    }

    /// How many bytes of the current message are left.
    pub(crate) fn left(&self) -> usize {
        self.message_end.saturating_sub(self.cursor.offset())
    }

    pub(crate) fn fail<T>(&self, fault: Fault) -> Result<T, DecodeError> {
        Err(self.cursor.fail(fault))
    }

    pub(crate) fn malformed<T>(&self, what: &'static str) -> Result<T, DecodeError> {
        self.fail(Fault::Malformed(what))
    }

    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        if self.left() == 0 {
            return self.fail(Fault::Truncated);
        }
        self.cursor.byte()
    }

    /// As many bytes as a length just read says.
    pub(crate) fn take(&mut self, length: u64) -> Result<&'a [u8], DecodeError> {
        let length = self.bounded(length)?;
        self.cursor.take(length)
    }

    /// A declared length or count, of things that take at least a byte each.
    pub(crate) fn bounded(&self, declared: u64) -> Result<usize, DecodeError> {
        let available = self.left();
        match usize::try_from(declared) {
            Ok(length) if length <= available => Ok(length),
            _ => self.fail(Fault::LengthExceeded { declared, available: available as u64 }),
        }
    }

    /// One byte below 128, or the negated count of the big-endian bytes that follow.
    pub(crate) fn uint(&mut self) -> Result<u64, DecodeError> {
        let first = self.byte()?;
        if first < 128 {
            return Ok(u64::from(first));
        }
        let length = 256 - u64::from(first);
        if length > 8 {
            return self.malformed("an integer of more than 8 bytes");
        }
        Ok(self.take(length)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// The lowest bit says whether the rest is complemented.
    pub(crate) fn int(&mut self) -> Result<i64, DecodeError> {
        let number = self.uint()?;
        let half = i64::try_from(number >> 1).unwrap_or(i64::MAX);
        Ok(if number & 1 == 1 { !half } else { half })
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.uint()?;
        self.take(length)
    }

    /// A name: type, field or concrete type.
    pub(crate) fn name(&mut self) -> Result<String, DecodeError> {
        let name = self.bytes()?;
        match std::str::from_utf8(name) {
            Ok(name) => Ok(name.to_owned()),
            Err(_) => self.malformed("a name that is not UTF-8"),
        }
    }

    /// The id of the value that follows, after any definitions, which may end messages.
    pub(crate) fn type_sequence(&mut self, in_interface: bool) -> Result<i64, DecodeError> {
        loop {
            while self.left() == 0 {
                self.next_message()?;
            }
            let id = self.int()?;
            if id >= 0 {
                return Ok(id);
            }
            self.definition(id.checked_neg().unwrap_or(i64::MAX))?;
            if self.left() > 0 {
                if !in_interface {
                    return self.malformed("bytes after a type definition");
                }
                let count = self.uint()?;
                self.bounded(count)?;
            }
        }
    }

    pub(crate) fn defined(&self, id: i64) -> Result<Rc<Definition>, DecodeError> {
        match self.definitions.get(&id) {
            Some(definition) => Ok(Rc::clone(definition)),
            None => self.fail(Fault::UnknownReference),
        }
    }

    /// Calls `on` with the number of each field that was sent, until the terminating zero.
    pub(crate) fn fields(
        &mut self,
        mut on: impl FnMut(&mut Self, u64) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut next = 0_u64;
        loop {
            let delta = self.uint()?;
            if delta == 0 {
                return Ok(());
            }
            next = match next.checked_add(delta) {
                Some(next) => next,
                None => return self.malformed("a field number out of range"),
            };
            on(self, next - 1)?;
        }
    }

    fn next_message(&mut self) -> Result<(), DecodeError> {
        if self.cursor.is_empty() {
            return self.fail(Fault::Truncated);
        }
        self.message_end = usize::MAX;
        let declared = self.uint();
        self.message_end = self.cursor.offset();
        let declared = declared?;
        let available = self.cursor.remaining();
        match usize::try_from(declared) {
            Ok(length) if length <= available => self.message_end = self.cursor.offset() + length,
            _ => return self.fail(Fault::LengthExceeded { declared, available: available as u64 }),
        }
        Ok(())
    }

    /// A `wireType`: a struct of seven pointers, of which one is set.
    fn definition(&mut self, id: i64) -> Result<(), DecodeError> {
        self.budget.node(&self.cursor)?;
        if id < FIRST_DEFINED_ID || self.definitions.contains_key(&id) {
            return self.malformed("a type defined twice");
        }
        let mut found = None;
        self.fields(|wire, kind| {
            let definition = wire.kind(kind)?;
            match found.replace(definition) {
                None => Ok(()),
                Some(_) => wire.malformed("a type of two kinds"),
            }
        })?;
        match found {
            Some(definition) => self.definitions.insert(id, Rc::new(definition)),
            None => return self.malformed("a type of no kind"),
        };
        Ok(())
    }

    fn kind(&mut self, kind: u64) -> Result<Definition, DecodeError> {
        let mut name = String::new();
        let (mut first, mut second, mut fields) = (0, 0, Vec::new());
        self.fields(|wire, field| {
            match (kind, field) {
                (_, 0) => name = wire.common()?,
                (2, 1) => fields = wire.struct_fields()?,
                (0 | 1 | 3, 1) => first = wire.int()?,
                (0 | 3, 2) => second = wire.int()?,
                _ => return wire.malformed("an unknown field in a type definition"),
            }
            Ok(())
        })?;
        Ok(match kind {
            0 => match u64::try_from(second) {
                Ok(length) => Definition::Array { element: first, length },
                Err(_) => return self.malformed("an array of negative length"),
            },
            1 => Definition::Slice { element: first },
            2 => Definition::Struct { name, fields },
            3 => Definition::Map { key: first, element: second },
            4 | 5 => Definition::Opaque { name, text: false },
            6 => Definition::Opaque { name, text: true },
            _ => return self.malformed("a type of unknown kind"),
        })
    }

    /// `CommonType`: the name, and the id once more.
    fn common(&mut self) -> Result<String, DecodeError> {
        let mut name = String::new();
        self.fields(|wire, field| {
            match field {
                0 => name = wire.name()?,
                1 => _ = wire.int()?,
                _ => return wire.malformed("an unknown field in a type definition"),
            }
            Ok(())
        })?;
        Ok(name)
    }

    fn struct_fields(&mut self) -> Result<Vec<(String, i64)>, DecodeError> {
        let count = self.uint()?;
        let count = self.bounded(count)?;
        self.budget.nodes(count, &self.cursor)?;
        let mut fields = Vec::with_capacity(count);
        for _ in 0..count {
            let (mut name, mut id) = (String::new(), 0);
            self.fields(|wire, field| {
                match field {
                    0 => name = wire.name()?,
                    1 => id = wire.int()?,
                    _ => return wire.malformed("an unknown field in a type definition"),
                }
                Ok(())
            })?;
            fields.push((name, id));
        }
        Ok(fields)
    }
}

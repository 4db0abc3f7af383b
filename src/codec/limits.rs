//! What bounds every reader, and the errors all of them share.

use std::fmt;

/// Upper bounds for one record. The defaults fit every session we have captured thirty times over.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest input, and longest output of a decompression, in bytes.
    pub bytes: usize,
    /// Deepest nesting of containers.
    pub depth: usize,
    /// Most values in the tree, counted again for each expansion of a reference.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 256 * 1024, depth: 64, nodes: 10_000 }
    }
}

/// Why bytes are not a session, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Offset of the byte at which reading stopped, from the start of what the reader was given.
    pub offset: usize,
    /// What was found there.
    pub fault: Fault,
}

/// The fact behind a [`DecodeError`]. All of them are the record's doing, never the client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Containers nest deeper than the limit.
    DepthExceeded {
        /// The limit.
        limit: usize,
    },
    /// A declared length is larger than what remains, or than the limit allows.
    LengthExceeded {
        /// The length the record declares.
        declared: u64,
        /// What was there, or was allowed.
        available: u64,
    },
    /// The bytes break the format's grammar.
    Malformed(&'static str),
    /// Only running code could resolve this; the name is the opcode, tag or marker as its format calls it, and the
    /// class it names if it names one.
    NeedsCode {
        /// The opcode or tag.
        opcode: &'static str,
        /// The class or function it names; empty if none.
        name: String,
    },
    /// More values than the limit, memo and back references included.
    NodesExceeded {
        /// The limit.
        limit: usize,
    },
    /// A reference to something that was not read before it.
    UnknownReference,
    /// The input ends in the middle of a value.
    Truncated,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            Fault::DepthExceeded { limit } => write!(f, "nested deeper than {limit}"),
            Fault::LengthExceeded { declared, available } => {
                write!(f, "a length of {declared} where {available} are possible")
            }
            Fault::Malformed(what) => f.write_str(what),
            Fault::NeedsCode { opcode, name } if name.is_empty() => {
                write!(f, "`{opcode}` could only be resolved by running code")
            }
            Fault::NeedsCode { opcode, name } => {
                write!(f, "`{opcode}` of `{name}` could only be resolved by running code")
            }
            Fault::NodesExceeded { limit } => write!(f, "more than {limit} values"),
            Fault::UnknownReference => f.write_str("a reference to nothing that came before"),
            Fault::Truncated => f.write_str("the record ends in the middle of a value"),
        }?;
        write!(f, " at byte {}", self.offset)
    }
}

impl std::error::Error for DecodeError {}

/// A position in the input; every read is bounds-checked and every error carries the offset.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    input: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `input`.
    pub const fn new(input: &'a [u8]) -> Self {
        Self { input, position: 0 }
    }

    /// Offset of the next byte.
    pub const fn offset(&self) -> usize {
        self.position
    }

    /// How many bytes are left.
    pub const fn remaining(&self) -> usize {
        self.input.len().saturating_sub(self.position)
    }

    /// Whether all bytes were read.
    pub const fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// The rest of the input, not consumed.
    pub fn rest(&self) -> &'a [u8] {
        self.input.get(self.position..).unwrap_or_default()
    }

    /// The next byte, not consumed.
    pub fn peek(&self) -> Option<u8> {
        self.input.get(self.position).copied()
    }

    /// An error at the current offset.
    pub const fn fail(&self, fault: Fault) -> DecodeError {
        DecodeError { offset: self.position, fault }
    }

    /// Consumes one byte.
    ///
    /// # Errors
    /// [`Fault::Truncated`] at the end of the input.
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = self.peek().ok_or_else(|| self.fail(Fault::Truncated))?;
        self.position += 1;
        Ok(byte)
    }

    /// Consumes `length` bytes; nothing is allocated.
    ///
    /// # Errors
    /// [`Fault::LengthExceeded`] if fewer are left: the length came from the record.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.position.checked_add(length);
        let taken = end.and_then(|end| self.input.get(self.position..end)).ok_or_else(|| {
            self.fail(Fault::LengthExceeded { declared: length as u64, available: self.remaining() as u64 })
        })?;
        self.position += length;
        Ok(taken)
    }

    /// Consumes `N` bytes as an array.
    ///
    /// # Errors
    /// [`Fault::Truncated`] if fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let array = self.rest().first_chunk::<N>().ok_or_else(|| self.fail(Fault::Truncated))?;
        self.position += N;
        Ok(*array)
    }

    /// Consumes up to and including the next `delimiter` and returns what precedes it.
    ///
    /// # Errors
    /// [`Fault::Truncated`] if it does not come.
    pub fn until(&mut self, delimiter: u8) -> Result<&'a [u8], DecodeError> {
        let at = memchr::memchr(delimiter, self.rest()).ok_or_else(|| self.fail(Fault::Truncated))?;
        let taken = self.take(at)?;
        self.position += 1;
        Ok(taken)
    }
}

/// What is left of the [`Limits`] while one record is read.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    depth: usize,
    nodes: usize,
    copied: usize,
}

impl Budget {
    /// A fresh budget.
    pub const fn new(limits: Limits) -> Self {
        Self { limits, depth: 0, nodes: 0, copied: 0 }
    }

    /// The limits this budget started from.
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Counts one value.
    ///
    /// # Errors
    /// [`Fault::NodesExceeded`] past the limit.
    pub fn node(&mut self, cursor: &Cursor<'_>) -> Result<(), DecodeError> {
        self.nodes(1, cursor)
    }

    /// Counts `many` values at once: what expanding a reference to a tree of that size costs.
    ///
    /// # Errors
    /// [`Fault::NodesExceeded`] past the limit.
    pub fn nodes(&mut self, many: usize, cursor: &Cursor<'_>) -> Result<(), DecodeError> {
        self.nodes = self.nodes.saturating_add(many);
        if self.nodes > self.limits.nodes {
            return Err(cursor.fail(Fault::NodesExceeded { limit: self.limits.nodes }));
        }
        Ok(())
    }

    /// Counts bytes of text that appear in the tree without being in the input once more: what a reference repeats, or
    /// the names that a type definition lends to each of its instances. All together may not exceed `Limits::bytes`.
    ///
    /// # Errors
    /// [`Fault::LengthExceeded`] past the limit.
    pub fn copy(&mut self, bytes: usize, cursor: &Cursor<'_>) -> Result<(), DecodeError> {
        self.copied = self.copied.saturating_add(bytes);
        if self.copied > self.limits.bytes {
            return Err(cursor.fail(Fault::LengthExceeded {
                declared: self.copied as u64,
                available: self.limits.bytes as u64,
            }));
        }
        Ok(())
    }

    /// Enters a container; pair with [`Budget::leave`].
    ///
    /// # Errors
    /// [`Fault::DepthExceeded`] past the limit.
    pub fn enter(&mut self, cursor: &Cursor<'_>) -> Result<(), DecodeError> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(cursor.fail(Fault::DepthExceeded { limit: self.limits.depth }));
        }
        Ok(())
    }

    /// Leaves a container.
    pub fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}

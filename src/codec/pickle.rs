//! Python's pickle, protocols 0 to 5 (PEP 307, 3154, 574; opcodes as in CPython 3.11 `Lib/pickletools.py`), as data.
//!
//! A pickle is a program for a stack machine, and one of its instructions calls any function by name: in Python reading one is
//! running it. This machine has the stack, the marks and the memo, and no names: GLOBAL leaves a name on the stack as a name.
//! What REDUCE and NEWOBJ would make is known for a few classes of the standard library (`classes`), of which the text or the
//! plain container is taken; another class becomes an opaque object with its state as fields; and whatever would have to
//! *call* something is refused by its name, as is every opcode that looks beyond the pickle (persistent ids, the
//! extension registry, out-of-band buffers).

mod classes;
mod moments;

use crate::codec::digits;
use crate::codec::graph::{Graph, Node, NodeId};
use crate::codec::{Cursor, DecodeError, Fault, Limits, Value};
use classes::Special;
use std::collections::HashMap;

/// Reads one pickle that is the whole of `input`.
///
/// # Errors
/// [`DecodeError`] with the offset at which reading stopped; [`Fault::NeedsCode`] names the opcode and the function.
pub fn read(input: &[u8], limits: Limits) -> Result<Value, DecodeError> {
    let (value, length) = read_prefix(input, limits)?;
    if length == input.len() {
        return Ok(value);
    }
    Err(DecodeError { offset: length, fault: Fault::Malformed("more after the pickle") })
}

/// Reads the pickle that `input` begins with, and says how long it was: Python ignores what follows STOP.
///
/// # Errors
/// As [`read`].
pub fn read_prefix(input: &[u8], limits: Limits) -> Result<(Value, usize), DecodeError> {
    let cursor = Cursor::new(input);
    if input.len() > limits.bytes {
        let (declared, available) = (input.len() as u64, limits.bytes as u64);
        return Err(cursor.fail(Fault::LengthExceeded { declared, available }));
    }
    let mut machine = Machine {
        cursor,
        graph: Graph::new(limits),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        specials: HashMap::new(),
    };
    loop {
        let opcode = machine.cursor.byte()?;
        if opcode == b'.' {
            let root = machine.pop()?;
            let value = machine.graph.expand(root, &machine.cursor)?;
            return Ok((value, machine.cursor.offset()));
        }
        machine.step(opcode)?;
    }
}

struct Machine<'a> {
    cursor: Cursor<'a>,
    graph: Graph,
    stack: Vec<NodeId>,
    /// How high the stack was at each open mark.
    marks: Vec<usize>,
    /// A map and not a vector: LONG_BINPUT may name any of 2^32 places.
    memo: HashMap<u32, NodeId>,
    /// What is more than its node: names, time spans, zones.
    specials: HashMap<NodeId, Special>,
}

impl Machine<'_> {
    fn step(&mut self, opcode: u8) -> Result<(), DecodeError> {
        match opcode {
            0x80 => self.protocol(),
            0x95 => self.frame(),
            b'N' | 0x88 | 0x89 | b'I' | b'J' | b'K' | b'M' | b'L' | 0x8a | 0x8b | b'F' | b'G' => {
                let value = self.number(opcode)?;
                self.push(Node::Leaf(value))
            }
            b'S' | b'T' | b'U' | b'V' | b'X' | 0x8c | 0x8d | b'B' | b'C' | 0x8e | 0x96 => {
                let value = self.string(opcode)?;
                self.push(Node::Leaf(value))
            }
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' | b'1' | b'2' => self.shuffle(opcode),
            b'g' | b'h' | b'j' | b'p' | b'q' | b'r' | 0x94 => self.memo(opcode),
            b']' | b')' | 0x8f | b'l' | b't' | 0x85..=0x87 | 0x91 => self.sequence(opcode),
            b'a' | b'e' | 0x90 => self.extend(opcode),
            b'}' | b'd' | b's' | b'u' => self.mapping(opcode),
            b'c' | 0x93 => self.global(opcode),
            b'R' | 0x81 => self.construct(opcode),
            b'b' => self.build(),
            other => Err(self.refusal(other)),
        }
    }

    fn refusal(&self, opcode: u8) -> DecodeError {
        let opcode = match opcode {
            b'i' => "INST",
            b'o' => "OBJ",
            b'P' => "PERSID",
            b'Q' => "BINPERSID",
            0x82 => "EXT1",
            0x83 => "EXT2",
            0x84 => "EXT4",
            0x92 => "NEWOBJ_EX",
            0x97 => "NEXT_BUFFER",
            0x98 => "READONLY_BUFFER",
            _ => return self.cursor.fail(Fault::Malformed("no such opcode in a pickle")),
        };
        self.cursor.fail(Fault::NeedsCode { opcode, name: String::new() })
    }

    fn protocol(&mut self) -> Result<(), DecodeError> {
        if self.cursor.byte()? > 5 {
            return Err(self.malformed("a pickle protocol above 5"));
        }
        Ok(())
    }

    /// A frame is a promise for readers of streams; here it is only held to its word.
    fn frame(&mut self) -> Result<(), DecodeError> {
        let declared = u64::from_le_bytes(self.cursor.array()?);
        let available = self.cursor.remaining() as u64;
        if declared > available {
            return Err(self.cursor.fail(Fault::LengthExceeded { declared, available }));
        }
        Ok(())
    }

    fn number(&mut self, opcode: u8) -> Result<Value, DecodeError> {
        Ok(match opcode {
            b'N' => Value::Null,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'J' => Value::Int(i32::from_le_bytes(self.cursor.array()?).into()),
            b'K' => Value::Int(self.cursor.byte()?.into()),
            b'M' => Value::Int(u16::from_le_bytes(self.cursor.array()?).into()),
            0x8a => {
                let length = self.cursor.byte()?;
                digits::twos_complement(self.cursor.take(length.into())?, &self.cursor)?
            }
            0x8b => {
                let length = i32::from_le_bytes(self.cursor.array()?);
                let length = usize::try_from(length).map_err(|_| self.malformed("a negative length"))?;
                digits::twos_complement(self.cursor.take(length)?, &self.cursor)?
            }
            b'G' => Value::Float(f64::from_be_bytes(self.cursor.array()?)),
            b'F' => {
                let text = std::str::from_utf8(self.cursor.until(b'\n')?).ok();
                let number = text.and_then(|text| text.parse().ok());
                Value::Float(number.ok_or_else(|| self.malformed("not a number behind FLOAT"))?)
            }
            _ => match self.cursor.until(b'\n')? {
                b"00" if opcode == b'I' => Value::Bool(false),
                b"01" if opcode == b'I' => Value::Bool(true),
                line => {
                    let line = line.strip_suffix(b"L").unwrap_or(line);
                    digits::parse(line).ok_or_else(|| self.malformed("not an integer behind INT or LONG"))?
                }
            },
        })
    }

    fn string(&mut self, opcode: u8) -> Result<Value, DecodeError> {
        let length = match opcode {
            b'S' => return quoted(self.cursor.until(b'\n')?).ok_or_else(|| self.malformed("bad STRING")),
            b'V' => return escaped(self.cursor.until(b'\n')?).ok_or_else(|| self.malformed("bad UNICODE")),
            b'U' | b'C' | 0x8c => self.cursor.byte()?.into(),
            b'T' => {
                let length = i32::from_le_bytes(self.cursor.array()?);
                u64::try_from(length).map_err(|_| self.malformed("a negative length"))?
            }
            b'X' | b'B' => u32::from_le_bytes(self.cursor.array()?).into(),
            _ => u64::from_le_bytes(self.cursor.array()?),
        };
        let bytes = self.cursor.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        match opcode {
            b'X' | 0x8c | 0x8d => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Value::Text(text.to_owned())),
                Err(_) if has_surrogates(bytes) => Ok(Value::Bytes(bytes.to_vec())),
                Err(_) => Err(self.malformed("invalid UTF-8")),
            },
            b'S' | b'T' | b'U' => Ok(python2(bytes.to_vec())),
            _ => Ok(Value::Bytes(bytes.to_vec())),
        }
    }

    fn shuffle(&mut self, opcode: u8) -> Result<(), DecodeError> {
        match opcode {
            b'0' if self.marks.last() == Some(&self.stack.len()) => {
                self.marks.pop();
            }
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                self.since_mark()?;
            }
            _ => self.stack.push(self.top()?),
        }
        Ok(())
    }

    fn memo(&mut self, opcode: u8) -> Result<(), DecodeError> {
        let place = match opcode {
            b'g' | b'p' => {
                let line = std::str::from_utf8(self.cursor.until(b'\n')?).ok();
                line.and_then(|line| line.parse().ok()).ok_or_else(|| self.malformed("bad memo place"))?
            }
            b'h' | b'q' => self.cursor.byte()?.into(),
            b'j' | b'r' => u32::from_le_bytes(self.cursor.array()?),
            _ => u32::try_from(self.memo.len()).unwrap_or(u32::MAX),
        };
        if matches!(opcode, b'g' | b'h' | b'j') {
            let id = self.memo.get(&place).ok_or_else(|| self.cursor.fail(Fault::UnknownReference))?;
            self.stack.push(*id);
        } else {
            self.memo.insert(place, self.top()?);
        }
        Ok(())
    }

    fn sequence(&mut self, opcode: u8) -> Result<(), DecodeError> {
        let items = match opcode {
            b']' | b')' | 0x8f => Vec::new(),
            0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0x84..opcode {
                    items.push(self.pop()?);
                }
                items.reverse();
                items
            }
            _ => self.since_mark()?,
        };
        self.push(Node::List(items))
    }

    fn extend(&mut self, opcode: u8) -> Result<(), DecodeError> {
        let items = if opcode == b'a' { vec![self.pop()?] } else { self.since_mark()? };
        let target = self.top()?;
        match self.graph.get_mut(target) {
            Some(Node::List(list)) => {
                list.extend(items);
                Ok(())
            }
            // A subclass of list: its elements are its fields by number.
            Some(Node::Object { .. }) if !self.specials.contains_key(&target) => {
                self.number_fields(target, items)
            }
            _ => Err(self.malformed("elements for what is no list")),
        }
    }

    fn mapping(&mut self, opcode: u8) -> Result<(), DecodeError> {
        let items = match opcode {
            b'}' => Vec::new(),
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.since_mark()?,
        };
        let mut pairs = Vec::with_capacity(items.len() / 2);
        let mut halves = items.chunks_exact(2);
        for pair in &mut halves {
            if let [key, value] = pair {
                pairs.push((*key, *value));
            }
        }
        if !halves.remainder().is_empty() {
            return Err(self.malformed("a key without a value"));
        }
        if matches!(opcode, b'}' | b'd') {
            return self.push(Node::Map(pairs));
        }
        let target = self.top()?;
        match self.graph.get_mut(target) {
            Some(Node::Map(fields)) => fields.extend(pairs),
            // A subclass of dict: its items are its fields.
            Some(Node::Object { fields, .. }) if !self.specials.contains_key(&target) => fields.extend(pairs),
            _ => return Err(self.malformed("items for what is no dict")),
        }
        Ok(())
    }

    fn global(&mut self, opcode: u8) -> Result<(), DecodeError> {
        let name = if opcode == b'c' {
            let module = self.cursor.until(b'\n')?;
            let name = self.cursor.until(b'\n')?;
            match (std::str::from_utf8(module), std::str::from_utf8(name)) {
                (Ok(module), Ok(name)) => format!("{module}.{name}"),
                _ => return Err(self.malformed("a name that is not UTF-8")),
            }
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            match (self.graph.text(module), self.graph.text(name)) {
                (Some(module), Some(name)) => format!("{module}.{name}"),
                _ => return Err(self.malformed("STACK_GLOBAL of what is no name")),
            }
        };
        if name.len() > classes::NAME_BYTES_MAX {
            return Err(self.malformed("a class name of more than 256 bytes"));
        }
        self.push_special(Node::Object { class: name.clone(), fields: Vec::new() }, Special::Name(name))
    }

    fn push(&mut self, node: Node) -> Result<(), DecodeError> {
        let id = self.graph.add(node, &self.cursor)?;
        self.stack.push(id);
        Ok(())
    }

    fn push_special(&mut self, node: Node, special: Special) -> Result<(), DecodeError> {
        let id = self.graph.add(node, &self.cursor)?;
        self.specials.insert(id, special);
        self.stack.push(id);
        Ok(())
    }

    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<NodeId, DecodeError> {
        let top = self.stack.last().filter(|_| self.stack.len() > self.floor());
        top.copied().ok_or_else(|| self.malformed("an opcode for an empty stack"))
    }

    fn pop(&mut self) -> Result<NodeId, DecodeError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn since_mark(&mut self) -> Result<Vec<NodeId>, DecodeError> {
        let mark = self.marks.pop().ok_or_else(|| self.malformed("no mark on the stack"))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    const fn malformed(&self, what: &'static str) -> DecodeError {
        self.cursor.fail(Fault::Malformed(what))
    }
}

/// Whether this is text but for halves of surrogate pairs, which Python lets pass.
fn has_surrogates(mut bytes: &[u8]) -> bool {
    let mut text = Vec::new();
    loop {
        bytes = match bytes {
            [] => return std::str::from_utf8(&text).is_ok(),
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, rest @ ..] => rest,
            [byte, rest @ ..] => {
                text.push(*byte);
                rest
            }
        };
    }
}

/// Python 2's `str`: text if it is UTF-8.
fn python2(bytes: Vec<u8>) -> Value {
    String::from_utf8(bytes).map_or_else(|error| Value::Bytes(error.into_bytes()), Value::Text)
}

/// `repr` of a Python 2 `str`.
fn quoted(line: &[u8]) -> Option<Value> {
    let mut rest = match line {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return None,
    };
    let mut bytes = Vec::with_capacity(rest.len());
    loop {
        let (byte, tail) = match rest {
            [] => return Some(python2(bytes)),
            [b'\\', b'x', high, low, tail @ ..] => (hex(&[*high, *low])?, tail),
            [b'\\', letter, tail @ ..] => (unescaped(*letter)?, tail),
            [b'\\'] => return None,
            [byte, tail @ ..] => (u32::from(*byte), tail),
        };
        bytes.push(u8::try_from(byte).ok()?);
        rest = tail;
    }
}

fn unescaped(letter: u8) -> Option<u32> {
    match letter {
        b'\\' | b'\'' | b'"' => Some(letter.into()),
        b'n' => Some(10),
        b'r' => Some(13),
        b't' => Some(9),
        _ => None,
    }
}

/// Python's raw-unicode-escape: Latin-1, and `\uXXXX` and `\UXXXXXXXX` for the rest.
fn escaped(mut rest: &[u8]) -> Option<Value> {
    let mut text = String::with_capacity(rest.len());
    loop {
        let (code, tail) = match rest {
            [] => return Some(Value::Text(text)),
            [b'\\', b'\\', tail @ ..] => {
                text.push('\\');
                (u32::from(b'\\'), tail)
            }
            [b'\\', b'u', tail @ ..] => (hex(tail.get(..4)?)?, tail.get(4..)?),
            [b'\\', b'U', tail @ ..] => (hex(tail.get(..8)?)?, tail.get(8..)?),
            [byte, tail @ ..] => (u32::from(*byte), tail),
        };
        text.push(char::from_u32(code)?);
        rest = tail;
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |code, digit| Some(code << 4 | char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests;

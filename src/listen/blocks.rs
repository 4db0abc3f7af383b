//! Header blocks of HTTP/2 as they go by, for the one thing that nobody says afterwards: a `#` in a `:path`.
//!
//! `http` cuts a target at `#` before anything of ours sees it, so that `/a#/../b` would be judged and forwarded as `/a`. RFC 9113
//! §8.3.1 has no fragment in a `:path`, and the head guard refuses one in HTTP/1.1. Here each becomes a `>`, which no target may
//! have either and hyper resets a stream for: that request is malformed, and no other stream of the connection suffers. In HPACK
//! (RFC 7541) the two are of one length, written out (0x23, 0x3e) as in Huffman's code, where they differ in their last bit.
//!
//! Whether a value is a `:path` the dynamic table may have to say, so the sizes of its entries are followed; nothing is decoded,
//! and of what is in the table only the lengths are kept. What is not HPACK is left to hyper, which ends the connection.

use std::collections::VecDeque;

const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;
/// Of the stream that another depends on, and a weight.
const PRIORITY_BYTES: u8 = 5;

/// The table's size unless our settings say otherwise, and hyper's do not; and what an entry costs (RFC 7541 §4.1).
const TABLE_BYTES: u32 = 4096;
const ENTRY_BYTES: u32 = 32;
/// Longest integer, in bytes after its prefix: hyper takes no longer one.
const INTEGER_BYTES_MAX: u32 = 4;

const PATH: &[u8] = b":path";
const PATH_IN_HUFFMAN: &[u8] = &[0xb9, 0x58, 0xd3, 0x3f];
/// Huffman's code for `#`, whose last bit makes a `>` of it.
const HASH: (u32, u32) = (0xffa, 12);

/// How long the names of the static table are (RFC 7541, Appendix A); the fourth and the fifth are `:path`.
const STATIC_NAMES: [u8; 61] = [
    10, 7, 7, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 14, 15, 15, 13, 6, 27, 3, 5, 13, 13, 19, 16, 16, 14, 16, 13,
    12, 6, 4, 4, 6, 7, 4, 4, 8, 17, 13, 8, 19, 13, 4, 8, 12, 18, 19, 5, 7, 7, 11, 6, 10, 25, 17, 10, 4, 3,
    16,
];

/// How many codes there are of each length (RFC 7541, Appendix B), which is canonical: that is all it takes to find where one ends.
const CODES: [(u32, u64); 21] = [
    (5, 10),
    (6, 26),
    (7, 32),
    (8, 6),
    (10, 5),
    (11, 3),
    (12, 2),
    (13, 6),
    (14, 2),
    (15, 3),
    (19, 3),
    (20, 8),
    (21, 13),
    (22, 26),
    (23, 29),
    (24, 12),
    (25, 4),
    (26, 15),
    (27, 19),
    (28, 29),
    (30, 4),
];

/// The header blocks of one client.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    /// Of this frame: whether the length of its padding comes next, what stands before the block, and how much is still to come.
    padded: bool,
    before: u8,
    left: u32,
    state: State,
    literal: Literal,
    huffman: Huffman,
    table: Table,
}

/// What the next byte is.
#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// The first of a field.
    #[default]
    Field,
    /// One more of an integer.
    Integer { of: Integer, value: u32, bytes: u32 },
    /// The first of a text's length.
    Length(Side),
    /// One of a text.
    Text { side: Side, left: u32, coded: bool },
    /// Nobody's: this is no HPACK.
    Lost,
}

#[derive(Clone, Copy, Debug)]
enum Integer {
    /// The place of a whole field.
    Field,
    /// The place of a literal's name, or 0.
    Name,
    TableSize,
    Length(Side, bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Name,
    Value,
}

/// The field that is being read.
#[derive(Clone, Copy, Debug, Default)]
struct Literal {
    /// Whether it goes into the table.
    kept: bool,
    is_path: bool,
    name: u32,
    value: u32,
    /// How much of its name is `:path` so far.
    alike: usize,
}

impl Blocks {
    /// A HEADERS or CONTINUATION frame begins; only the former has padding and a priority.
    pub(crate) fn begin(&mut self, first: bool, flags: u8, length: u32) {
        self.left = length;
        self.padded = first && flags & PADDED != 0;
        self.before = if first && flags & PRIORITY != 0 { PRIORITY_BYTES } else { 0 };
        if first && !matches!(self.state, State::Lost) {
            self.state = State::Field;
        }
    }

    /// The next bytes of its payload.
    pub(crate) fn pass(&mut self, payload: &mut [u8]) {
        for byte in payload {
            let Some(left) = self.left.checked_sub(1) else { return };
            self.left = left;
            if self.padded {
                self.padded = false;
                self.left = left.saturating_sub(u32::from(*byte));
            } else if self.before > 0 {
                self.before -= 1;
            } else {
                self.state = self.read(byte);
            }
        }
    }

    fn read(&mut self, byte: &mut u8) -> State {
        match self.state {
            State::Field => self.field(*byte),
            State::Integer { of, value, bytes } => {
                let part = u32::from(*byte & 0x7f).checked_shl(7 * bytes);
                let Some(value) = part.and_then(|part| value.checked_add(part)) else { return State::Lost };
                match (*byte & 0x80 != 0, bytes + 1) {
                    (false, _) => self.integer(of, value),
                    (true, INTEGER_BYTES_MAX) => State::Lost,
                    (true, bytes) => State::Integer { of, value, bytes },
                }
            }
            State::Length(side) => self.prefix(*byte, 0x7f, Integer::Length(side, *byte & 0x80 != 0)),
            State::Text { side, left, coded } => self.text(side, left, coded, byte),
            State::Lost => State::Lost,
        }
    }

    /// RFC 7541 §6.
    fn field(&mut self, byte: u8) -> State {
        match byte {
            0x80.. => self.prefix(byte, 0x7f, Integer::Field),
            0x40.. => self.literal(byte, 0x3f, true),
            0x20.. => self.prefix(byte, 0x1f, Integer::TableSize),
            _ => self.literal(byte, 0x0f, false),
        }
    }

    fn literal(&mut self, byte: u8, mask: u8, kept: bool) -> State {
        self.literal = Literal { kept, ..Literal::default() };
        self.prefix(byte, mask, Integer::Name)
    }

    fn prefix(&mut self, byte: u8, mask: u8, of: Integer) -> State {
        match byte & mask {
            all if all == mask => State::Integer { of, value: u32::from(mask), bytes: 0 },
            value => self.integer(of, u32::from(value)),
        }
    }

    fn integer(&mut self, of: Integer, value: u32) -> State {
        match of {
            Integer::Field => State::Field,
            Integer::TableSize => {
                self.table.resize(value);
                State::Field
            }
            Integer::Name if value == 0 => State::Length(Side::Name),
            Integer::Name => {
                let Some((name, is_path)) = self.table.name(value) else { return State::Lost };
                (self.literal.name, self.literal.is_path) = (name, is_path);
                State::Length(Side::Value)
            }
            Integer::Length(side, coded) => {
                self.huffman = Huffman::default();
                self.rest(side, value, coded)
            }
        }
    }

    fn text(&mut self, side: Side, left: u32, coded: bool, byte: &mut u8) -> State {
        let Literal { is_path, name, value, alike, .. } = &mut self.literal;
        let length = if side == Side::Name { name } else { value };
        match (side, coded) {
            (Side::Name, _) => {
                let path = if coded { PATH_IN_HUFFMAN } else { PATH };
                // Once it differs it can reach no length that counts.
                *alike = if path.get(*alike) == Some(byte) { *alike + 1 } else { usize::MAX };
                *length += if coded { self.huffman.pass(byte, false) } else { 1 };
                *is_path = left == 1 && *alike == path.len();
            }
            (Side::Value, true) => *length += self.huffman.pass(byte, *is_path),
            (Side::Value, false) => {
                *length += 1;
                if *is_path && *byte == b'#' {
                    *byte = b'>';
                }
            }
        }
        self.rest(side, left - 1, coded)
    }

    /// What follows when so much of a text is to come.
    fn rest(&mut self, side: Side, left: u32, coded: bool) -> State {
        match (left, side) {
            (1.., _) => State::Text { side, left, coded },
            (0, Side::Name) => State::Length(Side::Value),
            (0, Side::Value) => {
                let Literal { kept, is_path, name, value, .. } = self.literal;
                if kept {
                    self.table.insert(Entry {
                        name,
                        size: name.saturating_add(value).saturating_add(ENTRY_BYTES),
                        is_path,
                    });
                }
                State::Field
            }
        }
    }
}

/// A text in Huffman's code, up to the code that is not whole yet.
#[derive(Clone, Copy, Debug, Default)]
struct Huffman {
    /// Its bits, from the highest.
    bits: u64,
    count: u32,
}

impl Huffman {
    /// Takes one more byte and says how many codes end in it; with `is_path` a `#` becomes a `>`.
    fn pass(&mut self, byte: &mut u8, is_path: bool) -> u32 {
        self.bits |= u64::from(*byte) << (56 - self.count);
        self.count += 8;
        let mut codes = 0;
        while let Some(length) = ending(self.bits).filter(|length| *length <= self.count) {
            let code = self.bits >> (64 - length);
            self.bits <<= length;
            self.count -= length;
            codes += 1;
            if is_path && (code, length) == (u64::from(HASH.0), HASH.1) {
                *byte |= 1 << self.count;
            }
        }
        codes
    }
}

/// How long the code is that these bits begin with; where they are too few, zeros behind them make it longer than they are.
fn ending(bits: u64) -> Option<u32> {
    let (mut code, mut before) = (0_u64, 0);
    for (length, count) in CODES {
        code = (code << (length - before)) + count;
        before = length;
        if bits >> (64 - length) < code {
            return Some(length);
        }
    }
    None
}

/// The dynamic table, without what is in it.
#[derive(Debug)]
struct Table {
    /// The newest first.
    entries: VecDeque<Entry>,
    size: u32,
    size_max: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    name: u32,
    size: u32,
    is_path: bool,
}

impl Default for Table {
    fn default() -> Self {
        Self { entries: VecDeque::new(), size: 0, size_max: TABLE_BYTES }
    }
}

impl Table {
    /// The length of the name at a place that is not 0, and whether it is `:path`.
    fn name(&self, place: u32) -> Option<(u32, bool)> {
        let place = usize::try_from(place).ok()?.checked_sub(1)?;
        match STATIC_NAMES.get(place) {
            Some(length) => Some((u32::from(*length), matches!(place, 3 | 4))),
            None => self.entries.get(place - STATIC_NAMES.len()).map(|entry| (entry.name, entry.is_path)),
        }
    }

    /// RFC 7541 §4.4: one that is larger than the table empties it.
    fn insert(&mut self, entry: Entry) {
        self.shrink(self.size_max.saturating_sub(entry.size));
        if entry.size <= self.size_max {
            self.size += entry.size;
            self.entries.push_front(entry);
        }
    }

    fn resize(&mut self, size: u32) {
        self.size_max = size.min(TABLE_BYTES);
        self.shrink(self.size_max);
    }

    fn shrink(&mut self, to: u32) {
        while self.size > to {
            let Some(oldest) = self.entries.pop_back() else { return };
            self.size -= oldest.size;
        }
    }
}

#[cfg(test)]
mod tests;

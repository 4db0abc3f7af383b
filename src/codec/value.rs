//! The one shape that every decoded session has.

/// A tree of plain data. Maps keep the order of the record; a key that comes twice is found at its last place, as
/// in every framework we read.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// `null`, `nil`, `None`, an unset column.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer that fits 64 bits with its sign.
    Int(i64),
    /// An integer beyond that, as its decimal digits: ids over 2^63 stay exact.
    BigInt(String),
    /// A floating point number, infinities and NaN included.
    Float(f64),
    /// Text; also what a date, UUID or decimal reads as.
    Text(String),
    /// Bytes that are not text.
    Bytes(Vec<u8>),
    /// A sequence: list, tuple, set, or a PHP array whose keys are 0..n.
    List(Vec<Value>),
    /// A mapping; keys that were numbers or symbols are their text.
    Map(Vec<(String, Value)>),
    /// What was an object: its class name and its fields under their bare names. No code of the class was run.
    Object {
        /// The class as the record names it.
        class: String,
        /// Field name and value; private and protected marks are taken off.
        fields: Vec<(String, Value)>,
    },
}

impl Value {
    /// The field `name` of a map or object, the last one if it comes twice.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Map(fields) | Self::Object { fields, .. } => {
                fields.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The element at `index` of a list.
    pub fn at(&self, index: usize) -> Option<&Value> {
        match self {
            Self::List(items) => items.get(index),
            _ => None,
        }
    }

    /// Text, if this is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What this is, in words for an error message.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::BigInt(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Object { .. } => "an object",
        }
    }
}

/// Session data is personal: a debug print shows the kinds and sizes only.
impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::List(items) => write!(f, "a list of {}", items.len()),
            Self::Map(fields) => write!(f, "a map of {}", fields.len()),
            Self::Object { class, fields } => write!(f, "an object {class} of {}", fields.len()),
            other => f.write_str(other.kind()),
        }
    }
}

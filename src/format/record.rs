//! What several formats do with a record alike.

use crate::codec::{DecodeError, Fault, Limits, Value, json};
use crate::format::Reject;
use crate::store::{Change, Record};

/// The bytes of a string record.
///
/// # Errors
/// [`Reject::WrongType`] for a hash.
pub fn string(record: &Record) -> Result<&[u8], Reject> {
    match record {
        Record::String(bytes) => Ok(bytes),
        Record::Hash(_) => Err(Reject::WrongType),
    }
}

/// The JSON object in a string record; any other JSON value is no session in any framework.
///
/// # Errors
/// [`Reject::WrongType`], or [`Reject::Undecodable`].
pub fn json_object(record: &Record) -> Result<Value, Reject> {
    let value = json::decode(string(record)?, Limits::default()).map_err(Reject::Undecodable)?;
    object(value)
}

/// The value, if it is a map.
///
/// # Errors
/// [`Reject::Undecodable`] for anything else.
pub fn object(value: Value) -> Result<Value, Reject> {
    match value {
        Value::Map(_) => Ok(value),
        _ => Err(malformed("the session is not a map")),
    }
}

/// A record that decodes, but not to what the framework writes.
pub const fn malformed(what: &'static str) -> Reject {
    Reject::Undecodable(DecodeError { offset: 0, fault: Fault::Malformed(what) })
}

/// The map without what the framework keeps in it for itself.
pub fn without(data: Value, names: &[&str]) -> Value {
    match data {
        Value::Map(mut fields) => {
            fields.retain(|(name, _)| !names.contains(&name.as_str()));
            Value::Map(fields)
        }
        other => other,
    }
}

/// The record with the one place where it has `old` having `new`; `None` if there are several, or none: then nobody can say which
/// of them the framework would write.
pub fn replaced_once(record: &Record, old: &[u8], new: &[u8]) -> Option<Change> {
    let Record::String(bytes) = record else { return None };
    let mut places = memchr::memmem::find_iter(bytes, old);
    let at = places.next().filter(|_| places.next().is_none())?;
    let (before, rest) = bytes.split_at(at);
    let written = [before, new, rest.get(old.len()..)?].concat();
    Some(Change::Value { old: bytes.clone(), new: written })
}

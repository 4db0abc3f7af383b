//! Entries of Rails' cache, in which `:cache_store` keeps its sessions.
//!
//! Captured in all three formats, compressed and not:
//! * Rails 6.1: Marshal of `ActiveSupport::Cache::Entry` with `@value`, `@created_at` and `@expires_in`; with `@compressed` the
//!   value is zlib of Marshal.
//! * 7.0 (`cache_format_version`): a byte, 0 plain or 1 zlib, then Marshal of [value, expires_at, version].
//! * 7.1: `00 11`, a byte for the type (1 Marshal, 2 to 4 a raw string; 0x80 more for zlib), expires_at as a little-endian float
//!   with -1 for none, the length of the version with -1 for none, the version, the payload.
//!
//! The app takes an entry that is past its expiry for none, whatever the key's TTL says.

use crate::clock::UnixMillis;
use crate::codec::inflate::{self, Compression};
use crate::codec::{Cursor, DecodeError, Fault, Limits, Value, marshal};
use crate::format::{Decoded, Reject, record};

/// The session in an entry, and when the entry ends.
///
/// # Errors
/// [`Reject::Undecodable`] if this is no entry with a hash.
pub fn read(bytes: &[u8]) -> Result<Decoded, Reject> {
    let (data, expires_at) = match bytes {
        // Since 7.0 the app knows an old entry by both bytes.
        [0x04, 0x08, ..] => rails_6(bytes),
        [0x00, 0x11, rest @ ..] => rails_7_1(rest),
        [0x00, rest @ ..] => rails_7_0(rest),
        [0x01, rest @ ..] => inflated(rest).and_then(|plain| rails_7_0(&plain)),
        _ => Err(malformed("no entry of Rails' cache")),
    }
    .map_err(Reject::Undecodable)?;
    let ends_at = expires_at.map(instant).transpose().map_err(Reject::Undecodable)?;
    Ok(Decoded { data: record::object(data)?, ends_at })
}

fn rails_6(bytes: &[u8]) -> Result<(Value, Option<f64>), DecodeError> {
    let entry = unmarshalled(bytes)?;
    match &entry {
        Value::Object { class, .. } if class == "ActiveSupport::Cache::Entry" => {}
        _ => return Err(malformed("no ActiveSupport::Cache::Entry")),
    }
    let expires_at = match (number(entry.get("created_at"))?, number(entry.get("expires_in"))?) {
        (Some(created_at), Some(expires_in)) => Some(created_at + expires_in),
        (None, Some(_)) => return Err(malformed("a life without a beginning")),
        (_, None) => None,
    };
    let value = match (entry.get("value"), entry.get("compressed")) {
        (Some(Value::Bytes(packed)), Some(Value::Bool(true))) => unmarshalled(&inflated(packed)?)?,
        (Some(value), None | Some(Value::Null | Value::Bool(false))) => value.clone(),
        _ => return Err(malformed("an entry without a value")),
    };
    Ok((value, expires_at))
}

fn rails_7_0(bytes: &[u8]) -> Result<(Value, Option<f64>), DecodeError> {
    let members = unmarshalled(bytes)?;
    let expires_at = number(members.at(1))?;
    let value = members.at(0).cloned().ok_or_else(|| malformed("an entry without a value"))?;
    Ok((value, expires_at))
}

fn rails_7_1(bytes: &[u8]) -> Result<(Value, Option<f64>), DecodeError> {
    let mut cursor = Cursor::new(bytes);
    let kind = cursor.byte()?;
    let expires_at = f64::from_le_bytes(cursor.array()?);
    let version = i32::from_le_bytes(cursor.array()?);
    if version != -1 {
        cursor.take(usize::try_from(version).map_err(|_| malformed("a negative length"))?)?;
    }
    let payload = cursor.rest();
    let value = match kind {
        0x01 => unmarshalled(payload)?,
        0x81 => unmarshalled(&inflated(payload)?)?,
        _ => return Err(malformed("an entry that is a string")),
    };
    Ok((value, (expires_at != -1.0).then_some(expires_at)))
}

fn unmarshalled(bytes: &[u8]) -> Result<Value, DecodeError> {
    // `ActiveSupport::MessagePack::Serializer::SIGNATURE`
    if bytes.starts_with(b"\xcc\x80") {
        return Err(malformed("an entry of the serializer :message_pack"));
    }
    marshal::read_prefix(bytes, Limits::default()).map(|(value, _)| value)
}

fn inflated(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    inflate::read(Compression::Zlib, bytes, Limits::default())
}

/// A time in seconds; `None` for nil.
fn number(value: Option<&Value>) -> Result<Option<f64>, DecodeError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Float(number)) => Ok(Some(*number)),
        Some(Value::Int(number)) => Ok(i32::try_from(*number).ok().map(f64::from)),
        Some(_) => Err(malformed("a time that is no number")),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked; below a millisecond an expiry is rounded down"
)]
fn instant(seconds: f64) -> Result<UnixMillis, DecodeError> {
    // 2^53 milliseconds: beyond it a float does not count them one by one.
    let millis = seconds * 1000.0;
    if (0.0..9.0e15).contains(&millis) {
        Ok(UnixMillis::new(millis as u64))
    } else {
        Err(malformed("an expiry that is no time"))
    }
}

const fn malformed(what: &'static str) -> DecodeError {
    DecodeError { offset: 0, fault: Fault::Malformed(what) }
}

#[cfg(test)]
mod tests;

//! Go's `encoding/gob` as data (the wire format of Go 1.0 to 1.24; `doc.go` and `decode.go` of that package).
//!
//! Job: one gob value, the type definitions before and inside it included, to a [`Value`]. Structs become objects
//! whose unsent fields have their zero value, interface values what they hold, `time.Time` RFC 3339 text. Not the
//! job: resolving a concrete type's name; it is only the class of the object.
//!
//! A stream is messages, each with a length. A definition that is first needed in the middle of a value ends the
//! message there, and the value goes on in the next one; inside an interface inside an interface the same happens
//! within the enclosing message, and only a byte count is between. That is why the reader knows where the
//! current message ends and crosses that line in `type_sequence` alone, as Go's `decodeTypeSequence` does.
//!
//! Stricter than Go on purpose: a value cut in the middle is refused, where gorilla/sessions goes on with the part of
//! the map it got, logged in; bytes after the value are refused, where Go leaves them for the next `Decode`; `true`
//! is 1 and nothing else.
//!
//! A pointer and what it points to look alike on the wire. An unsent struct may be a nil pointer or all zeros: it
//! reads as null.

mod value;
mod wire;

#[cfg(test)]
mod tests;

use crate::codec::{DecodeError, Fault, Limits, Value};

/// Reads the one value that `input` is.
///
/// # Errors
/// [`DecodeError`] for anything that is not a whole gob value within `limits`.
pub fn read(input: &[u8], limits: Limits) -> Result<Value, DecodeError> {
    if input.len() > limits.bytes {
        let fault = Fault::LengthExceeded { declared: input.len() as u64, available: limits.bytes as u64 };
        return Err(DecodeError { offset: 0, fault });
    }
    value::Reader::new(input, limits).whole()
}

//! Java's object serialization stream, protocol version 2 (`ac ed 00 05`), as data. After the grammar in "Java Object
//! Serialization Specification", chapter 6, and the layouts that the classes of JDK 8 to 21 write.
//!
//! Job: one serialised object to a [`Value`]. In Java, reading such a stream runs the `readObject` and `readResolve`
//! of whatever class it names; chains of these are how ysoserial gets a shell out of a session. Here a class is a
//! name: there is no list of dangerous ones because none does anything. What the stream describes is read by its own
//! description, field by field, and becomes an object of that name.
//!
//! Two passes. `stream` reads the grammar into a `heap`, in which a handle is a place and nothing is copied.
//! `tree` then unfolds the heap from its root: every reference costs what it repeats, in nodes, depth and bytes of
//! text, and an object inside itself reads as null. That a JDK collection is a list or a map and an `Instant` is text
//! is the tree's knowledge (`layout`, `time`); the grammar needs none of it.
//!
//! Refused: an exception or a reset inside the value, an `Externalizable` without block data (only its own code could
//! find its end), block data where a value must be, bytes after the value. `serialVersionUID` is ignored, since it
//! changes with every minor version of Spring Security.

mod heap;
mod layout;
mod number;
mod stream;
mod text;
mod time;
mod tree;

#[cfg(test)]
mod tests;

use crate::codec::{DecodeError, Fault, Limits, Value};

/// Reads the one object that `input` is.
///
/// # Errors
/// [`DecodeError`] for anything that is not a whole serialization stream of one object within `limits`.
pub fn read(input: &[u8], limits: Limits) -> Result<Value, DecodeError> {
    if input.len() > limits.bytes {
        let fault = Fault::LengthExceeded { declared: input.len() as u64, available: limits.bytes as u64 };
        return Err(DecodeError { offset: 0, fault });
    }
    let (heap, root) = stream::parse(input, limits)?;
    tree::unfold(&heap, root, input, limits)
}

//! Data-only readers of the serialisations that web frameworks keep sessions in.
//!
//! Job: bytes to [`Value`], a tree of plain data. Not the job: knowing any framework (that is `format`), any
//! store, any cookie. Nothing here performs I/O, reads a clock, builds an object or resolves a name.
//!
//! Threat: whoever can write to the app's Redis, or inject through the app, may put a gadget into a record:
//! a pickle that calls `os.system`, a Marshal stream with a `Gem::` chain, a PHP object with a destructor, a Java
//! transformer chain. In their home languages these run code while they are read. Here they cannot: a reader
//! only ever produces a [`Value`]; an object is a [`Value::Object`] with its class name as text, and what could only
//! be resolved by running code is refused with the opcode's name and offset.
//!
//! Invariant: every reader is bounded by [`Limits`] in input bytes, depth and nodes, checks a declared length
//! against the bytes that remain before it allocates, counts every expansion of a reference, cuts cycles, and
//! returns an error for anything else. None panics and none recurses deeper than `Limits::depth`.
//!
//! The folder is a *floor*: `mod.rs` holds the types, the children use them.

mod civil;
mod digits;
pub mod gob;
mod graph;
pub mod igbinary;
pub mod inflate;
pub mod java;
pub mod json;
mod limits;
pub mod lzf;
pub mod marshal;
pub mod msgpack;
pub mod php;
mod php_graph;
pub mod php_session;
pub mod pickle;
pub mod seal;
#[cfg(test)]
pub(crate) mod shown;
mod uuid;
mod value;

pub use limits::{Budget, Cursor, DecodeError, Fault, Limits};
pub use value::Value;

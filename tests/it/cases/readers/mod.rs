//! The catalogue before real servers: what the gateway forwards, every one of them reads alike.
//!
//! A tap between the gateway and eight servers gives each the same bytes, lets one of them answer, and adds a last request to
//! every connection. Each server says of each request how it reads it: method, target, path, host, length of the body,
//! identity and names of fields. That must be the strict reading of the bytes, no more and no fewer requests; the oracle judges
//! those bytes besides.

mod account;
mod server;
mod tap;

pub(super) use server::{Server, all};
pub(super) use tap::Tap;

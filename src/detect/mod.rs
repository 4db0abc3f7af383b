//! Which framework keeps its sessions in a store, told from a look at it.
//!
//! Job: take a bounded sample of keys and values, part the keys into families, try every candidate of the table in `frameworks`
//! on every family with the very formats that the gateway reads sessions with, and say what it most likely is, how likely and
//! why; given a cookie and the app's secrets, prove it by reading one session from cookie to user; and write the `gateway.toml`
//! that reads them all. Not the job: printing and asking (`cli`), reading a session for a request (`session`).
//!
//! Threat: the store is not ours, may be huge, and may hold anything. So nothing is written to it, every look is bounded
//! in keys, values, bytes and time, a value's size is asked for before the value, values are only ever read as data (`codec`),
//! and no value, key or id is part of what is told: only templates, names and counts.
//!
//! The life of one look: [`Source`] gives keys → `family` parts them → [`Source`] gives some values of each → `judge` tries the
//! candidates → [`Finding`] → with a cookie, `proof` → [`Report`] → `gateway_file`.
//!
//! This room is a *roof*, on the level of `app`: the children use each other by their full path.

mod candidate;
mod carried;
mod family;
mod finding;
mod frameworks;
mod gateway_file;
mod ids;
mod judge;
mod proof;
mod redis;
mod report;
mod sample;
mod source;
mod subject;

pub use candidate::{Need, Opt};
pub use finding::{Explanation, Finding, Subject, Ttl};
pub use gateway_file::{Connection, GatewayFile, SecretRef};
pub use redis::RedisSource;
pub use report::{Given, Look, Proof, Report, detect};
pub use sample::{Content, Keys, Reading};
pub use source::Source;
pub use subject::Guess;

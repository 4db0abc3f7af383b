//! From a TCP connection to requests that may be looked at, and back to an answer on the wire.
//!
//! Job: accept, count and cap connections, hold each to its deadlines, refuse every head and body whose bytes two
//! parsers could read differently, hand the rest to a [`Handler`], and end gracefully. Not the job: what a path,
//! a host or a cookie means (`request`), and what an answer looks like (`respond`): a refused head reaches the
//! handler as an error, in its place in the order, and the handler answers it like any other.
//!
//! Threat: request smuggling, and exhaustion by slow or many clients. hyper's parser takes a bare LF for a line end, reads
//! only the last Transfer-Encoding token, drops a Content-Length that came with one, and cuts a target at `#`;
//! nothing of that shows in a `Request`. So no byte of HTTP/1 reaches hyper before this room has judged it: the `Guard`
//! sits between the stream, decrypted where it is, and hyper, and its `Sieve` tells message from message by itself. A head that is
//! refused is replaced by a harmless one which carries `Connection: close`, and nothing behind it is read.
//!
//! HTTP/2 comes by prior knowledge or, in TLS, agreed by ALPN: `opening` reads until the first bytes tell. Its frames are hyper's to judge, and what they
//! carry is `request`'s; here they are only counted as they go by (`metered`, `frames`), because a client can make us work with
//! frames that ask for nothing, or hold a connection with half of one. A stream is a task; the client's share of its deadlines is
//! kept in `tasks`, the connection's in `http2`.
//!
//! Invariants. hyper never holds bytes of two messages at once. For every head it gets there is exactly one entry in
//! the `Ledger`, and the service takes one per call; with none left it refuses. Bytes behind an upgrade
//! request stay here until the upgrade is answered. A body that breaks its framing ends in an error, never in a
//! clean end. Whatever refuses, closes. An answer to HTTP/1.0 that has its end by that of the connection is cut by a reset unless it
//! went out whole: the socket is set so before the first byte, and set back behind the last, so that no way to end forgets it.
//!
//! Life of a connection: `bind` opened the socket on every worker; `serve` accepts it, takes a permit, and spawns one
//! local task, in which `reception` reads a PROXY header and agrees on TLS where the [`Terms`] ask for it, and hyper polls the guard. The permit lives in the guard, and so in the tunnel that may come of
//! it. On drain the worker empties its backlog, lets running exchanges end with `Connection: close`, closes idle
//! connections at once, and waits for tunnels as long as `drain_timeout` allows. Where a new process listens already, idle connections
//! get a last call before they are closed: their next answer says `Connection: close`. A panic costs its connection.
//!
//! Near the memory budget (`pressure`) whoever makes us wait is let go within a second, idle or half-way, and no tunnel begins; next to
//! it nothing begins and bodies stand still. That goes by what the process really holds: a client that may open a hundred streams could
//! hold many megabytes, and so few of them would fit that honest ones would be sent away for nothing.
//!
//! A worker that is asked for more than it can do (`strain`) lets in what it can, and has the handler refuse the rest before it is looked
//! at; such a connection stays, since a new one would cost more than the answer.
//!
//! The folder is a *roof*: only this file names the children to the outside.

mod answer;
mod bind;
mod blocks;
mod chunks;
mod connections;
mod frames;
#[cfg(fuzzing)]
pub mod fuzz;
mod guard;
mod handler;
mod head;
mod http2;
mod inherited;
mod joined;
mod ledger;
mod metered;
mod opening;
mod pace;
mod pressure;
mod proxied;
mod reception;
mod roster;
mod serve;
mod sieve;
mod strain;
mod stream;
mod tasks;
mod terms;
mod worker;

pub use bind::{BindError, Listener};
pub use connections::{Connections, TurnedAway};
pub(crate) use frames::Frames;
pub use handler::{Excess, Handler, Scarce};
pub use inherited::{Inherited, send};
pub use pace::Pace;
pub use pressure::{Level, Pressure};
pub use serve::serve;
pub use terms::Terms;
pub use worker::spawn_worker;

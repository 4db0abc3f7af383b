//! From a clean request to the upstream's answer.
//!
//! Job: pick an endpoint, take a connection from this worker's pool or open one, send, hold the exchange to its
//! deadlines, and hand back a response from which everything that belongs to one hop is gone. Bodies stream both ways
//! under back-pressure; nothing is collected anywhere. Not the job: deciding anything about the caller (that is done),
//! or what a failure looks like to the client (`respond` has one answer for each [`UpstreamError`]).
//!
//! Threat: an upstream may be slow, dead, confused or hostile towards the others that share the gateway. So every wait
//! has an end until the response's head is there; a head is small, begins with a status line of HTTP/1, has CRLF line
//! ends, at most eight interim responses before it, none of which claims a body, and one framing; a connection is used again only after exactly one complete exchange; a byte too many on
//! an idle one closes it. A tunnel opens only on a 101 that was asked for and proves that the upstream read the
//! handshake, because a client byte sent before that proof would be read as the next request.
//!
//! Invariant: a body that did not end well never ends cleanly. If the client's fails, the upstream connection is cut
//! before the last chunk; if the upstream's fails, [`UpstreamBody`] ends in an error and the client connection is cut.
//!
//! A request is sent twice in two cases only: hyper gave it back unsent, or it was idempotent and without a body, on a
//! connection that had served before and fell silent without one byte of an answer (the upstream's keep-alive ran out
//! while the request was on its way). `repeat` has them, and their budget. An endpoint that takes no connection was not
//! asked: then another one is, at most three in all.
//!
//! One [`Forwarder`] belongs to one worker and never leaves its thread: pools are plain cells, there is no lock. What is
//! shared by all workers is [`Tunnels`], which a drain waits for, and [`Standings`]: which endpoints fail, and how many
//! connections there are, fed by the requests and by `health`, which has a thread of its own. A request to an endpoint
//! that is well reads two numbers there and writes none. Where `limits.latency` is set, `room` keeps each worker from asking more at once
//! than is answered in time.
//!
//! Where `proxy_protocol` asks for it, a connection begins with an [`Introduction`] and serves nobody else.
//!
//! A connection of HTTP/1.1 carries one exchange at a time; one of HTTP/2 (`sender`) as many as the upstream allows, and what
//! fails there resets its stream and no other.
//!
//! Life of a request: `outbound` makes its head ready and wraps its body in `upload`; `balance` chooses an endpoint by
//! its `standing`; `balanced` takes a `Link` from its `pool` or has `connect` open one in one of its `slots`, whose bytes
//! pass through `wire`; `exchange` waits for the answer; `hygiene` cleans
//! it; [`UpstreamBody`] carries the rest, or `websocket` checks the handshake and `tunnel` takes over, whose bytes `relay` carries, with `frames` for its last word.

mod balance;
mod balanced;
mod body;
mod connect;
mod error;
mod exchange;
mod forwarder;
mod frames;
mod head_copy;
mod health;
mod hygiene;
mod interim;
mod introduction;
mod outbound;
mod patience;
mod pool;
mod relay;
mod repeat;
mod resolve;
mod room;
mod sender;
mod slots;
mod standing;
mod tls;
mod tunnel;
mod upload;
mod websocket;
mod wire;

#[cfg(test)]
mod tests;

pub use body::UpstreamBody;
pub use error::UpstreamError;
pub use forwarder::Forwarder;
pub use health::HealthChecks;
pub use introduction::Introduction;
pub use outbound::Outbound;
pub use standing::{EndpointHealth, Standings, UpstreamHealth};
pub use tunnel::{Goodbye, Tunnel, Tunnels};

//! What the gateway tells of itself: one access line a request, metrics, and error chains in full.
//!
//! Job: write what it is given, in a form that machines read and that cannot be forged by what clients send. Not the job:
//! deciding what is worth saying; it knows no route, session or token type and takes plain fields, chosen from an
//! allow-list by the callers: never a cookie, a session id, a token or a key.
//!
//! Invariant: a slow or full log never holds up a request. Lines go to a writer thread through a queue of bounded length;
//! what does not fit is dropped and counted.
//!
//! The folder is a *roof*.

mod access;
mod chain;
mod endpoints;
mod issuers;
mod memory;
mod metrics;
mod migration;
mod reloads;
mod shared_rates;

pub use access::{AccessLine, AccessLog, AccessSink};
pub use chain::chain;
pub use endpoints::{EndpointMetrics, UpstreamMetrics};
pub use issuers::IssuerMetrics;
pub use memory::MemoryMetrics;
pub use metrics::{Metrics, RouteMetrics, StoreMetrics};
pub use shared_rates::SharedRates;

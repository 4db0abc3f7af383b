//! What a client may ask for.

use std::time::Duration;

use crate::config::MemoryLimit;

/// `[server.limits]`
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest request head, in bytes.
    pub header_bytes: usize,
    /// Most header fields in a request.
    pub headers: usize,
    /// From the first byte of a head to its last.
    pub header_timeout: Duration,
    /// From accepting a connection to the end of its TLS handshake.
    pub handshake_timeout: Duration,
    /// How long a connection may wait between two requests.
    pub idle_timeout: Duration,
    /// How long a request body may stand still.
    pub body_timeout: Duration,
    /// How many bytes of a request body must come in a second, on average; `None`: any number.
    pub body_rate: Option<u64>,
    /// Longest request body, in bytes; `None`: no limit.
    pub body: Option<u64>,
    /// Most client connections at once, over all workers.
    pub connections: usize,
    /// Memory for sessions that are held, in bytes.
    pub session_memory: u64,
    /// Memory for everything.
    pub memory: MemoryLimit,
    /// Most requests of a worker that wait for their answer at once.
    pub requests: usize,
    /// How long whatever comes may have to wait for a worker's turn; `None`: however long.
    pub delay: Option<Duration>,
    /// How long a drain waits for requests and tunnels before it cuts them.
    pub drain_timeout: Duration,
}

#[cfg(any(test, fuzzing))]
impl Limits {
    /// For tests: as documented, but few connections and requests.
    pub(crate) fn few() -> Self {
        Self {
            header_bytes: 32 * 1024,
            headers: 100,
            header_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            body_rate: None,
            requests: 1000,
            body_timeout: Duration::from_secs(30),
            body: None,
            connections: 8,
            session_memory: 1024 * 1024,
            memory: MemoryLimit::None,
            delay: None,
            drain_timeout: Duration::from_secs(20),
        }
    }
}

//! Connections to one endpoint that wait for their next request.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::upstream::connect::Connector;
use crate::upstream::error::UpstreamError;
use crate::upstream::head_copy::HeadCopy;
use crate::upstream::upload::Upload;
use crate::upstream::wire::Turn;

/// Most waiting connections per endpoint and worker; one holds about 8 KiB.
const IDLE_MAX: usize = 64;

/// Our end of a connection; its driver runs in a task of its own and ends once this is dropped and the exchange over.
pub(crate) struct Link {
    /// Where requests go in.
    pub(crate) sender: SendRequest<Upload>,
    /// Whether an answer has begun.
    pub(crate) turn: Arc<Turn>,
    /// The fields of the request on its way, where it may be repeated.
    pub(crate) copy: HeadCopy,
    /// Whether it has served before: only then may silence mean that the upstream had already hung up.
    pub(crate) reused: bool,
    /// The deadline of an exchange. It stays in the timer wheel from one to the next and fires too early rather than being
    /// moved each time, so a busy connection does not touch the wheel.
    pub(crate) timer: Pin<Box<Sleep>>,
}

impl Link {
    pub(crate) fn new(sender: SendRequest<Upload>, turn: Arc<Turn>) -> Self {
        let timer = Box::pin(sleep_until(Instant::now()));
        Self { sender, turn, copy: HeadCopy::default(), reused: false, timer }
    }
}

/// One process of an upstream, as one worker sees it.
pub(crate) struct Endpoint {
    connector: Connector,
    /// Oldest first. Some may still be streaming a response: they come back with the head, since the pool need not know
    /// when a body ends, and are passed over until hyper says they are ready.
    idle: RefCell<Vec<Idle>>,
    idle_timeout: Duration,
    sweeping: Cell<bool>,
}

struct Idle {
    link: Link,
    since: Instant,
}

impl Endpoint {
    pub(crate) fn new(connector: Connector, idle_timeout: Duration) -> Rc<Self> {
        Rc::new(Self { connector, idle: RefCell::default(), idle_timeout, sweeping: Cell::new(false) })
    }

    /// The connection that served last: the fewer are kept busy, the sooner the rest can go.
    pub(crate) fn checkout(&self, now: Instant) -> Option<Link> {
        let mut idle = self.idle.borrow_mut();
        for at in (0..idle.len()).rev() {
            let entry = idle.get(at)?;
            if self.is_stale(entry, now) {
                idle.drain(..=at);
                return None;
            }
            if entry.link.sender.is_closed() {
                idle.remove(at);
            } else if entry.link.sender.is_ready() {
                let mut link = idle.remove(at).link;
                link.reused = true;
                return Some(link);
            }
        }
        None
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> Result<Link, UpstreamError> {
        self.connector.connect().await
    }

    /// Keeps a connection whose response has begun.
    pub(crate) fn put_back(self: &Rc<Self>, link: Link) {
        if link.sender.is_closed() {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= IDLE_MAX {
            idle.remove(0);
        }
        idle.push(Idle { link, since: Instant::now() });
        if !self.sweeping.replace(true) {
            self.start_sweeping();
        }
    }

    /// Drops what nobody came back for, until the pool is empty. A dropped connection that still streams finishes first.
    fn start_sweeping(self: &Rc<Self>) {
        let (endpoint, pause) = (Rc::downgrade(self), self.idle_timeout);
        tokio::task::spawn_local(async move {
            loop {
                sleep(pause).await;
                let Some(endpoint) = endpoint.upgrade() else { return };
                if endpoint.sweep() {
                    return endpoint.sweeping.set(false);
                }
            }
        });
    }

    fn sweep(&self) -> bool {
        let now = Instant::now();
        let mut idle = self.idle.borrow_mut();
        idle.retain(|entry| !self.is_stale(entry, now) && !entry.link.sender.is_closed());
        idle.is_empty()
    }

    fn is_stale(&self, entry: &Idle, now: Instant) -> bool {
        now.saturating_duration_since(entry.since) >= self.idle_timeout
    }

    #[cfg(test)]
    pub(crate) fn has_open(&self) -> bool {
        self.idle.borrow().iter().any(|entry| !entry.link.sender.is_closed())
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.idle.borrow().len()
    }
}

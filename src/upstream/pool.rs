//! Connections to one endpoint that wait for their next request.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1;
use tokio::sync::{Mutex, Notify};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::upstream::balance::number_of;
use crate::upstream::connect::{Connector, Wanted};
use crate::upstream::error::UpstreamError;
use crate::upstream::introduction::Introduction;
use crate::upstream::sender::{Multiplexed, Sender};
use crate::upstream::slots::{Line, Slot};
use crate::upstream::standing::Standing;
use crate::upstream::upload::Upload;
use crate::upstream::wire::Turn;

/// Most waiting connections per endpoint and worker; one holds about 8 KiB.
const IDLE_MAX: usize = 64;

/// Our end of a connection; its driver runs in a task of its own and ends once this is dropped and the exchange over.
pub(crate) struct Link {
    /// Where requests go in.
    pub(crate) sender: Sender,
    /// Whether an answer has begun.
    pub(crate) turn: Arc<Turn>,
    /// Whether it has served before: only then may silence mean that the upstream had already hung up.
    pub(crate) reused: bool,
    /// The deadline of an exchange. It stays in the timer wheel from one to the next and fires too early rather than being
    /// moved each time, so a busy connection does not touch the wheel.
    pub(crate) timer: Pin<Box<Sleep>>,
    /// On whose behalf it was made, if its upstream was told.
    introduction: Option<Rc<Introduction>>,
    born: Instant,
}

impl Link {
    pub(crate) fn new(
        sender: http1::SendRequest<Upload>,
        turn: Arc<Turn>,
        introduction: Option<Rc<Introduction>>,
    ) -> Self {
        Self::of(Sender::Http1(sender), turn, introduction)
    }

    /// One stream of a connection that has others.
    pub(crate) fn stream(shared: Rc<Multiplexed>) -> Self {
        Self::of(Sender::Http2(shared), Turn::new(), None)
    }

    fn of(sender: Sender, turn: Arc<Turn>, introduction: Option<Rc<Introduction>>) -> Self {
        let born = Instant::now();
        let timer = Box::pin(sleep_until(born));
        Self { sender, turn, reused: false, timer, introduction, born }
    }

    /// A request is about to be sent; with `keep` its head is kept for a second try. A stream of HTTP/2 has no turn.
    pub(crate) fn ask(&self, keep: bool) {
        if matches!(self.sender, Sender::Http1(_)) {
            self.turn.ask(keep);
        }
    }
}

/// One process of an upstream, as one worker sees it.
pub(crate) struct Endpoint {
    connector: Connector,
    /// Oldest first. Some may still be streaming a response: they come back with the head, since the pool need not know
    /// when a body ends, and are passed over until hyper says they are ready.
    idle: RefCell<Vec<Idle>>,
    /// Those of HTTP/2, in use or not: a second one only where the first has no stream left.
    multiplexed: RefCell<Vec<Rc<Multiplexed>>>,
    /// Whoever opens one of them, lest a burst open many.
    opening: Mutex<()>,
    idle_timeout: Duration,
    /// How long a connection may serve: a name may lead elsewhere by then.
    age_max: Option<Duration>,
    sweeping: Cell<bool>,
    /// Requests of this worker on their way.
    busy: Cell<u32>,
    /// Its number among the endpoints, here and in `standing`.
    at: usize,
    /// Its number in `hash-session`.
    pub(crate) seed: u64,
    /// What all workers know.
    standing: Arc<Standing>,
    /// Who waits here, for any endpoint of the upstream.
    waiters: Rc<Waiters>,
}

/// Those of this worker who wait for a connection to one upstream.
#[derive(Default)]
pub(crate) struct Waiters {
    pub(crate) count: Cell<usize>,
    /// A connection of this worker may be free.
    pub(crate) freed: Notify,
}

struct Idle {
    link: Link,
    since: Instant,
}

/// A request on its way to an endpoint, from the choice to the end of its answer.
pub(crate) struct Busy(Rc<Endpoint>);

impl Busy {
    pub(crate) fn with(endpoint: &Rc<Endpoint>) -> Self {
        endpoint.busy.set(endpoint.busy.get().saturating_add(1));
        Self(Rc::clone(endpoint))
    }

    pub(crate) fn endpoint(&self) -> &Rc<Endpoint> {
        &self.0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.set(self.0.busy.get().saturating_sub(1));
        if self.0.line().is_long() {
            self.0.make_way();
        }
    }
}

impl std::fmt::Debug for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Busy")
    }
}

impl Endpoint {
    pub(crate) fn new(
        connector: Connector,
        idle_timeout: Duration,
        label: &str,
        (at, standing): (usize, &Arc<Standing>),
        waiters: &Rc<Waiters>,
    ) -> Rc<Self> {
        Rc::new(Self {
            age_max: connector.age_max(),
            connector,
            idle: RefCell::default(),
            multiplexed: RefCell::default(),
            opening: Mutex::new(()),
            idle_timeout,
            sweeping: Cell::new(false),
            busy: Cell::new(0),
            at,
            seed: number_of(label),
            standing: Arc::clone(standing),
            waiters: Rc::clone(waiters),
        })
    }

    /// Whether it speaks nothing but HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        self.connector.is_http2()
    }

    /// Whether it may speak it.
    pub(crate) fn may_be_http2(&self) -> bool {
        self.connector.may_be_http2()
    }

    /// Requests of this worker on their way.
    pub(crate) fn busy(&self) -> u32 {
        self.busy.get()
    }

    /// Of 256 requests, how many it may be asked for.
    pub(crate) fn share(&self, now: Instant) -> u64 {
        self.standing.share(self.at, now)
    }

    /// It answered.
    pub(crate) fn answered(&self, now: Instant) {
        self.standing.answered(self.at, now);
    }

    /// It did not answer, or took no connection.
    pub(crate) fn failed(&self) {
        self.standing.failed(self.at, Instant::now());
    }

    fn line(&self) -> &Line {
        &self.standing.line
    }

    /// The connection that served last, of those made on the same behalf: the fewer are kept busy, the sooner the rest can go.
    pub(crate) fn checkout(&self, now: Instant, wanted: Wanted<'_>) -> Option<Link> {
        if self.connector.may_be_http2()
            && let Some(link) = self.join(now, wanted)
        {
            return Some(link);
        }
        let mut idle = self.idle.borrow_mut();
        for at in (0..idle.len()).rev() {
            let entry = idle.get(at)?;
            if self.is_stale(entry, now) {
                idle.drain(..=at);
                return None;
            }
            if entry.link.sender.is_closed() {
                idle.remove(at);
            } else if entry.link.introduction.as_ref() == wanted.introduction && entry.link.sender.is_ready()
            {
                let mut link = idle.remove(at).link;
                link.reused = true;
                return Some(link);
            }
        }
        None
    }

    /// A place for a new connection, if it may have one more.
    pub(crate) fn slot(&self) -> Option<Slot> {
        self.standing.slots(self.at)?.take()
    }

    /// A new connection, or a stream of one that somebody else made in the meantime. That it could not be had is noted.
    pub(crate) async fn connect(
        self: &Rc<Self>,
        slot: Slot,
        wanted: Wanted<'_>,
    ) -> Result<Link, UpstreamError> {
        if wanted.tunnel && self.is_http2() && self.refuses_tunnels() {
            return Err(UpstreamError::BadUpgrade);
        }
        let link = self.connect_once(slot, wanted).await?;
        match link.sender.shared() {
            Some(shared) if wanted.tunnel && shared.tunnels() == Some(false) => {
                drop((link, shared));
                if self.is_http2() {
                    return Err(UpstreamError::BadUpgrade);
                }
                // It is asked for HTTP/1.1 now.
                let slot = self.slot().ok_or(UpstreamError::Busy)?;
                self.connect_once(slot, wanted).await
            }
            _ => Ok(link),
        }
    }

    async fn connect_once(self: &Rc<Self>, slot: Slot, wanted: Wanted<'_>) -> Result<Link, UpstreamError> {
        let shareable = self.connector.is_likely_http2() && !self.connector.must_be_http1(wanted);
        let opening = if shareable { Some(self.opening.lock().await) } else { None };
        let opening = opening.filter(|_| self.connector.is_likely_http2());
        // Somebody else may have opened one in the meantime.
        if let Some(link) = opening.as_ref().and_then(|_| self.join(Instant::now(), wanted)) {
            return Ok(link);
        }
        let link = self.connector.connect(slot, wanted).await;
        match &link {
            Err(_) => self.failed(),
            Ok(link) => {
                if let Some(shared) = link.sender.shared() {
                    self.multiplexed.borrow_mut().push(shared);
                    self.sweep_from_now_on();
                }
            }
        }
        link
    }

    /// A stream of a connection that is there.
    fn join(&self, now: Instant, wanted: Wanted<'_>) -> Option<Link> {
        let mut multiplexed = self.multiplexed.borrow_mut();
        multiplexed.retain(|shared| !shared.is_closed());
        let mut fitting = multiplexed.iter().filter(|shared| {
            shared.introduction() == wanted.introduction && (!wanted.tunnel || shared.tunnels() == Some(true))
        });
        let shared = fitting.find_map(|shared| shared.join(now))?;
        Some(Link { reused: true, ..Link::stream(shared) })
    }

    /// Whether it has said so on a connection that is open.
    fn refuses_tunnels(&self) -> bool {
        let multiplexed = self.multiplexed.borrow();
        multiplexed.iter().any(|shared| !shared.is_closed() && shared.tunnels() == Some(false))
    }

    /// Somebody waits for a connection, and here one may be free: a waiter of this worker takes it as it is, unless it is
    /// another client's; one of another worker needs its slot.
    fn make_way(&self) {
        if self.waiters.count.get() > 0 && !self.connector.introduces() {
            return self.waiters.freed.notify_one();
        }
        let mut idle = self.idle.borrow_mut();
        if let Some(at) = idle.iter().position(|entry| entry.link.sender.is_ready()) {
            idle.remove(at);
        }
    }

    /// Keeps a connection whose response has begun.
    pub(crate) fn put_back(self: &Rc<Self>, link: Link) {
        let now = Instant::now();
        let old = self.age_max.is_some_and(|most| now.saturating_duration_since(link.born) >= most);
        if old || link.sender.is_closed() || matches!(link.sender, Sender::Http2(_)) {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= IDLE_MAX {
            idle.remove(0);
        }
        idle.push(Idle { link, since: now });
        drop(idle);
        self.sweep_from_now_on();
    }

    fn sweep_from_now_on(self: &Rc<Self>) {
        if !self.sweeping.replace(true) {
            self.start_sweeping();
        }
    }

    /// Drops what nobody came back for, until the pool is empty. A dropped connection that still streams finishes first.
    fn start_sweeping(self: &Rc<Self>) {
        let (endpoint, pause) = (Rc::downgrade(self), self.idle_timeout);
        let standing = Arc::clone(&self.standing);
        tokio::task::spawn_local(async move {
            loop {
                let wanted = tokio::select! {
                    () = sleep(pause) => false,
                    () = standing.line.wanted.notified() => true,
                };
                let Some(endpoint) = endpoint.upgrade() else { return };
                if endpoint.sweep(wanted) {
                    return endpoint.sweeping.set(false);
                }
            }
        });
    }

    /// Drops what nobody came back for, or, if another worker needs it, all that is not in use.
    fn sweep(&self, wanted: bool) -> bool {
        let now = Instant::now();
        let wanted = wanted && (self.connector.introduces() || self.waiters.count.get() == 0);
        let mut idle = self.idle.borrow_mut();
        idle.retain(|entry| {
            let unused = wanted && entry.link.sender.is_ready();
            !unused && !self.is_stale(entry, now) && !entry.link.sender.is_closed()
        });
        let mut multiplexed = self.multiplexed.borrow_mut();
        multiplexed.retain(|shared| {
            let stale = now.saturating_duration_since(shared.used()) >= self.idle_timeout;
            shared.streams() > 0 || !(wanted || stale || shared.is_closed())
        });
        idle.is_empty() && multiplexed.is_empty()
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

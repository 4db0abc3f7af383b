//! The tracked connection: one per primary and process, on a thread of its own, over which the cache reads and hears of changes.
//!
//! One connection does both, so that Redis's own order holds: what a message says happened before every answer behind it, and the
//! driver, which runs on this thread too, applies each before it hands over the next. A heartbeat on it extends the
//! [`Lease`]; whatever makes its messages doubtful ends the lease at once. Nothing here is on the path of a hit.

use crate::clock::Moment;
use crate::store::lease::{Lease, Ticket};
use crate::store::options::{QUEUE_SHARE, READS_IN_FLIGHT_MAX, RedisOptions};
use crate::store::reading::{Reader, classify};
use crate::store::redis::{RECONNECT_DELAY, RECONNECT_DELAY_MAX, TIMEOUTS_MAX};
use crate::store::standing::Standing;
use crate::store::{LinkEvent, Reading, RecordKind, StoreError, StoreKey};
use crate::telemetry::StoreMetrics;
use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, Value};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc};

/// Heartbeats in a lease: each has a quarter of it to be answered and the next is sent after another, so one may be lost.
const HEARTBEATS: u32 = 4;
/// Reads that wait to be sent. They wait for a share of the timeout only, so a longer queue would hold what is given up.
const QUEUE: usize = 1024;
/// How soon we look again whether a server that could not track can do so now, after an upgrade or another ACL.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// A read for the cache.
#[derive(Debug)]
pub struct Load {
    /// Of which record.
    pub key: StoreKey,
    /// How it is kept.
    pub kind: RecordKind,
    /// Which read it is.
    pub ticket: Ticket,
}

/// What follows a store's changes: the cache. Called on the connection's thread alone; must not wait.
pub trait Follower: Send + Sync + 'static {
    /// A read has ended. Returns the ticket under which it must be made once more.
    fn read(&self, load: &Load, answer: Result<Reading, StoreError>) -> Option<Ticket>;

    /// A key changed. `reread` takes every read that is wanted at once.
    fn changed(&self, key: &[u8], reread: &mut dyn FnMut(RecordKind, Ticket));
}

/// What can be said of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TrackedState {
    /// There is none, and another attempt will be made soon.
    Down,
    /// It is up and tracks.
    Up,
    /// The server is a replica, and whatever it says may be old.
    Demoted,
    /// The server cannot track for us.
    Unsupported,
}

/// The workers' end of the connection. Clones share it; the connection ends with the last.
#[derive(Clone, Debug)]
pub struct Tracked {
    loads: mpsc::Sender<Load>,
    lease: Arc<Lease>,
    state: Arc<AtomicU8>,
    wake: Arc<Notify>,
    timeout: Duration,
    metrics: StoreMetrics,
    retired: Arc<Notify>,
}

/// The connection's end, to be run on its thread.
#[derive(Debug)]
pub struct TrackedLink {
    options: RedisOptions,
    loads: mpsc::Receiver<Load>,
    again: mpsc::WeakSender<Load>,
    lease: Arc<Lease>,
    state: Arc<AtomicU8>,
    wake: Arc<Notify>,
    metrics: StoreMetrics,
    retired: Arc<Notify>,
}

/// What the connection's tasks share on its thread.
struct Link {
    options: RedisOptions,
    connection: RefCell<Option<Linked>>,
    /// What the connections so far are told apart by.
    number: Cell<u64>,
    timeouts: Cell<u32>,
    /// The present connection's; each has its own, so that no connection hears of another's end.
    broken: RefCell<Arc<Notify>>,
    again: mpsc::WeakSender<Load>,
    reader: Reader,
    lease: Arc<Lease>,
    state: Arc<AtomicU8>,
    follower: Arc<dyn Follower>,
    metrics: StoreMetrics,
    tell: Box<dyn Fn(LinkEvent<'_>)>,
}

/// A connection that is up.
#[derive(Clone)]
struct Linked {
    connection: MultiplexedConnection,
    /// Whether its server is still the one that counts.
    standing: Standing,
}

/// How many there were in this process: each has epochs of its own.
static LEASES: AtomicU64 = AtomicU64::new(0);

impl Tracked {
    /// A connection to be, whose lease never holds longer than `bound`.
    pub fn new(options: RedisOptions, bound: Duration, metrics: StoreMetrics) -> (Self, TrackedLink) {
        let (loads, queue) = mpsc::channel(QUEUE);
        let lease = Arc::new(Lease::numbered(bound, LEASES.fetch_add(1, Ordering::Relaxed)));
        let (state, retired) = (Arc::new(AtomicU8::new(TrackedState::Down as u8)), Arc::<Notify>::default());
        let (timeout, again, wake) = (options.timeout, loads.downgrade(), Arc::new(Notify::new()));
        let link = TrackedLink {
            options,
            loads: queue,
            again,
            lease: Arc::clone(&lease),
            state: Arc::clone(&state),
            wake: Arc::clone(&wake),
            metrics: metrics.clone(),
            retired: Arc::clone(&retired),
        };
        (Self { loads, lease, state, wake, timeout, metrics, retired }, link)
    }

    /// Until when what was read over it may be served.
    pub const fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// Has the connection end, whoever still holds this: its server has left the Cluster.
    pub(crate) fn retire(&self) {
        self.retired.notify_one();
    }

    /// Longest wait for a read.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What the store counts.
    pub const fn metrics(&self) -> &StoreMetrics {
        &self.metrics
    }

    /// What can be said of the connection.
    pub fn state(&self) -> TrackedState {
        match self.state.load(Ordering::Acquire) {
            1 => TrackedState::Up,
            2 => TrackedState::Demoted,
            3 => TrackedState::Unsupported,
            _ => TrackedState::Down,
        }
    }

    /// The store is there: a worker has just connected to it. What waits before trying again need not wait longer, and a crowd need not
    /// ask worker by worker what one read over this connection would tell all of them.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Has a read made. Its end is told to the follower alone.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`]; then nothing is told.
    pub fn ask(&self, load: Load) -> Result<(), StoreError> {
        self.loads.try_send(load).map_err(|_| StoreError::Overloaded)
    }
}

impl TrackedLink {
    /// The lease that it keeps.
    pub const fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// Keeps the connection up and makes the reads, until the last [`Tracked`] is gone or one was told to retire.
    pub async fn run(mut self, follower: Arc<dyn Follower>, tell: impl Fn(LinkEvent<'_>) + 'static) {
        let link = Rc::new(Link {
            options: self.options,
            connection: RefCell::new(None),
            number: Cell::new(0),
            timeouts: Cell::new(0),
            broken: RefCell::default(),
            again: self.again,
            reader: Reader::default(),
            lease: self.lease,
            state: self.state,
            follower,
            metrics: self.metrics,
            tell: Box::new(tell),
        });
        let keeper = tokio::task::spawn_local(keep(Rc::clone(&link), self.wake));
        let places = Rc::new(Semaphore::new(READS_IN_FLIGHT_MAX));
        loop {
            let load = tokio::select! {
                load = self.loads.recv() => load,
                () = self.retired.notified() => None,
            };
            let Some(load) = load else { break };
            // One place is always given back: every read ends within its timeout.
            let Ok(place) = places.acquire().await else { break };
            place.forget();
            let (link, places) = (Rc::clone(&link), Rc::clone(&places));
            tokio::task::spawn_local(async move {
                link.serve(load).await;
                places.add_permits(1);
            });
        }
        keeper.abort();
        link.drop_connection(TrackedState::Down);
        // Whoever waits in the queue is told, and nobody else gets into it.
        self.loads.close();
        while let Some(load) = self.loads.recv().await {
            link.serve(load).await;
        }
    }
}

impl Link {
    /// Makes a read, once more if the follower wants it, and tells how each ended.
    async fn serve(&self, mut load: Load) {
        let waited = load.ticket.sent.until(Moment::now());
        let mut answer = if waited > self.options.timeout / QUEUE_SHARE {
            Err(StoreError::Overloaded)
        } else {
            self.read(&load).await
        };
        while let Some(ticket) = self.follower.read(&load, answer) {
            load.ticket = ticket;
            answer = self.read(&load).await;
        }
    }

    async fn read(&self, load: &Load) -> Result<Reading, StoreError> {
        let connection = self.connection.borrow().as_ref().map(|held| (held.clone(), self.number.get()));
        let answer = match connection.filter(|_| self.timeouts.get() < TIMEOUTS_MAX) {
            None => Err(StoreError::Unreachable),
            Some((mut linked, number)) => {
                let (of, options) = ((&load.key, load.kind), &self.options);
                let answer =
                    self.reader.read(&mut linked.connection, of, options.value_bytes, options.timeout).await;
                // Asked for after the answer came: only then does it cover the moment in which it was given.
                let standing = linked.standing.check(Moment::now());
                self.judge(number, answer.and_then(|reading| standing.map(|_| reading)))
            }
        };
        match &answer {
            Ok(_) => self.metrics.answered.inc(),
            Err(StoreError::CrossedReply) => self.metrics.crossed.inc(),
            Err(_) => self.metrics.failed.inc(),
        };
        answer
    }

    /// Passes an answer on, and drops the connection that gave it if it is one after which it cannot be trusted.
    ///
    /// A read that is late proves nothing against the connection's messages, so it costs nobody the lease; five late ones open
    /// the circuit, and the next heartbeat that is answered closes it.
    fn judge(&self, number: u64, answer: Result<Reading, StoreError>) -> Result<Reading, StoreError> {
        if number != self.number.get() || self.connection.borrow().is_none() {
            // The connection was given up meanwhile, perhaps since its server is no primary.
            return Err(StoreError::Unreachable);
        }
        match &answer {
            Ok(_) => self.timeouts.set(0),
            Err(StoreError::TimedOut { .. }) => self.timeouts.set(self.timeouts.get() + 1),
            Err(error @ StoreError::Refused { .. }) => (self.tell)(LinkEvent::Refused(error)),
            // Not ready also means: failing over, loading another data set.
            Err(error) if error.breaks_connection() || matches!(error, StoreError::NotReady { .. }) => {
                (self.tell)(LinkEvent::Broke(error));
                let demoted = matches!(error, StoreError::NotPrimary);
                self.drop_connection(if demoted { TrackedState::Demoted } else { TrackedState::Down });
            }
            Err(_) => {}
        }
        answer
    }

    /// The lease ends in the same breath: no read can begin in the new epoch and go out over the old connection.
    fn drop_connection(&self, state: TrackedState) {
        self.end(state);
        if self.connection.borrow_mut().take().is_some() {
            self.broken.borrow().notify_one();
        }
    }

    fn end(&self, state: TrackedState) {
        self.set(state);
        // Nothing is read over a connection before its first heartbeat, so an attempt in vain leaves no gap.
        if self.lease.held().until > Moment::START {
            self.lease.end();
            self.metrics.leases_lost.inc();
            self.metrics.epochs.inc();
        }
    }

    fn set(&self, state: TrackedState) {
        self.state.store(state as u8, Ordering::Release);
    }

    /// Connects, turns tracking on and has the first heartbeat answered.
    async fn connect(self: &Rc<Self>) -> Result<Linked, StoreError> {
        let number = self.number.get() + 1;
        self.number.set(number);
        let broken: Arc<Notify> = Arc::default();
        self.broken.replace(Arc::clone(&broken));
        let (follower, lease, again) =
            (Arc::clone(&self.follower), Arc::clone(&self.lease), self.again.clone());
        let metrics = self.metrics.clone();
        let connected = self.options.connect(move |push| match push.kind {
            PushKind::Disconnection => broken.notify_one(),
            PushKind::Invalidate => apply(&push, &*follower, &lease, &again, &metrics),
            _ => {}
        });
        let connected = connected.await?;
        let (mut connection, standing) = (connected.connection, connected.standing);
        if !connected.resp3 {
            return Err(StoreError::CannotTrack { missing: "RESP3 (HELLO 3)".into() });
        }
        let tracking =
            redis::cmd("CLIENT").arg("TRACKING").arg("ON").query_async::<Value>(&mut connection).await;
        if let Err(error) = tracking.map_err(classify) {
            let missing = "CLIENT TRACKING".to_owned();
            return Err(match error {
                StoreError::Refused { .. } | StoreError::NotReady { .. } => {
                    StoreError::CannotTrack { missing }
                }
                error => error,
            });
        }
        let mut linked = Linked { connection, standing };
        let sent = self.beat(&mut linked).await.map_err(|error| match error {
            StoreError::Refused { .. } => StoreError::CannotTrack { missing: "ECHO".into() },
            error => error,
        })?;
        self.lease.extend(sent);
        Ok(linked)
    }

    /// One heartbeat that the primary answered; the lease that it earns counts from the moment returned, before it was sent, and before
    /// those who decide were asked last.
    async fn beat(&self, linked: &mut Linked) -> Result<Moment, StoreError> {
        let longest = self.lease.bound() / HEARTBEATS;
        let sent = Moment::now();
        let answer = tokio::time::timeout(longest, self.reader.heartbeat(&mut linked.connection)).await;
        answer.unwrap_or(Err(StoreError::TimedOut { after: longest }))?;
        Ok(linked.standing.check(Moment::now())?.min(sent))
    }

    /// Heartbeats until one is not answered as it should be, or the connection breaks.
    async fn heartbeats(&self, linked: &mut Linked) -> StoreError {
        let pause = self.lease.bound() / HEARTBEATS;
        let broken = Arc::clone(&self.broken.borrow());
        loop {
            tokio::select! {
                biased;
                () = broken.notified() => return StoreError::Unreachable,
                () = linked.standing.replaced() => return StoreError::NotPrimary,
                () = tokio::time::sleep(pause) => {}
            }
            let answered = self.beat(linked).await;
            if self.connection.borrow().is_none() {
                // Given up by a read meanwhile: what an old connection still says earns no lease.
                return StoreError::Unreachable;
            }
            match answered {
                Ok(sent) => self.lease.extend(sent),
                // The lease runs out by itself meanwhile, and whoever decides may find words again.
                Err(StoreError::Unconfirmed) => {}
                Err(error) => return error,
            }
            self.timeouts.set(0);
        }
    }
}

/// Applies a message of the server's, on the driver's own stack: before it reads on.
fn apply(
    push: &PushInfo,
    follower: &dyn Follower,
    lease: &Lease,
    again: &mpsc::WeakSender<Load>,
    metrics: &StoreMetrics,
) {
    match push.data.as_slice() {
        [Value::Array(keys)] => {
            for key in keys {
                let Value::BulkString(key) = key else { continue };
                metrics.invalidations.inc();
                follower.changed(key, &mut |kind, ticket| {
                    let load = Load { key: StoreKey::new(key.clone()), kind, ticket };
                    let sent = again.upgrade().map(|again| again.try_send(load));
                    if let Some(Err(mpsc::error::TrySendError::Full(load))) = sent {
                        follower.read(&load, Err(StoreError::Overloaded));
                    }
                });
            }
        }
        // FLUSHALL, FLUSHDB, a full resync; and whatever a later Redis may say: all of it may have changed.
        _ => {
            metrics.invalidations.inc();
            metrics.epochs.inc();
            lease.forget();
        }
    }
}

/// Connects, beats until something breaks, and starts over.
async fn keep(link: Rc<Link>, wake: Arc<Notify>) {
    let mut delay = RECONNECT_DELAY;
    loop {
        let error = match link.connect().await {
            Ok(mut linked) => {
                delay = RECONNECT_DELAY;
                link.timeouts.set(0);
                link.connection.borrow_mut().replace(linked.clone());
                link.set(TrackedState::Up);
                (link.tell)(LinkEvent::Tracking);
                let error = link.heartbeats(&mut linked).await;
                (link.tell)(LinkEvent::TrackingLost(&error));
                error
            }
            Err(error) => error,
        };
        let (state, wait) = match &error {
            StoreError::NotPrimary => (TrackedState::Demoted, delay),
            StoreError::CannotTrack { missing } => {
                (link.tell)(LinkEvent::CannotTrack(missing));
                (TrackedState::Unsupported, TRY_AGAIN)
            }
            _ => (TrackedState::Down, delay),
        };
        link.drop_connection(state);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = wake.notified() => {}
        }
        delay = (delay * 2).min(RECONNECT_DELAY_MAX);
    }
}

//! A real Redis as a worker reads it: one multiplexed connection per worker, kept up by a task of its own.
//!
//! Why not the library's connection manager: it hides whether a connection is there, and a request that waits for a
//! reconnect is a request that hangs. Here a reader finds a connection or fails at once, and the keeper alone
//! reconnects, with a delay that grows to a quarter of a second so that a store that comes back is in use within one.
//!
//! That is the circuit breaker too: five timeouts in a row open it by dropping the connection, reads fail at once while it is open,
//! and the keeper's handshake is the probe that closes it.

use crate::clock::Moment;
use crate::store::nearby::{NAMES_MAX, Nearby, Tally};
use crate::store::options::{Connected, QUEUE_SHARE, READS_IN_FLIGHT_MAX, RedisOptions, check_primary};
use crate::store::reading::{Reader, classify};
use crate::store::standing::Standing;
use crate::store::touch::note;
use crate::store::tracked::{Tracked, TrackedState};
use crate::store::{LinkEvent, Reading, RecordKind, StoreError, StoreKey, Touch, Touched};
use crate::telemetry::StoreMetrics;
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, PushKind};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// First delay before a reconnect; doubled up to [`RECONNECT_DELAY_MAX`].
pub(crate) const RECONNECT_DELAY: Duration = Duration::from_millis(20);
/// Longest delay: a store that is back must be in use within a second, the handshake included.
pub(crate) const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(250);
/// So many timeouts in a row mean a black hole, which no RST will ever announce.
pub(crate) const TIMEOUTS_MAX: u32 = 5;
/// Names asked for in one SCAN: Redis answers nobody else meanwhile.
const NAMES_A_SCAN: usize = 500;
/// So often a server that no tracked connection watches is asked whether it is a primary still.
const ROLE_CHECK: Duration = Duration::from_secs(1);
/// Longest look at names.
const NEARBY_TIMEOUT: Duration = Duration::from_millis(200);

/// One worker's connection to one Redis. Clones share it.
#[derive(Clone)]
pub struct RedisStore(Rc<Link>);

struct Link {
    options: RedisOptions,
    connection: RefCell<Option<(MultiplexedConnection, Standing)>>,
    /// Whether the first attempt is still under way: only then is it worth waiting for.
    starting: Cell<bool>,
    connected: Notify,
    broken: Arc<Notify>,
    timeouts: Cell<u32>,
    retired: Cell<bool>,
    reader: Reader,
    places: Semaphore,
    metrics: StoreMetrics,
    tell: Box<dyn Fn(LinkEvent<'_>)>,
    tracked: Option<Arc<Tracked>>,
}

impl RedisStore {
    /// Starts the keeper on the current worker. `tell` hears of each connection made, lost, or tried in vain; `tracked` is the
    /// process's tracked connection to the same primary, if there is one.
    pub fn start(
        options: RedisOptions,
        metrics: StoreMetrics,
        tracked: Option<Arc<Tracked>>,
        tell: impl Fn(LinkEvent<'_>) + 'static,
    ) -> Self {
        let link = Rc::new(Link {
            options,
            connection: RefCell::new(None),
            starting: Cell::new(true),
            connected: Notify::new(),
            broken: Arc::new(Notify::new()),
            timeouts: Cell::new(0),
            retired: Cell::new(false),
            reader: Reader::default(),
            places: Semaphore::new(READS_IN_FLIGHT_MAX),
            metrics,
            tell: Box::new(tell),
            tracked,
        });
        tokio::task::spawn_local(keep(Rc::clone(&link)));
        Self(link)
    }

    /// The process's tracked connection to the same primary.
    pub fn tracked(&self) -> Option<&Arc<Tracked>> {
        self.0.tracked.as_ref()
    }

    /// What the store counts.
    pub fn metrics(&self) -> &StoreMetrics {
        &self.0.metrics
    }

    /// Reads a record and its TTL in one round trip, with an echo that proves the replies are ours.
    ///
    /// # Errors
    /// [`StoreError`] within the store's timeout; at once if there is no connection.
    pub async fn read(&self, key: &StoreKey, kind: RecordKind) -> Result<Reading, StoreError> {
        self.read_as(key, kind, false).await
    }

    /// The same, `asking` a node of a Cluster for a key whose slot it does not have yet.
    pub(crate) async fn read_as(
        &self,
        key: &StoreKey,
        kind: RecordKind,
        asking: bool,
    ) -> Result<Reading, StoreError> {
        let reading = self.read_in_time(key, kind, asking).await;
        match &reading {
            Ok(_) => self.0.metrics.answered.inc(),
            Err(StoreError::CrossedReply) => self.0.metrics.crossed.inc(),
            Err(_) => self.0.metrics.failed.inc(),
        };
        reading
    }

    /// Where it reads.
    pub fn place(&self) -> Option<String> {
        self.0.options.place()
    }

    /// Ends the keeper, whoever still holds this: the server has left the Cluster, or the configuration.
    pub(crate) fn retire(&self) {
        self.0.retired.set(true);
        self.0.drop_connection();
    }

    async fn read_in_time(
        &self,
        key: &StoreKey,
        kind: RecordKind,
        asking: bool,
    ) -> Result<Reading, StoreError> {
        let (timeout, value_bytes) = (self.0.options.timeout, self.0.options.value_bytes);
        self.over(async |connection| {
            self.0.reader.read_as(connection, (key, kind), asking, value_bytes, timeout).await
        })
        .await
    }

    /// Asks anything else, and believes the answer as far as a reading's.
    ///
    /// # Errors
    /// [`StoreError`] within the store's timeout; it may have been done all the same then.
    pub(crate) async fn command<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, StoreError> {
        let after = self.0.options.timeout;
        self.over(async |connection| {
            let answer = tokio::time::timeout(after, command.query_async(connection)).await;
            answer.map_or(Err(StoreError::TimedOut { after }), |answer| answer.map_err(classify))
        })
        .await
    }

    /// Does something over the connection, and drops it if the answer shows that it is of no more use.
    async fn over<T>(
        &self,
        ask: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let timeout = self.0.options.timeout;
        let _place = self.take_place().await?;
        let connected = self.0.connection.borrow().clone();
        let (mut connection, standing) = match connected {
            Some(connected) => connected,
            None => {
                let connection = tokio::time::timeout(timeout, self.connection()).await;
                connection.unwrap_or(Err(StoreError::TimedOut { after: timeout }))?
            }
        };
        let answer = ask(&mut connection).await;
        // Asked after the answer came: a server that was made a replica meanwhile may have answered as one.
        let answer = if self.is_demoted() { Err(StoreError::NotPrimary) } else { answer };
        let answer = answer.and_then(|answer| standing.check(Moment::now()).map(|_| answer));
        match &answer {
            Ok(_) => self.0.timeouts.set(0),
            Err(StoreError::TimedOut { .. }) => {
                self.0.timeouts.set(self.0.timeouts.get() + 1);
                if self.0.timeouts.get() >= TIMEOUTS_MAX {
                    self.0.drop_connection();
                }
            }
            Err(error @ StoreError::Refused { .. }) => (self.0.tell)(LinkEvent::Refused(error)),
            Err(error) => {
                if error.breaks_connection() {
                    (self.0.tell)(LinkEvent::Broke(error));
                    self.0.drop_connection();
                }
            }
        }
        answer
    }

    /// A place among those who ask; mostly one is free, and then no clock is read.
    async fn take_place(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        if let Ok(place) = self.0.places.try_acquire() {
            return Ok(place);
        }
        let place = tokio::time::timeout(self.0.options.timeout / QUEUE_SHARE, self.0.places.acquire()).await;
        place.ok().and_then(Result::ok).ok_or(StoreError::Overloaded)
    }

    /// Keeps a record alive.
    ///
    /// # Errors
    /// [`StoreError`] within the store's timeout.
    pub async fn touch(&self, touch: &Touch) -> Result<Touched, StoreError> {
        let after = self.0.options.timeout;
        let sent = tokio::time::timeout(after, touch.send(async |_| self.writer().await)).await;
        let done = sent.unwrap_or(Err(StoreError::TimedOut { after }));
        note(&done, &self.0.metrics, &*self.0.tell);
        done
    }

    /// The connection that reads are made over, for something else.
    pub(crate) async fn writer(&self) -> Result<MultiplexedConnection, StoreError> {
        self.connection().await.map(|(connection, _)| connection)
    }

    fn is_demoted(&self) -> bool {
        self.0.tracked.as_ref().is_some_and(|tracked| tracked.state() == TrackedState::Demoted)
    }

    /// What the keys are called: a SCAN of so many names, or so long, as a busy store does not feel.
    ///
    /// # Errors
    /// [`StoreError`], `Refused` where the ACL has no SCAN.
    pub async fn nearby(&self, prefix: &[u8]) -> Result<Nearby, StoreError> {
        let mut tally = Tally::new(prefix);
        let look = tokio::time::timeout(NEARBY_TIMEOUT, self.scan(&mut tally)).await;
        let whole = look.unwrap_or(Ok(false))?;
        Ok(tally.finish(whole))
    }

    /// Whether the whole store was seen.
    async fn scan(&self, tally: &mut Tally) -> Result<bool, StoreError> {
        let (mut connection, _) = self.connection().await?;
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("COUNT").arg(NAMES_A_SCAN);
            let (next, names): (u64, Vec<Vec<u8>>) =
                scan.query_async(&mut connection).await.map_err(classify)?;
            names.iter().for_each(|name| tally.add(name));
            if next == 0 || tally.looked_at() >= NAMES_MAX {
                return Ok(next == 0);
            }
            cursor = next;
        }
    }

    async fn connection(&self) -> Result<(MultiplexedConnection, Standing), StoreError> {
        loop {
            let connected = self.0.connected.notified();
            if let Some(connection) = self.0.connection.borrow().as_ref() {
                return Ok(connection.clone());
            }
            if !self.0.starting.get() {
                return Err(StoreError::Unreachable);
            }
            connected.await;
        }
    }
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisStore")
    }
}

impl Link {
    fn drop_connection(&self) {
        self.connection.borrow_mut().take();
        self.broken.notify_one();
    }

    async fn connect(&self) -> Result<Connected, StoreError> {
        let broken = Arc::clone(&self.broken);
        let pushed = move |push: redis::PushInfo| {
            if push.kind == PushKind::Disconnection {
                broken.notify_one();
            }
        };
        let mut connected = self.options.connect(pushed).await?;
        check_primary(&mut connected).await?;
        Ok(connected)
    }
}

/// Connects, waits until the connection is known to be broken, and starts over, as long as the worker lives.
async fn keep(link: Rc<Link>) {
    let mut delay = RECONNECT_DELAY;
    while !link.retired.get() {
        let attempt = link.connect().await;
        link.starting.set(false);
        match attempt {
            Ok(connected) => {
                link.timeouts.set(0);
                let (standing, connection) = (connected.standing.clone(), connected.connection.clone());
                link.connection.borrow_mut().replace((connection, standing.clone()));
                link.connected.notify_waiters();
                (link.tell)(LinkEvent::Connected);
                if let Some(tracked) = &link.tracked {
                    tracked.wake();
                }
                delay = RECONNECT_DELAY;
                tokio::select! {
                    () = link.broken.notified() => {}
                    () = standing.replaced() => {}
                    () = demoted(connected), if link.tracked.is_none() => {}
                }
                link.connection.borrow_mut().take();
                (link.tell)(LinkEvent::Lost);
            }
            Err(error) => {
                link.connected.notify_waiters();
                (link.tell)(LinkEvent::Failed(&error));
                tokio::time::sleep(delay).await;
                delay = (delay * 2).min(RECONNECT_DELAY_MAX);
            }
        }
    }
}

/// Waits until the server says that it is a replica; what it says of sessions may be old then.
async fn demoted(mut connected: Connected) {
    while !matches!(check_primary(&mut connected).await, Err(StoreError::NotPrimary)) {
        tokio::time::sleep(ROLE_CHECK).await;
    }
}

//! A real Redis: one multiplexed RESP3 connection per worker, kept up by a task of its own.
//!
//! Why not the library's connection manager: it hides whether a connection is there, and a request that waits for a
//! reconnect is a request that hangs. Here a reader finds a connection or fails at once, and the keeper alone
//! reconnects, with a delay that grows to half a second so that a store that comes back is in use within one.

use crate::store::nearby::{NAMES_MAX, Nearby, Tally};
use crate::store::{Reading, Record, RecordKind, StoreError, StoreKey, Stored};
use crate::telemetry::StoreMetrics;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, PushInfo, PushKind, Value};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// First delay before a reconnect; doubled up to [`RECONNECT_DELAY_MAX`].
const RECONNECT_DELAY: Duration = Duration::from_millis(20);
/// Longest delay: a store that is back must be in use within a second.
const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(500);
/// TCP and TLS handshake, HELLO and SELECT together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// So many timeouts in a row mean a black hole, which no RST will ever announce.
const TIMEOUTS_MAX: u32 = 5;
/// Names asked for in one SCAN: Redis answers nobody else meanwhile.
const NAMES_A_SCAN: usize = 500;
/// Longest look at names.
const NEARBY_TIMEOUT: Duration = Duration::from_millis(200);
/// Reads in flight per worker; more would only wait in Redis's queue instead of here.
const READS_IN_FLIGHT_MAX: usize = 1024;

/// How to reach one Redis.
#[derive(Clone)]
pub struct RedisOptions {
    client: Client,
    timeout: Duration,
    value_bytes: usize,
}

impl RedisOptions {
    /// Reads a `redis://` or `rediss://` URL and what goes before it.
    ///
    /// # Errors
    /// What the client library says of the URL or the certificates; it never repeats the URL's password.
    pub fn new(store: &crate::config::Store) -> Result<Option<Self>, redis::RedisError> {
        let crate::config::Backend::Redis { url, username, password, ca, client } = &store.backend else {
            return Ok(None);
        };
        let url = std::str::from_utf8(url.expose()).unwrap_or_default();
        let info = url.into_connection_info()?;
        let mut settings = info.redis_settings().clone().set_protocol(redis::ProtocolVersion::RESP3);
        if let Some(username) = username {
            settings = settings.set_username(username);
        }
        if let Some(password) = password {
            settings = settings.set_password(String::from_utf8_lossy(password.expose()));
        }
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let info: ConnectionInfo = info.set_redis_settings(settings).set_tcp_settings(tcp);
        let client = if ca.is_some() || client.is_some() {
            let client_tls = client.as_ref().map(|(cert, key)| redis::ClientTlsConfig {
                client_cert: cert.clone(),
                client_key: key.expose().to_vec(),
            });
            Client::build_with_tls(info, redis::TlsCertificates { client_tls, root_cert: ca.clone() })?
        } else {
            Client::open(info)?
        };
        Ok(Some(Self { client, timeout: store.timeout, value_bytes: store.value_bytes }))
    }
}

impl std::fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisOptions").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// One worker's connection to one Redis. Clones share it.
#[derive(Clone)]
pub struct RedisStore(Rc<Link>);

struct Link {
    options: RedisOptions,
    connection: RefCell<Option<MultiplexedConnection>>,
    /// Whether the first attempt is still under way: only then is it worth waiting for.
    starting: Cell<bool>,
    connected: Notify,
    broken: Arc<Notify>,
    timeouts: Cell<u32>,
    nonce: Cell<u64>,
    metrics: StoreMetrics,
    tell: Box<dyn Fn(LinkEvent<'_>)>,
}

/// What became of the connection.
#[derive(Debug)]
pub enum LinkEvent<'a> {
    /// It is up.
    Connected,
    /// An attempt failed.
    Failed(&'a redis::RedisError),
    /// It was up and broke.
    Lost,
}

impl RedisStore {
    /// Starts the keeper on the current worker. `tell` hears of each connection made, lost, or tried in vain.
    pub fn start(
        options: RedisOptions,
        metrics: StoreMetrics,
        tell: impl Fn(LinkEvent<'_>) + 'static,
    ) -> Self {
        let link = Rc::new(Link {
            options,
            connection: RefCell::new(None),
            starting: Cell::new(true),
            connected: Notify::new(),
            broken: Arc::new(Notify::new()),
            timeouts: Cell::new(0),
            nonce: Cell::new(0),
            metrics,
            tell: Box::new(tell),
        });
        tokio::task::spawn_local(keep(Rc::clone(&link)));
        Self(link)
    }

    /// Reads a record and its TTL in one round trip, with an echo that proves the replies are ours.
    ///
    /// # Errors
    /// [`StoreError`] within the store's timeout; at once if there is no connection.
    pub async fn read(&self, key: &StoreKey, kind: RecordKind) -> Result<Reading, StoreError> {
        let reading = self.read_in_time(key, kind).await;
        match reading {
            Ok(_) => self.0.metrics.answered.inc(),
            Err(_) => self.0.metrics.failed.inc(),
        };
        reading
    }

    async fn read_in_time(&self, key: &StoreKey, kind: RecordKind) -> Result<Reading, StoreError> {
        let timeout = self.0.options.timeout;
        match tokio::time::timeout(timeout, self.ask(key, kind)).await {
            Ok(Ok(reading)) => {
                self.0.timeouts.set(0);
                Ok(reading)
            }
            Ok(Err(error)) => {
                if matches!(error, StoreError::ConnectionLost { .. } | StoreError::CrossedReply) {
                    self.0.drop_connection();
                }
                Err(error)
            }
            Err(_) => {
                self.0.timeouts.set(self.0.timeouts.get() + 1);
                if self.0.timeouts.get() >= TIMEOUTS_MAX {
                    self.0.drop_connection();
                }
                Err(StoreError::TimedOut { after: timeout })
            }
        }
    }

    async fn ask(&self, key: &StoreKey, kind: RecordKind) -> Result<Reading, StoreError> {
        let mut connection = self.connection().await?;
        let nonce = self.0.nonce.get().wrapping_add(1);
        self.0.nonce.set(nonce);
        let nonce = nonce.to_ne_bytes();
        let command = match kind {
            RecordKind::String => "GET",
            RecordKind::Hash => "HGETALL",
        };
        let mut pipeline = redis::Pipeline::with_capacity(3);
        pipeline.cmd(command).arg(key.expose()).cmd("PTTL").arg(key.expose()).cmd("ECHO").arg(&nonce);
        let replies = connection.send_packed_commands(&pipeline, 0, 3).await.map_err(classify)?;
        let [value, ttl, echo]: [Value; 3] = replies.try_into().map_err(|_| StoreError::UnexpectedReply)?;
        match echo {
            Value::BulkString(bytes) if bytes == nonce => {}
            Value::ServerError(error) => return Err(refusal(error.code())),
            _ => return Err(StoreError::CrossedReply),
        }
        reading(value, ttl, self.0.options.value_bytes)
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
        let mut connection = self.connection().await?;
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

    async fn connection(&self) -> Result<MultiplexedConnection, StoreError> {
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

    async fn connect(&self) -> Result<MultiplexedConnection, redis::RedisError> {
        let broken = Arc::clone(&self.broken);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(CONNECT_TIMEOUT))
            .set_concurrency_limit(READS_IN_FLIGHT_MAX)
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    broken.notify_one();
                }
                Ok::<(), redis::aio::SendError>(())
            });
        self.options.client.get_multiplexed_async_connection_with_config(&config).await
    }
}

/// Connects, waits until the connection is known to be broken, and starts over, as long as the worker lives.
async fn keep(link: Rc<Link>) {
    let mut delay = RECONNECT_DELAY;
    loop {
        let attempt = link.connect().await;
        link.starting.set(false);
        match attempt {
            Ok(connection) => {
                link.timeouts.set(0);
                link.connection.borrow_mut().replace(connection);
                link.connected.notify_waiters();
                (link.tell)(LinkEvent::Connected);
                delay = RECONNECT_DELAY;
                link.broken.notified().await;
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

fn classify(error: redis::RedisError) -> StoreError {
    match error.code() {
        Some(code) if !error.is_io_error() => refusal(code),
        _ => StoreError::ConnectionLost { source: error },
    }
}

/// What Redis means by an error code (SECURITY: only a nil from a healthy primary is a miss).
fn refusal(code: &str) -> StoreError {
    match code {
        "NOAUTH" | "WRONGPASS" | "NOPERM" => StoreError::Refused { code: code.to_owned() },
        _ => StoreError::NotReady { code: code.to_owned() },
    }
}

fn reading(value: Value, ttl: Value, value_bytes: usize) -> Result<Reading, StoreError> {
    let record = match value {
        Value::Nil => return Ok(Reading::Missing),
        Value::BulkString(bytes) => Record::String(bytes),
        Value::Map(fields) => Record::Hash(
            fields.into_iter().map(field).collect::<Option<_>>().ok_or(StoreError::UnexpectedReply)?,
        ),
        Value::ServerError(error) if error.code() == "WRONGTYPE" => return Ok(Reading::WrongType),
        Value::ServerError(error) => return Err(refusal(error.code())),
        _ => return Err(StoreError::UnexpectedReply),
    };
    if matches!(&record, Record::Hash(fields) if fields.is_empty()) {
        return Ok(Reading::Missing);
    }
    if record.len() > value_bytes {
        return Ok(Reading::TooLarge { bytes: record.len() });
    }
    match ttl {
        // The key went between the two commands: it is gone.
        Value::Int(-2) => Ok(Reading::Missing),
        Value::Int(-1) => Ok(Reading::Found(Stored { record, ttl_ms: None })),
        Value::Int(ttl) => {
            let ttl_ms = u64::try_from(ttl).map_err(|_| StoreError::UnexpectedReply)?;
            Ok(Reading::Found(Stored { record, ttl_ms: Some(ttl_ms) }))
        }
        Value::ServerError(error) => Err(refusal(error.code())),
        _ => Err(StoreError::UnexpectedReply),
    }
}

fn field((name, value): (Value, Value)) -> Option<(Vec<u8>, Vec<u8>)> {
    match (name, value) {
        (Value::BulkString(name), Value::BulkString(value)) => Some((name, value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reply_is_an_outage_and_never_a_miss() {
        for code in ["LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "OOM", "READONLY", "MOVED"] {
            assert!(matches!(refusal(code), StoreError::NotReady { .. }), "{code}");
        }
        for code in ["NOAUTH", "WRONGPASS", "NOPERM"] {
            assert!(matches!(refusal(code), StoreError::Refused { .. }), "{code}");
        }
    }

    #[test]
    fn a_key_that_went_between_value_and_ttl_is_gone() {
        let value = Value::BulkString(b"v".to_vec());
        assert!(matches!(reading(value, Value::Int(-2), 10), Ok(Reading::Missing)));
    }

    #[test]
    fn a_record_over_the_limit_is_named_and_not_kept() {
        let value = Value::BulkString(vec![0; 11]);
        assert!(matches!(reading(value, Value::Int(-1), 10), Ok(Reading::TooLarge { bytes: 11 })));
    }

    #[test]
    fn an_odd_reply_is_an_error_and_not_a_session() {
        assert!(matches!(reading(Value::Okay, Value::Int(-1), 10), Err(StoreError::UnexpectedReply)));
        let value = Value::BulkString(b"v".to_vec());
        assert!(matches!(reading(value, Value::Int(-7), 10), Err(StoreError::UnexpectedReply)));
    }

    #[test]
    fn an_empty_hash_is_a_missing_one_as_in_redis() {
        assert!(matches!(reading(Value::Map(vec![]), Value::Int(-2), 10), Ok(Reading::Missing)));
    }
}

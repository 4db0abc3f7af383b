//! A look into a real Redis that leaves no trace: bounded in keys, values, bytes and time, and by commands that write nothing.

use crate::detect::sample::{Content, KEYS_MAX, Keys, Reading};
use crate::store::{Record, RedisOptions, StoreKey};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, Value};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long is scanned at most.
const SCAN_TIME: Duration = Duration::from_secs(2);
/// How long one reply may take.
const REPLY_TIME: Duration = Duration::from_secs(2);
/// Keys that Redis looks at between two other clients' commands: well under a millisecond.
const SCAN_COUNT: usize = 200;
/// Values asked for in one round trip.
const BATCH: usize = 50;
/// Longest string that is read, as `value_bytes` of a store.
const VALUE_BYTES_MAX: u64 = 256 * 1024;
/// Most fields of a hash that is read; Spring keeps one for each attribute.
const FIELDS_MAX: u64 = 128;

/// A connection to look through.
pub struct RedisSource {
    connection: MultiplexedConnection,
    database: i64,
    pattern: Option<String>,
}

impl RedisSource {
    /// Connects; `database` goes before the URL's, and `pattern` is what keys must match, as `sess:*`.
    ///
    /// # Errors
    /// What the client library says; never the URL's password.
    pub async fn connect(
        options: &RedisOptions,
        database: Option<i64>,
        pattern: Option<String>,
    ) -> Result<Self, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(REPLY_TIME))
            .set_response_timeout(Some(REPLY_TIME));
        let client = options.client().await?;
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        if let Some(database) = database {
            redis::cmd("SELECT").arg(database).query_async::<()>(&mut connection).await?;
        }
        let of_url = client.get_connection_info().redis_settings().db();
        Ok(Self { connection, database: database.unwrap_or(of_url), pattern })
    }

    /// The database that is read.
    pub const fn database(&self) -> i64 {
        self.database
    }

    /// Scans until there are enough keys, no more, or no more time.
    ///
    /// # Errors
    /// What the client library says.
    pub async fn keys(&mut self) -> Result<Keys, RedisError> {
        let end = Instant::now() + SCAN_TIME;
        // SCAN may give a key twice.
        let mut found = BTreeSet::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("COUNT").arg(SCAN_COUNT);
            if let Some(pattern) = &self.pattern {
                scan.arg("MATCH").arg(pattern);
            }
            let reply = scan.query_async::<(u64, Vec<Vec<u8>>)>(&mut self.connection);
            let Ok(reply) = timeout_at(end, reply).await else { break };
            let (next, keys) = reply?;
            cursor = next;
            found.extend(keys);
            if cursor == 0 || found.len() >= KEYS_MAX {
                break;
            }
        }
        let complete = cursor == 0 && found.len() <= KEYS_MAX;
        let keys = found.into_iter().take(KEYS_MAX).map(StoreKey::new).collect();
        Ok(Keys { keys, complete })
    }

    /// What is under each of these keys; a value's size is asked for before the value.
    ///
    /// # Errors
    /// What the client library says.
    pub async fn read(&mut self, keys: &[StoreKey]) -> Result<Vec<Reading>, RedisError> {
        let mut readings = Vec::with_capacity(keys.len());
        for batch in keys.chunks(BATCH) {
            let types: Vec<String> = self.ask(batch, |_| "TYPE").await?.into_iter().map(word).collect();
            let size = |at: usize| match types.get(at).map(String::as_str) {
                Some("string") => "STRLEN",
                Some("hash") => "HLEN",
                _ => "TYPE",
            };
            let sizes = self.ask(batch, size).await?;
            let value = |at: usize| match (types.get(at).map(String::as_str), sizes.get(at)) {
                (Some("string"), Some(Value::Int(size))) if fits(*size, VALUE_BYTES_MAX) => "GET",
                (Some("hash"), Some(Value::Int(size))) if fits(*size, FIELDS_MAX) => "HGETALL",
                _ => "TYPE",
            };
            let values = self.ask(batch, value).await?;
            let ttls = self.ask(batch, |_| "PTTL").await?;
            let rows = batch.iter().zip(types).zip(values).zip(ttls);
            readings.extend(rows.map(|(((key, kind), value), ttl)| Reading {
                key: key.clone(),
                content: content(kind, value),
                ttl_ms: match ttl {
                    Value::Int(ttl) => u64::try_from(ttl).ok(),
                    _ => None,
                },
            }));
        }
        Ok(readings)
    }

    /// Databases that hold keys, if `INFO` is allowed.
    pub async fn databases(&mut self) -> Vec<(i64, u64)> {
        let info = redis::cmd("INFO").arg("keyspace").query_async::<String>(&mut self.connection).await;
        let line = |line: &str| {
            let (database, facts) = line.strip_prefix("db")?.split_once(":keys=")?;
            let keys = facts.split(',').next()?;
            Some((database.parse().ok()?, keys.parse().ok()?))
        };
        info.unwrap_or_default().lines().filter_map(line).collect()
    }

    /// One command for each key, chosen by its place, in one round trip; an error reply stands for itself.
    async fn ask(
        &mut self,
        keys: &[StoreKey],
        command: impl Fn(usize) -> &'static str,
    ) -> Result<Vec<Value>, RedisError> {
        let mut pipeline = redis::Pipeline::with_capacity(keys.len());
        for (at, key) in keys.iter().enumerate() {
            pipeline.cmd(command(at)).arg(key.expose());
        }
        self.connection.send_packed_commands(&pipeline, 0, keys.len()).await
    }
}

fn fits(size: i64, most: u64) -> bool {
    u64::try_from(size).is_ok_and(|size| size <= most)
}

fn word(value: Value) -> String {
    match value {
        Value::SimpleString(word) => word,
        Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        _ => "unreadable".to_owned(),
    }
}

fn content(kind: String, value: Value) -> Content {
    let bytes = |value| match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    };
    match (kind.as_str(), value) {
        ("none", _) | (_, Value::Nil) => Content::Gone,
        ("string", Value::BulkString(bytes)) => Content::Record(Record::String(bytes)),
        ("hash", Value::Map(fields)) => {
            let field = |(name, value)| Some((bytes(name)?, bytes(value)?));
            let fields = fields.into_iter().map(field).collect::<Option<_>>();
            fields.map_or(Content::TooLarge, |fields| Content::Record(Record::Hash(fields)))
        }
        // A list of names and values, from a server that speaks RESP2.
        ("hash", Value::Array(flat)) => {
            let flat: Option<Vec<_>> = flat.into_iter().map(bytes).collect();
            let pairs = flat.unwrap_or_default();
            let pair = |pair: &[Vec<u8>]| Some((pair.first()?.clone(), pair.get(1)?.clone()));
            Content::Record(Record::Hash(pairs.chunks(2).filter_map(pair).collect()))
        }
        ("string" | "hash", _) => Content::TooLarge,
        _ => Content::Other(kind),
    }
}

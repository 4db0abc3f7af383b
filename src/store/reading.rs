//! One read: a pipeline of value, TTL and an echo that proves the answers are ours; and what Redis's answers mean.

use crate::store::{Address, Reading, Record, RecordKind, StoreError, StoreKey, Stored};
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use std::cell::Cell;
use std::time::Duration;
use tokio::time::Instant;

/// A store that is not ready is asked so many times more.
const RETRIES_MAX: u32 = 2;
/// Longest and shortest wait before asking again; spread, so that gateways do not ask in step.
const RETRY_MIN_MS: u64 = 10;
const RETRY_SPREAD_MS: u64 = 40;
/// Retries come to one in ten reads at most, so that a store in trouble does not get more load for it.
const READS_A_RETRY: u32 = 10;
/// Retries that can be saved up in quiet times.
const RETRIES_SAVED_MAX: u32 = 10;

/// Asks over one connection after another; lives as long as what owns the connections.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    nonce: Cell<u64>,
    /// Reads that no retry was spent for.
    saved: Cell<u32>,
}

impl Reader {
    /// Reads a record and its TTL in one round trip; again after a moment, within `timeout`, if the store is not ready.
    pub(crate) async fn read(
        &self,
        connection: &mut MultiplexedConnection,
        of: (&StoreKey, RecordKind),
        value_bytes: usize,
        timeout: Duration,
    ) -> Result<Reading, StoreError> {
        self.read_as(connection, of, false, value_bytes, timeout).await
    }

    /// The same, `asking` a node for a key whose slot it does not have yet, if another node has said so.
    pub(crate) async fn read_as(
        &self,
        connection: &mut MultiplexedConnection,
        of: (&StoreKey, RecordKind),
        asking: bool,
        value_bytes: usize,
        timeout: Duration,
    ) -> Result<Reading, StoreError> {
        let deadline = Instant::now() + timeout;
        self.saved.set((self.saved.get() + 1).min(RETRIES_SAVED_MAX * READS_A_RETRY));
        let mut retries = 0;
        loop {
            let ask = self.ask(connection, of, asking, value_bytes);
            let answer = tokio::time::timeout_at(deadline, ask).await;
            let answer = answer.unwrap_or(Err(StoreError::TimedOut { after: timeout }));
            let wait = Duration::from_millis(RETRY_MIN_MS + self.nonce.get() * 17 % RETRY_SPREAD_MS);
            let again = matches!(answer, Err(StoreError::NotReady { .. }))
                && retries < RETRIES_MAX
                && Instant::now() + wait < deadline
                && self.spend();
            if !again {
                return answer;
            }
            retries += 1;
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes a retry out of what is saved, if there is one.
    fn spend(&self) -> bool {
        let left = self.saved.get().checked_sub(READS_A_RETRY);
        if let Some(left) = left {
            self.saved.set(left);
        }
        left.is_some()
    }

    async fn ask(
        &self,
        connection: &mut MultiplexedConnection,
        (key, kind): (&StoreKey, RecordKind),
        asking: bool,
        value_bytes: usize,
    ) -> Result<Reading, StoreError> {
        let nonce = self.nonce();
        let command = match kind {
            RecordKind::String => "GET",
            RecordKind::Hash => "HGETALL",
        };
        let mut pipeline = redis::Pipeline::with_capacity(5);
        for command in [command, "PTTL"] {
            if asking {
                // It holds for one command.
                pipeline.cmd("ASKING");
            }
            pipeline.add_command(told(command, key.expose()));
        }
        pipeline.add_command(told("ECHO", &nonce));
        let count = if asking { 5 } else { 3 };
        let replies = connection.send_packed_commands(&pipeline, 0, count).await.map_err(classify)?;
        let (value, ttl, echo) = three(replies, asking).ok_or(StoreError::UnexpectedReply)?;
        check_echo(&echo, &nonce)?;
        reading(value, ttl, value_bytes)
    }

    /// A heartbeat: whether the server is still the primary, asked with a nonce as a read is.
    pub(crate) async fn heartbeat(&self, connection: &mut MultiplexedConnection) -> Result<(), StoreError> {
        let nonce = self.nonce();
        let mut pipeline = redis::Pipeline::with_capacity(2);
        pipeline.cmd("HELLO").arg(3).cmd("ECHO").arg(&nonce);
        let replies = connection.send_packed_commands(&pipeline, 0, 2).await.map_err(classify)?;
        let [hello, echo]: [Value; 2] = replies.try_into().map_err(|_| StoreError::UnexpectedReply)?;
        check_echo(&echo, &nonce)?;
        if crate::store::options::is_primary(&hello) { Ok(()) } else { Err(StoreError::NotPrimary) }
    }

    fn nonce(&self) -> [u8; 8] {
        let nonce = self.nonce.get().wrapping_add(1);
        self.nonce.set(nonce);
        nonce.to_be_bytes()
    }
}

/// A command of one argument, in one allocation each for its bytes and their ends.
fn told(command: &str, about: &[u8]) -> redis::Cmd {
    let mut told = redis::Cmd::with_capacity(2, command.len() + about.len());
    told.arg(command).arg(about);
    told
}

/// The replies without those to ASKING.
fn three(replies: Vec<Value>, asking: bool) -> Option<(Value, Value, Value)> {
    if asking {
        let [_, value, _, ttl, echo]: [Value; 5] = replies.try_into().ok()?;
        return Some((value, ttl, echo));
    }
    let [value, ttl, echo]: [Value; 3] = replies.try_into().ok()?;
    Some((value, ttl, echo))
}

fn check_echo(echo: &Value, nonce: &[u8; 8]) -> Result<(), StoreError> {
    match echo {
        Value::BulkString(bytes) if bytes == nonce => Ok(()),
        Value::ServerError(error) => Err(refusal(error.code(), error.details())),
        _ => Err(StoreError::CrossedReply),
    }
}

/// What a failed exchange means.
pub(crate) fn classify(error: RedisError) -> StoreError {
    match error.code() {
        Some(code) if !error.is_io_error() => refusal(code, error.detail()),
        _ => StoreError::ConnectionLost { source: error },
    }
}

/// What Redis means by an error code (SECURITY: only a nil from a healthy primary is a miss).
fn refusal(code: &str, details: Option<&str>) -> StoreError {
    // `MOVED 3999 127.0.0.1:6381`
    let to = details.and_then(|details| Address::parse(details.split_whitespace().nth(1)?));
    match (code, to) {
        ("MOVED", Some(to)) => return StoreError::Moved { to },
        ("ASK", Some(to)) => return StoreError::Asked { to },
        _ => {}
    }
    match code {
        // What HELLO told before has changed since.
        "READONLY" => StoreError::NotPrimary,
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
        // RESP2 has no maps: names and values in turn.
        Value::Array(parts) => Record::Hash(pairs(parts).ok_or(StoreError::UnexpectedReply)?),
        Value::ServerError(error) if error.code() == "WRONGTYPE" => return Ok(Reading::WrongType),
        Value::ServerError(error) => return Err(refusal(error.code(), error.details())),
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
        Value::ServerError(error) => Err(refusal(error.code(), error.details())),
        _ => Err(StoreError::UnexpectedReply),
    }
}

fn pairs(parts: Vec<Value>) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut parts = parts.into_iter();
    let mut fields = Vec::with_capacity(parts.len() / 2);
    while let Some(name) = parts.next() {
        fields.push(field((name, parts.next()?))?);
    }
    Some(fields)
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
        for code in ["LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "OOM", "MOVED"] {
            assert!(matches!(refusal(code, None), StoreError::NotReady { .. }), "{code}");
        }
        assert!(matches!(refusal("READONLY", None), StoreError::NotPrimary));
        for code in ["NOAUTH", "WRONGPASS", "NOPERM"] {
            assert!(matches!(refusal(code, None), StoreError::Refused { .. }), "{code}");
        }
    }

    #[test]
    fn a_redirection_names_the_other_node() {
        let at = |host: &str| Address { host: host.into(), port: 6381 };
        let moved = refusal("MOVED", Some("3999 10.0.0.1:6381"));
        assert!(matches!(moved, StoreError::Moved { to } if to == at("10.0.0.1")));
        let asked = refusal("ASK", Some("3999 ::1:6381"));
        assert!(matches!(asked, StoreError::Asked { to } if to == at("::1")));
        let unnamed = refusal("MOVED", Some("3999 :6381"));
        assert!(matches!(unnamed, StoreError::Moved { to } if to == at("")));
        assert!(matches!(refusal("MOVED", Some("3999")), StoreError::NotReady { .. }));
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

    #[test]
    fn a_hash_is_read_alike_in_both_protocols() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let map = reading(Value::Map(vec![(text("a"), text("b"))]), Value::Int(-1), 10);
        let list = reading(Value::Array(vec![text("a"), text("b")]), Value::Int(-1), 10);
        match (map, list) {
            (Ok(Reading::Found(map)), Ok(Reading::Found(list))) => assert!(map.record == list.record),
            other => panic!("{other:?}"),
        }
        let odd = reading(Value::Array(vec![text("a")]), Value::Int(-1), 10);
        assert!(matches!(odd, Err(StoreError::UnexpectedReply)));
        assert!(matches!(reading(Value::Array(vec![]), Value::Int(-2), 10), Ok(Reading::Missing)));
    }

    #[test]
    fn an_echo_of_another_nonce_is_a_crossed_reply() {
        let nonce = 7_u64.to_be_bytes();
        assert!(check_echo(&Value::BulkString(nonce.to_vec()), &nonce).is_ok());
        let other = Value::BulkString(8_u64.to_be_bytes().to_vec());
        assert!(matches!(check_echo(&other, &nonce), Err(StoreError::CrossedReply)));
        assert!(matches!(check_echo(&Value::Okay, &nonce), Err(StoreError::CrossedReply)));
    }

    #[test]
    fn retries_are_one_in_ten_reads_at_most() {
        let reader = Reader::default();
        assert!(!reader.spend());
        reader.saved.set(2 * READS_A_RETRY + 1);
        assert!(reader.spend() && reader.spend());
        assert!(!reader.spend());
    }
}

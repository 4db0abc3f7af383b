//! How to reach one Redis, and connecting to it.
//!
//! This is the seam for topologies: whatever finds the primary (a URL today; Sentinel, a cluster's slot map later) makes one
//! [`RedisOptions`] a primary, and everything else is per primary: one tracked connection a process, one reading connection a
//! worker, one lease.

use crate::config::{Backend, Store};
use crate::store::StoreError;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, PushInfo, RedisError,
    Value,
};
use std::time::Duration;

/// TCP and TLS handshakes, HELLO and SELECT are five round trips at most, each as long as a read may take; and never less than this.
const CONNECT_TIMEOUT_MIN: Duration = Duration::from_millis(250);
const CONNECT_ROUND_TRIPS: u32 = 5;
/// Reads in flight per connection; more would only wait in Redis's queue instead of here.
pub(crate) const READS_IN_FLIGHT_MAX: usize = 1024;
/// Who waits for a place among them gives up after this share of the timeout, while there is time to say so.
pub(crate) const QUEUE_SHARE: u32 = 2;

/// How to reach one Redis.
#[derive(Clone)]
pub struct RedisOptions {
    client: Client,
    /// The same for a server without RESP3, where nothing can be pushed to us.
    plain: Client,
    pub(crate) timeout: Duration,
    pub(crate) value_bytes: usize,
}

/// A connection as it was made.
pub(crate) struct Connected {
    pub(crate) connection: MultiplexedConnection,
    /// Whether the server can push.
    pub(crate) resp3: bool,
}

impl RedisOptions {
    /// Reads a `redis://` or `rediss://` URL and what goes before it.
    ///
    /// # Errors
    /// What the client library says of the URL or the certificates; it never repeats the URL's password.
    pub fn new(store: &Store) -> Result<Option<Self>, RedisError> {
        let Backend::Redis { url, username, password, ca, client } = &store.backend else {
            return Ok(None);
        };
        let url = std::str::from_utf8(url.expose()).unwrap_or_default();
        let info = url.into_connection_info()?;
        let open = |protocol| {
            let mut settings = info.redis_settings().clone().set_protocol(protocol);
            if let Some(username) = username {
                settings = settings.set_username(username);
            }
            if let Some(password) = password {
                settings = settings.set_password(String::from_utf8_lossy(password.expose()));
            }
            let tcp = info.tcp_settings().clone().set_nodelay(true);
            let info: ConnectionInfo = info.clone().set_redis_settings(settings).set_tcp_settings(tcp);
            if ca.is_none() && client.is_none() {
                return Client::open(info);
            }
            let client_tls = client.as_ref().map(|(cert, key)| redis::ClientTlsConfig {
                client_cert: cert.clone(),
                client_key: key.expose().to_vec(),
            });
            Client::build_with_tls(info, redis::TlsCertificates { client_tls, root_cert: ca.clone() })
        };
        Ok(Some(Self {
            client: open(ProtocolVersion::RESP3)?,
            plain: open(ProtocolVersion::RESP2)?,
            timeout: store.timeout,
            value_bytes: store.value_bytes,
        }))
    }

    /// What connects, for a look into the store that is not a session's.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Connects, and tells `pushed` what the server says unasked, if it can.
    pub(crate) async fn connect(
        &self,
        pushed: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Connected, RedisError> {
        let longest = CONNECT_TIMEOUT_MIN.max(self.timeout * CONNECT_ROUND_TRIPS);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(longest))
            .set_response_timeout(Some(longest))
            // As many messages as there may be reads: a heartbeat must not wait behind them for a place to be written.
            .set_pipeline_buffer_size(READS_IN_FLIGHT_MAX);
        let pushing = config.clone().set_push_sender(move |push: PushInfo| {
            pushed(push);
            Ok::<(), redis::aio::SendError>(())
        });
        match self.client.get_multiplexed_async_connection_with_config(&pushing).await {
            Ok(connection) => Ok(Connected { connection, resp3: true }),
            Err(error) if lacks_hello(&error) => {
                let connection = self.plain.get_multiplexed_async_connection_with_config(&config).await?;
                Ok(Connected { connection, resp3: false })
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether the server is a primary: only that knows what was revoked. HELLO says so and is open to every user of an ACL.
pub(crate) fn is_primary(hello: &Value) -> bool {
    let Value::Map(fields) = hello else { return false };
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        _ => String::new(),
    };
    fields.iter().any(|(name, value)| text(name) == "role" && text(value) == "master")
}

/// Checks that a connection leads to a primary; a server without HELLO is believed.
pub(crate) async fn check_primary(connected: &mut Connected) -> Result<(), StoreError> {
    if !connected.resp3 {
        return Ok(());
    }
    let hello = redis::cmd("HELLO").arg(3).query_async(&mut connected.connection).await;
    let hello = hello.map_err(crate::store::reading::classify)?;
    if is_primary(&hello) { Ok(()) } else { Err(StoreError::NotPrimary) }
}

/// Redis before 6, and some proxies: an error, not a broken connection, is the answer to HELLO.
fn lacks_hello(error: &RedisError) -> bool {
    error.kind() == redis::ErrorKind::RESP3NotSupported || error.code() == Some("ERR")
}

impl std::fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisOptions").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_master_makes_a_primary() {
        let hello = |role: &str| {
            let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
            Value::Map(vec![(text("server"), text("redis")), (text("role"), text(role))])
        };
        assert!(is_primary(&hello("master")));
        for role in ["replica", "slave", ""] {
            assert!(!is_primary(&hello(role)), "{role}");
        }
        assert!(!is_primary(&Value::Okay));
    }
}

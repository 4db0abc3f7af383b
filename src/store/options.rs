//! How to reach one primary, and connecting to it.
//!
//! This is the seam for topologies: whatever finds the primary (the URL, sentinels, a cluster's slot map) is behind one
//! [`RedisOptions`] a primary, and everything else is per primary: one tracked connection a process, one reading connection a
//! worker, one lease.

use crate::config::{Backend, Store, Topology};
use crate::store::dial::{Clients, Dial};
use crate::store::reading::classify;
use crate::store::sentinel::Sentinels;
use crate::store::standing::{Authority, Standing};
use crate::store::{Address, StoreError};
use redis::aio::MultiplexedConnection;
use redis::{Client, PushInfo, RedisError, Value};
use std::sync::Arc;
use std::time::Duration;

/// Reads in flight per connection; more would only wait in Redis's queue instead of here.
pub(crate) const READS_IN_FLIGHT_MAX: usize = 1024;
/// Who waits for a place among them gives up after this share of the timeout, while there is time to say so.
pub(crate) const QUEUE_SHARE: u32 = 2;

/// How to reach one Redis.
#[derive(Clone)]
pub struct RedisOptions {
    dial: Dial,
    way: Way,
    pub(crate) timeout: Duration,
    pub(crate) value_bytes: usize,
    pub(crate) bound: Duration,
}

/// What leads to the primary.
#[derive(Clone)]
enum Way {
    /// The URL.
    Url(Clients),
    Sentinels(Arc<Sentinels>),
    /// Nodes of a Cluster to ask first.
    Cluster(Vec<Address>),
    /// One primary of a Cluster, and what the others say of it.
    Node(Clients, Option<Arc<Authority>>),
}

/// A connection as it was made.
pub(crate) struct Connected {
    pub(crate) connection: MultiplexedConnection,
    /// Whether the server can push.
    pub(crate) resp3: bool,
    pub(crate) standing: Standing,
}

impl RedisOptions {
    /// Reads the URL and what goes before it.
    ///
    /// # Errors
    /// What the client library says of the URL or the certificates; it never repeats the URL's password.
    pub fn new(store: &Store) -> Result<Option<Self>, RedisError> {
        let Backend::Redis { url, topology, username, password, ca, client } = &store.backend else {
            return Ok(None);
        };
        let login = (username.as_deref(), password.as_ref());
        let dial = Dial::new(url, login, (ca.as_ref(), client.as_ref()), store.timeout)?;
        let way = match topology {
            Topology::Single => Way::Url(dial.clients(None)?),
            Topology::Cluster(nodes) => Way::Cluster(nodes.iter().map(Address::from).collect()),
            Topology::Sentinel(group) => {
                let sentinels = dial.for_sentinels(group);
                // The certificates are read here, where a mistake in them can still be told.
                sentinels.clients(None)?;
                dial.clients(None)?;
                Way::Sentinels(Arc::new(Sentinels::new(sentinels, group, store.revocation_bound)))
            }
        };
        let (timeout, value_bytes, bound) = (store.timeout, store.value_bytes, store.revocation_bound);
        Ok(Some(Self { dial, way, timeout, value_bytes, bound }))
    }

    /// What connects, for a look into the store that is not a session's: to the primary, or to one of a Cluster's nodes.
    ///
    /// # Errors
    /// There is no primary to be found.
    pub async fn client(&self) -> Result<Client, RedisError> {
        let clients = match &self.way {
            Way::Url(clients) | Way::Node(clients, _) => clients.clone(),
            Way::Cluster(nodes) => self.dial.clients(nodes.first())?,
            Way::Sentinels(sentinels) => {
                let (address, _) = sentinels.primary().await.map_err(|error| {
                    RedisError::from((
                        redis::ErrorKind::Io,
                        "the sentinels name no primary",
                        error.to_string(),
                    ))
                })?;
                self.dial.clients(Some(&address))?
            }
        };
        Ok(clients.resp3)
    }

    /// The sentinels that find the primary, if they do: somebody has to [`Sentinels::watch`] them.
    pub const fn sentinels(&self) -> Option<&Arc<Sentinels>> {
        match &self.way {
            Way::Sentinels(sentinels) => Some(sentinels),
            Way::Url(_) | Way::Cluster(_) | Way::Node(..) => None,
        }
    }

    /// The nodes to ask first, if it is a Cluster.
    pub(crate) fn cluster(&self) -> Option<&[Address]> {
        match &self.way {
            Way::Cluster(nodes) => Some(nodes),
            Way::Url(_) | Way::Sentinels(_) | Way::Node(..) => None,
        }
    }

    /// Whether it is a Cluster, which has several primaries.
    pub fn is_cluster(&self) -> bool {
        self.cluster().is_some()
    }

    /// The same for one node of the Cluster.
    ///
    /// # Errors
    /// What the client library says of the certificates.
    pub(crate) fn node(
        &self,
        address: &Address,
        authority: Option<Arc<Authority>>,
    ) -> Result<Self, RedisError> {
        let way = Way::Node(self.dial.clients(Some(address))?, authority);
        Ok(Self { way, ..self.clone() })
    }

    pub(crate) const fn dial(&self) -> &Dial {
        &self.dial
    }

    /// Where the primary is, as far as is known: for people.
    pub fn place(&self) -> Option<String> {
        match &self.way {
            Way::Url(clients) | Way::Node(clients, _) => Some(clients.place()),
            Way::Sentinels(sentinels) => sentinels.present().map(|address| address.to_string()),
            Way::Cluster(_) => None,
        }
    }

    /// Connects to the primary, and tells `pushed` what the server says unasked, if it can.
    pub(crate) async fn connect(
        &self,
        pushed: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Connected, StoreError> {
        let (clients, standing) = match &self.way {
            Way::Url(clients) | Way::Node(clients, None) => (clients.clone(), Standing::sole()),
            Way::Node(clients, Some(authority)) => (clients.clone(), authority.standing()),
            Way::Cluster(_) => return Err(StoreError::Unreachable),
            Way::Sentinels(sentinels) => {
                let (address, standing) = sentinels.primary().await?;
                (self.dial.clients(Some(&address)).map_err(classify)?, standing)
            }
        };
        let (connection, resp3) = self.dial.connect(&clients, pushed).await.map_err(classify)?;
        Ok(Connected { connection, resp3, standing })
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

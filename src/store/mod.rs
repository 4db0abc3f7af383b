//! Where the app keeps its sessions.
//!
//! Job: fetch one record by its key from one named store and say which of three things happened: here it is, it
//! is not there (a healthy store said so), or the store could not be asked. Not the job: knowing what the bytes
//! mean (`format`), whom they admit (`session`), or what to answer (`respond`).
//!
//! # Connections
//! One *primary* is the unit: whatever finds it makes one [`RedisOptions`] of it, and from that come one [`Tracked`] connection a process,
//! over which the session cache reads and Redis tells what changed, with a [`Lease`] of its own; and one reading connection a
//! worker ([`RedisStore`]), untracked and pipelined, for routes that want to ask on every request and for stores that cannot tell. A
//! topology of several primaries is several of each, and a plan from a key's slot to its primary; none of them knows the others.
//!
//! # Topologies
//! The primary is found by the URL, by sentinels, or is one of a Cluster's, for some of the keys. Where others
//! decide who is a primary, what it says counts only while they confirm it (`standing`): the same bound that holds for revocations
//! holds for theirs. A lease is extended as of the older of two questions, the heartbeat and the last favourable word, both counted
//! from when they were sent; so the proof of the session cache goes through with "the primary" being who the deciders say it is.
//!
//! Invariant: *absent* and *unreachable* are different types and can never be confused: the first is
//! `Ok(None)`, the second a [`StoreError`]. A gateway that mistakes an outage for a logout logs everybody out.
//!
//! The folder is a *floor*: `mod.rs` holds the types, the children use them.

mod address;
mod cluster;
mod dial;
mod ending;
mod error;
mod key;
mod lease;
mod map;
mod memory;
mod names;
mod nearby;
mod options;
mod reading;
mod redis;
mod script;
mod sentinel;
mod slot;
mod standing;
mod survey;
pub(crate) mod sync;
#[cfg(test)]
mod tests;
mod touch;
mod tracked;

pub use self::address::Address;
pub use self::cluster::{Cluster, ClusterStore, Node};
pub use self::ending::Ending;
pub use self::error::StoreError;
pub use self::key::StoreKey;
pub use self::lease::{Held, Lease, Ticket};
pub use self::memory::MemoryStore;
pub use self::names::Cursor;
pub use self::nearby::{NAMES_MAX, Nearby};
pub use self::options::RedisOptions;
pub use self::redis::RedisStore;
pub use self::sentinel::Sentinels;
pub use self::survey::{Follow, Survey, Surveyor, Tell};
pub use self::touch::{Change, SpringChange, Touch, Touched};
pub use self::tracked::{Follower, Load, Tracked, TrackedLink, TrackedState};

use crate::telemetry::StoreMetrics;
use std::sync::Arc;

/// What became of a connection.
#[derive(Debug)]
pub enum LinkEvent<'a> {
    /// An answer showed that it cannot be trusted, and it was dropped.
    Broke(&'a StoreError),
    /// The server cannot tell us of changes; what it lacks.
    CannotTrack(&'a str),
    /// What is known of a Cluster.
    Cluster {
        /// Its primaries.
        primaries: &'a [&'a Address],
        /// What is missing, in words.
        gap: Option<&'a str>,
    },
    /// A worker's is up.
    Connected,
    /// Our user may not keep sessions alive.
    CannotTouch(&'a StoreError),
    /// An attempt of a worker's failed.
    Failed(&'a StoreError),
    /// A worker's was up and broke.
    Lost,
    /// Those who decide name this primary.
    Primary(&'a Address),
    /// The server refused a read: the operator's to mend.
    Refused(&'a StoreError),
    /// The tracked one is up.
    Tracking,
    /// The tracked one was up and is not any more.
    TrackingLost(&'a StoreError),
    /// Those who decide cannot be asked, or do not confirm the primary.
    Unconfirmed,
}

/// How a record is kept, hence which command reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// A string, read by `GET`.
    String,
    /// A hash, read by `HGETALL` (Spring Session, ASP.NET Core).
    Hash,
}

/// What a store holds under a key.
#[derive(Clone, PartialEq, Eq)]
pub enum Record {
    /// The value of a string.
    String(Vec<u8>),
    /// Field and value pairs of a hash, in the store's order.
    Hash(Vec<(Vec<u8>, Vec<u8>)>),
}

impl Record {
    /// Size of all names and values, in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::String(bytes) => bytes.len(),
            Self::Hash(fields) => fields.iter().map(|(name, value)| name.len() + value.len()).sum(),
        }
    }

    /// Whether there is not a single byte; PHP writes such records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Session records are personal and may hold credentials: only the size is printed.
impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Record({} bytes)", self.len())
    }
}

/// A record with the life the store gives it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The bytes.
    pub record: Record,
    /// Milliseconds until the store drops the key, counted from the reply; `None` if it has no TTL.
    pub ttl_ms: Option<u64>,
}

/// What a store that answered said.
#[derive(Clone, Debug)]
pub enum Reading {
    /// The record.
    Found(Stored),
    /// No such key: a healthy store said so.
    Missing,
    /// The record is longer than `value_bytes` and was dropped.
    TooLarge {
        /// How long it is.
        bytes: usize,
    },
    /// The key holds another type.
    WrongType,
}

/// Any store, as a worker holds it.
#[derive(Clone, Debug)]
pub enum Store {
    /// Inside the process.
    Memory(MemoryStore),
    /// A Redis.
    Redis(RedisStore),
    /// A Redis Cluster.
    Cluster(ClusterStore),
}

impl Store {
    /// Reads one record.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not be asked; that says nothing about the session.
    pub async fn read(&self, key: &StoreKey, kind: RecordKind) -> Result<Reading, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.read(key, kind)),
            Self::Redis(redis) => redis.read(key, kind).await,
            Self::Cluster(cluster) => cluster.read(key, kind).await,
        }
    }

    /// Keeps a record alive, in a task of its own; `failed` hears if it could not be done.
    pub fn touch(&self, touch: Touch, failed: impl FnOnce() + 'static) {
        if let Self::Memory(memory) = self {
            return memory.extend(touch.key.expose(), touch.ttl);
        }
        let store = self.clone();
        tokio::task::spawn_local(async move {
            let touched = match &store {
                Self::Memory(_) => return,
                Self::Redis(redis) => redis.touch(&touch).await,
                Self::Cluster(cluster) => cluster.touch(&touch).await,
            };
            if touched.is_err() {
                failed();
            }
        });
    }

    /// Ends the connections to it, whoever still holds this: another configuration is in force.
    pub fn retire(&self) {
        match self {
            Self::Memory(_) => {}
            Self::Redis(redis) => redis.retire(),
            Self::Cluster(cluster) => cluster.retire(),
        }
    }

    /// The tracked connection to the primary that has the key, if there is one.
    pub fn tracked(&self, key: &StoreKey) -> Option<Arc<Tracked>> {
        match self {
            Self::Memory(_) => None,
            Self::Redis(redis) => redis.tracked().cloned(),
            Self::Cluster(cluster) => cluster.node(key)?.tracked().cloned(),
        }
    }

    /// The lease of the primary that has the key, as it is now. Who serves from memory looks at this first.
    pub fn held(&self, key: &StoreKey) -> Option<Held> {
        match self {
            Self::Memory(_) => None,
            Self::Redis(redis) => Some(redis.tracked()?.lease().held()),
            Self::Cluster(cluster) => cluster.held(key),
        }
    }

    /// That a key has been found elsewhere in a Cluster.
    pub fn hint(&self, to: &Address) {
        match self {
            Self::Memory(_) | Self::Redis(_) => {}
            Self::Cluster(cluster) => cluster.hint(to),
        }
    }

    /// What the store counts, over all of its primaries.
    pub fn metrics(&self) -> Option<&StoreMetrics> {
        match self {
            Self::Memory(_) => None,
            Self::Redis(redis) => Some(redis.metrics()),
            Self::Cluster(cluster) => Some(cluster.metrics()),
        }
    }

    /// Where the primary that has the key is, as far as is known: for people.
    pub fn place(&self, key: &StoreKey) -> Option<String> {
        match self {
            Self::Memory(_) => None,
            Self::Redis(redis) => redis.place(),
            Self::Cluster(cluster) => Some(cluster.node(key)?.address().to_string()),
        }
    }

    /// What the keys of the store are called, when none is called what we looked for. A diagnostic: it reads names only, at
    /// most [`NAMES_MAX`], and is never on the path of a request.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not be asked, or lets us read records only.
    pub async fn nearby(&self, prefix: &[u8]) -> Result<Nearby, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.nearby(prefix)),
            Self::Redis(redis) => redis.nearby(prefix).await,
            Self::Cluster(cluster) => cluster.nearby(prefix).await,
        }
    }
}

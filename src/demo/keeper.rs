//! Where the login app writes its sessions: the very store that the gateway reads.

use crate::store::{MemoryStore, Reading, Record, RecordKind, StoreKey, Stored};
use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, cmd};
use std::time::Duration;

/// The store of the login app. A connection is made for each operation: a demo has one user.
#[derive(Clone)]
pub(super) enum Keeper {
    Memory(MemoryStore),
    Redis(Box<Client>),
}

impl Keeper {
    pub(super) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RedisError> {
        match self {
            Self::Memory(memory) => {
                Ok(match memory.read(&StoreKey::new(key.as_bytes().to_vec()), RecordKind::String) {
                    Reading::Found(Stored { record: Record::String(bytes), .. }) => Some(bytes),
                    Reading::Found(_) | Reading::Missing | Reading::TooLarge { .. } | Reading::WrongType => {
                        None
                    }
                })
            }
            Self::Redis(client) => cmd("GET").arg(key).query_async(&mut connect(client).await?).await,
        }
    }

    pub(super) async fn set(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<(), RedisError> {
        match self {
            Self::Memory(memory) => {
                memory.write(key.as_bytes(), Record::String(value), Some(ttl));
                Ok(())
            }
            Self::Redis(client) => {
                let mut set = cmd("SET");
                set.arg(key).arg(value).arg("EX").arg(ttl.as_secs());
                set.exec_async(&mut connect(client).await?).await
            }
        }
    }

    pub(super) async fn del(&self, key: &str) -> Result<(), RedisError> {
        match self {
            Self::Memory(memory) => {
                memory.delete(key.as_bytes());
                Ok(())
            }
            Self::Redis(client) => cmd("DEL").arg(key).exec_async(&mut connect(client).await?).await,
        }
    }
}

async fn connect(client: &Client) -> Result<MultiplexedConnection, RedisError> {
    client.get_multiplexed_async_connection().await
}

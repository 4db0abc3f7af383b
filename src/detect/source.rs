//! Where a sample is taken from.

use crate::detect::redis::RedisSource;
use crate::detect::sample::{Content, KEYS_MAX, Keys, Reading};
use crate::store::StoreKey;

/// Where a sample is taken from.
pub enum Source {
    /// Records inside the process, for tests.
    Memory(Vec<Reading>),
    /// A Redis.
    Redis(RedisSource),
}

impl Source {
    /// Some of the keys.
    ///
    /// # Errors
    /// What the client library says.
    pub async fn keys(&mut self) -> Result<Keys, redis::RedisError> {
        match self {
            Self::Memory(readings) => {
                let keys = readings.iter().take(KEYS_MAX).map(|reading| reading.key.clone()).collect();
                Ok(Keys { keys, complete: readings.len() <= KEYS_MAX })
            }
            Self::Redis(redis) => redis.keys().await,
        }
    }

    /// What is under each of these keys.
    ///
    /// # Errors
    /// What the client library says.
    pub async fn read(&mut self, keys: &[StoreKey]) -> Result<Vec<Reading>, redis::RedisError> {
        match self {
            Self::Memory(readings) => {
                let find = |key: &StoreKey| readings.iter().find(|reading| reading.key == *key).cloned();
                let gone =
                    |key: &StoreKey| Reading { key: key.clone(), content: Content::Gone, ttl_ms: None };
                Ok(keys.iter().map(|key| find(key).unwrap_or_else(|| gone(key))).collect())
            }
            Self::Redis(redis) => redis.read(keys).await,
        }
    }

    /// Databases that hold keys, and how many; empty if the store does not say.
    pub async fn databases(&mut self) -> Vec<(i64, u64)> {
        match self {
            Self::Memory(_) => Vec::new(),
            Self::Redis(redis) => redis.databases().await,
        }
    }

    /// The database that is read.
    pub fn database(&self) -> i64 {
        match self {
            Self::Memory(_) => 0,
            Self::Redis(redis) => redis.database(),
        }
    }
}

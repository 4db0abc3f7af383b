//! Doing several things to one key at once: a script runs in the server whole or not at all, and nobody comes between.
//!
//! Only what the gateway itself keeps is written so ([`crate::state`]); and one way to end a session of the app's. An answer that did not come leaves open whether it was done;
//! whoever asks must be able to ask again.

use crate::store::{Store, StoreError, StoreKey};
use redis::{Cmd, FromRedisValue};

impl Store {
    /// Runs a script on one key; it answers with a list of texts.
    ///
    /// # Errors
    /// [`StoreError`]; it may have been done all the same then.
    pub async fn run(
        &self,
        script: &str,
        key: &StoreKey,
        args: &[&[u8]],
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut eval = redis::cmd("EVAL");
        eval.arg(script).arg(1).arg(key.expose()).arg(args);
        self.command(key, &eval).await
    }

    /// What the server that has the key drops when its memory is full: Redis's `maxmemory-policy`; `None` if it does not say.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn eviction(&self, key: &StoreKey) -> Result<Option<String>, StoreError> {
        let mut info = redis::cmd("INFO");
        info.arg("memory");
        let text: String = self.command(key, &info).await?;
        Ok(text
            .lines()
            .find_map(|line| line.strip_prefix("maxmemory_policy:"))
            .map(|word| word.trim().to_owned()))
    }

    pub(super) async fn command<T: FromRedisValue>(
        &self,
        key: &StoreKey,
        command: &Cmd,
    ) -> Result<T, StoreError> {
        match self {
            // A configuration that keeps state there is refused.
            Self::Memory(_) => Err(StoreError::Unreachable),
            Self::Redis(redis) => redis.command(command).await,
            Self::Cluster(cluster) => cluster.command(key, command).await,
        }
    }
}

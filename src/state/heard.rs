//! What was heard once and is not to count again.

use crate::state::State;
use crate::store::StoreError;
use std::time::Duration;

const WAS: &str = "if redis.call('HGET', KEYS[1], 'v') then return {'1'} end return {'0'}";
const HEAR: &str =
    "redis.call('HSET', KEYS[1], 'v', '1') redis.call('PEXPIRE', KEYS[1], ARGV[1]) return {'heard'}";

impl State {
    /// Whether something of this name was heard.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn was_heard(&self, name: &str) -> Result<bool, StoreError> {
        let said = self.store.run(WAS, &self.key("heard", name), &[]).await?;
        Ok(said.first().is_some_and(|known| known == b"1"))
    }

    /// Remembers that it was, for so long.
    ///
    /// # Errors
    /// [`StoreError`]; it can be said again.
    pub async fn hear(&self, name: &str, life: Duration) -> Result<(), StoreError> {
        let life = life.as_millis().max(1).to_string();
        self.store.run(HEAR, &self.key("heard", name), &[life.as_bytes()]).await.map(drop)
    }
}

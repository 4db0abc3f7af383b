//! Searches that are under way: which there are, so that one goes on when the gateway that runs it ends.
//!
//! One record for all of them, a field each: until when somebody runs it, since when it is wanted, and what is looked for. Who runs one renews
//! that; where it was not renewed, whoever asks next has it.

use crate::state::State;
use crate::store::StoreError;
use std::time::Duration;

/// More than that at once is no work of a day's, and each is worth a look through a whole store.
const SEARCHES_MAX: usize = 256;
/// One that nobody ran for so long is not begun any more: its mark is gone, and its user has come back.
const OLD: Duration = Duration::from_secs(15 * 60);

const ADD: &str = "local time = redis.call('TIME') local now = time[1] * 1000 + math.floor(time[2] / 1000) \
    if #redis.call('HGETALL', KEYS[1]) >= 2 * tonumber(ARGV[2]) then return {'full'} end \
    redis.call('HSET', KEYS[1], ARGV[1], string.format('0:%.0f', now)) return {'added'}";
const RENEW: &str = include_str!("renew.lua");
const TAKE: &str = include_str!("take.lua");
const DONE: &str = "redis.call('HDEL', KEYS[1], ARGV[1]) return {'done'}";

impl State {
    /// Adds one that nobody runs yet; whether there was room.
    ///
    /// # Errors
    /// [`StoreError`]; it can be added again.
    pub async fn add_search(&self, search: &[u8]) -> Result<bool, StoreError> {
        let most = SEARCHES_MAX.to_string();
        let said = self.store.run(ADD, &self.key("searches", "open"), &[search, most.as_bytes()]).await?;
        Ok(said.first().is_some_and(|word| word == b"added"))
    }

    /// One that nobody runs, if there is any; it is ours for so long.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn take_search(&self, lease: Duration) -> Result<Option<Vec<u8>>, StoreError> {
        let (lease, old) = (lease.as_millis().to_string(), OLD.as_millis().to_string());
        let args = [lease.as_bytes(), old.as_bytes()];
        Ok(self.store.run(TAKE, &self.key("searches", "open"), &args).await?.into_iter().next())
    }

    /// Keeps it for so long from now.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn renew_search(&self, search: &[u8], lease: Duration) -> Result<(), StoreError> {
        let lease = lease.as_millis().to_string();
        self.store.run(RENEW, &self.key("searches", "open"), &[search, lease.as_bytes()]).await.map(drop)
    }

    /// It is done, or given up.
    ///
    /// # Errors
    /// [`StoreError`]; then it is run once more.
    pub async fn end_search(&self, search: &[u8]) -> Result<(), StoreError> {
        self.store.run(DONE, &self.key("searches", "open"), &[search]).await.map(drop)
    }
}

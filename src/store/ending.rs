//! The end of a record of the app's, as its framework would write it.

use crate::store::{Store, StoreError, StoreKey};

/// How long the hash of Spring Session's indexed repository outlives its session.
const SPRING_GRACE_MS: u64 = 300_000;
/// Only what is still there: a hash of one field would be a session that nobody can read.
const SPRING: &str = "if redis.call('HGET', KEYS[1], 'maxInactiveInterval') then \
    redis.call('HSET', KEYS[1], 'maxInactiveInterval', ARGV[1]) redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return {'done'}";

/// What ends a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its record is deleted.
    Delete,
    /// Spring Session's: where the second key shows the indexed repository, the hash stays for a while with an interval of none, and the
    /// second key is deleted, which tells the app. Else the record is deleted.
    Spring {
        /// The second key.
        expires: StoreKey,
        /// No interval, as the framework writes it.
        interval: Vec<u8>,
    },
}

impl Store {
    /// Ends a record; done again it does nothing.
    ///
    /// # Errors
    /// [`StoreError`], `Refused` where our user may not.
    pub async fn end(&self, key: &StoreKey, ending: &Ending) -> Result<(), StoreError> {
        if let Self::Memory(memory) = self {
            memory.delete(key.expose());
            return Ok(());
        }
        if let Ending::Spring { expires, interval } = ending {
            let mut life = redis::cmd("PTTL");
            life.arg(expires.expose());
            // -2: there is no such key.
            if self.command::<i64>(expires, &life).await? != -2 {
                let grace = SPRING_GRACE_MS.to_string();
                self.run(SPRING, key, &[interval, grace.as_bytes()]).await?;
                return self.delete(expires).await;
            }
        }
        self.delete(key).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<(), StoreError> {
        let mut delete = redis::cmd("DEL");
        delete.arg(key.expose());
        self.command::<u64>(key, &delete).await.map(drop)
    }
}

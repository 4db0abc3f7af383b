//! Whether a Redis is one to keep things in.

use crate::state::State;
use crate::store::StoreError;

/// Everything that is ever done to a key of ours, done to one that does not matter.
const PROBE: &str = "redis.call('HSET', KEYS[1], 'a', '1') redis.call('HGET', KEYS[1], 'a') \
    redis.call('HGETALL', KEYS[1]) redis.call('HDEL', KEYS[1], 'a') redis.call('ZADD', KEYS[1], '1', 'a') \
    redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf') redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '0') \
    redis.call('ZREMRANGEBYRANK', KEYS[1], '0', '-2') \
    redis.call('PTTL', KEYS[1]) redis.call('PEXPIRE', KEYS[1], 1000) redis.call('TIME') redis.call('DEL', KEYS[1]) return {'fit'}";

/// Why what is kept may be lost, or cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It cannot be written.
    Unwritable {
        /// Redis's error code, as `NOPERM` or `OOM`.
        code: String,
    },
    /// A full memory costs somebody's login.
    Evicts {
        /// The policy.
        policy: String,
    },
}

impl State {
    /// Looks whether everything can be done and nothing is dropped.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be asked, which says nothing of its fitness.
    pub async fn fitness(&self) -> Result<Option<Unfit>, StoreError> {
        let key = self.key("probe", "fitness");
        match self.store.run(PROBE, &key, &[]).await {
            Ok(_) => {}
            // What a script may not do is an `ERR` before Redis 7.
            Err(StoreError::Refused { code } | StoreError::NotReady { code }) => {
                return Ok(Some(Unfit::Unwritable { code }));
            }
            Err(error) => return Err(error),
        }
        match self.store.eviction(&key).await {
            Ok(Some(policy)) if policy != "noeviction" => Ok(Some(Unfit::Evicts { policy })),
            // Who does not let us look is believed.
            Ok(_) | Err(StoreError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unwritable { code } => write!(
                f,
                "our user cannot keep anything in it ({code}): give it the rights of deploy/redis/state.acl"
            ),
            Self::Evicts { policy } => write!(
                f,
                "it drops keys when its memory is full (`maxmemory-policy {policy}`), and logins with them: set `noeviction`, or \
                 name another store"
            ),
        }
    }
}

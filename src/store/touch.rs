//! Keeping a record alive: the only way in which the gateway writes what is the app's.
//!
//! Nothing here can bring a record back. `PEXPIRE` does nothing to a key that is gone; what rewrites a record is a script that first
//! looks whether it is still, byte for byte, what the session was judged by, so that neither a logout nor an app's own write in between is
//! undone. The time is never made shorter than it is (`GT`), where Redis knows how (7.0).

use crate::store::reading::classify;
use crate::store::{LinkEvent, StoreError, StoreKey};
use crate::telemetry::StoreMetrics;
use redis::aio::MultiplexedConnection;
use std::time::Duration;

/// What keeps one record alive.
#[derive(Clone, Debug)]
pub struct Touch {
    /// Which.
    pub key: StoreKey,
    /// How long it is to live from now on.
    pub ttl: Duration,
    /// What has to change in it besides.
    pub change: Change,
}

/// What a framework writes into the record when it is used.
#[derive(Clone)]
pub enum Change {
    /// Nothing.
    None,
    /// Another value, if it still has the old one.
    Value {
        /// As it was read.
        old: Vec<u8>,
        /// As it is to be.
        new: Vec<u8>,
    },
    /// Spring Session's.
    Spring(Box<SpringChange>),
}

/// What Spring Session's two repositories write.
#[derive(Clone)]
pub struct SpringChange {
    /// `lastAccessedTime` as it was read.
    pub old: Vec<u8>,
    /// As it is to be.
    pub new: Vec<u8>,
    /// `maxInactiveInterval` as it was read; a logout of the indexed repository sets it to 0.
    pub interval: Vec<u8>,
    /// How long the session had left when it was read.
    pub left: Duration,
    /// The indexed repository's second key, whose end is the session's.
    pub expires: StoreKey,
    /// The sets of sessions that end in one minute: the one it is in, and the one it belongs into.
    pub minutes: [StoreKey; 2],
    /// Its name in them.
    pub member: Vec<u8>,
}

/// What became of a touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// The record lives longer now.
    Extended,
    /// It is gone, or is not any more what it was, or lives longer already: nothing was done.
    Left,
}

/// The hash of the indexed repository outlives its session by this.
const SPRING_GRACE: Duration = Duration::from_secs(300);

const REPLACE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then \
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1 end return 0";

/// The last argument is how long the key may have left at most: a hash of the indexed repository whose second key is gone has more.
const SPRING: &str = "if redis.call('HGET', KEYS[1], 'lastAccessedTime') ~= ARGV[1] \
    or redis.call('HGET', KEYS[1], 'maxInactiveInterval') ~= ARGV[2] \
    or redis.call('PTTL', KEYS[1]) > tonumber(ARGV[5]) then return 0 end \
    redis.call('HSET', KEYS[1], 'lastAccessedTime', ARGV[3]) \
    return redis.call('PEXPIRE', KEYS[1], ARGV[4])";

impl SpringChange {
    /// That of a session which does not exist, to see whether we may.
    pub fn of_none(key: &StoreKey) -> Self {
        let none = || key.clone();
        Self {
            old: Vec::new(),
            new: Vec::new(),
            interval: Vec::new(),
            left: Duration::ZERO,
            expires: none(),
            minutes: [none(), none()],
            member: Vec::new(),
        }
    }
}

impl Touch {
    /// Does it over connections that no messages of changes are awaited on, each to the primary that has the key.
    pub(crate) async fn send(
        &self,
        to: impl AsyncFn(&StoreKey) -> Result<MultiplexedConnection, StoreError>,
    ) -> Result<Touched, StoreError> {
        let done = match &self.change {
            Change::None => expire(&mut to(&self.key).await?, &self.key, self.ttl).await?,
            Change::Value { old, new } => {
                let mut replace = redis::cmd("EVAL");
                replace.arg(REPLACE).arg(1).arg(self.key.expose()).arg(old).arg(new).arg(millis(self.ttl));
                ask(&replace, &mut to(&self.key).await?).await?
            }
            Change::Spring(change) => self.send_spring(to, change).await?,
        };
        Ok(if done > 0 { Touched::Extended } else { Touched::Left })
    }

    async fn send_spring(
        &self,
        to: impl AsyncFn(&StoreKey) -> Result<MultiplexedConnection, StoreError>,
        change: &SpringChange,
    ) -> Result<i64, StoreError> {
        // Only the indexed repository has this key, and once it is gone the session is over.
        let mut expires = redis::cmd("PEXPIRE");
        expires.arg(change.expires.expose()).arg(millis(self.ttl));
        let indexed = ask(&expires, &mut to(&change.expires).await?).await? > 0;
        let (life, most) = match indexed {
            true => (self.ttl + SPRING_GRACE, u64::MAX >> 12),
            false => (self.ttl, millis(change.left + Duration::from_secs(1))),
        };
        let mut script = redis::cmd("EVAL");
        script.arg(SPRING).arg(1).arg(self.key.expose()).arg(&change.old).arg(&change.interval);
        script.arg(&change.new).arg(millis(life)).arg(most);
        let done = ask(&script, &mut to(&self.key).await?).await?;
        if indexed && done > 0 {
            let [from, into] = &change.minutes;
            if from != into {
                let member = |verb, set: &StoreKey| {
                    let mut cmd = redis::cmd(verb);
                    cmd.arg(set.expose()).arg(&change.member);
                    cmd
                };
                ask(&member("SREM", from), &mut to(from).await?).await?;
                ask(&member("SADD", into), &mut to(into).await?).await?;
            }
            expire(&mut to(into).await?, into, life).await?;
        }
        Ok(done)
    }
}

/// Counts what became of a touch, and says so if our user may not.
pub(crate) fn note(done: &Result<Touched, StoreError>, metrics: &StoreMetrics, tell: &dyn Fn(LinkEvent<'_>)) {
    match done {
        Ok(Touched::Extended) => metrics.touched.inc(),
        Ok(Touched::Left) => metrics.touch_left.inc(),
        Err(error) => {
            if matches!(error, StoreError::Refused { .. }) {
                tell(LinkEvent::CannotTouch(error));
            }
            metrics.touch_failed.inc()
        }
    };
}

/// Longer, never shorter; a Redis before 7 does not know how to compare.
async fn expire(
    connection: &mut MultiplexedConnection,
    key: &StoreKey,
    ttl: Duration,
) -> Result<i64, StoreError> {
    let mut longer = redis::cmd("PEXPIRE");
    longer.arg(key.expose()).arg(millis(ttl)).arg("GT");
    match longer.query_async(connection).await {
        Err(error) if error.code() == Some("ERR") => {
            let mut plain = redis::cmd("PEXPIRE");
            plain.arg(key.expose()).arg(millis(ttl));
            ask(&plain, connection).await
        }
        answer => answer.map_err(classify),
    }
}

async fn ask(cmd: &redis::Cmd, connection: &mut MultiplexedConnection) -> Result<i64, StoreError> {
    cmd.query_async(connection).await.map_err(classify)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Value { .. } => "Value",
            Self::Spring(_) => "Spring",
        })
    }
}

//! Which sessions there are: what has passed through some gateway, by fingerprint and by user.
//!
//! Two records for each session: one is found by its fingerprint, the other is a field in its user's. Either is whole by itself, so that no
//! script needs two keys. What a record holds is sealed by who keeps it, and goes when its session would.

use crate::state::State;
use crate::store::StoreError;
use std::time::Duration;

/// More sessions than anybody has devices; the one that ends first makes way.
const SESSIONS_MAX: usize = 1000;

const NOTE: &str =
    "redis.call('HSET', KEYS[1], 'v', ARGV[1]) redis.call('PEXPIRE', KEYS[1], ARGV[2]) return {'noted'}";
const FIND: &str =
    "local found = redis.call('HGET', KEYS[1], 'v') if found then return {found} end return {}";
const NOTE_OF_USER: &str = include_str!("note.lua");
const OF_USER: &str = "return redis.call('HGETALL', KEYS[1])";
const FORGET: &str = "redis.call('HDEL', KEYS[1], ARGV[1]) return {'forgotten'}";
const DELETE: &str = "redis.call('DEL', KEYS[1]) return {'deleted'}";

/// A session to be noted.
#[derive(Debug)]
pub struct Noted<'a> {
    /// Its fingerprint.
    pub sid: &'a str,
    /// Whose it is, as a hash.
    pub user: &'a str,
    /// What leads to it, sealed.
    pub sealed: &'a [u8],
    /// How long it is worth knowing.
    pub life: Duration,
}

impl State {
    /// Notes a session, or that it goes on.
    ///
    /// # Errors
    /// [`StoreError`]; it may be half noted, and can be noted again.
    pub async fn note(&self, noted: &Noted<'_>) -> Result<(), StoreError> {
        let life = noted.life.as_millis().to_string();
        let (sid, user) = (self.key("sid", noted.sid), self.key("user", noted.user));
        self.store.run(NOTE, &sid, &[noted.sealed, life.as_bytes()]).await?;
        let most = SESSIONS_MAX.to_string();
        let args = [noted.sid.as_bytes(), life.as_bytes(), noted.sealed, most.as_bytes()];
        self.store.run(NOTE_OF_USER, &user, &args).await.map(drop)
    }

    /// What leads to the session of a fingerprint, sealed.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn noted(&self, sid: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.store.run(FIND, &self.key("sid", sid), &[]).await?.into_iter().next())
    }

    /// The sessions of a user: fingerprints, and what leads to each, sealed.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn noted_of(&self, user: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let found = self.store.run(OF_USER, &self.key("user", user), &[]).await?;
        let mut found = found.into_iter();
        let mut sessions = Vec::new();
        while let (Some(name), Some(value)) = (found.next(), found.next()) {
            // A time stands before what is sealed.
            let sealed = value.iter().position(|byte| *byte == b':').and_then(|at| value.get(at + 1..));
            if let (Ok(sid), Some(sealed)) = (String::from_utf8(name), sealed) {
                sessions.push((sid, sealed.to_vec()));
            }
        }
        Ok(sessions)
    }

    /// Forgets a session that is over.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn forget(&self, sid: &str, user: &str) -> Result<(), StoreError> {
        self.store.run(DELETE, &self.key("sid", sid), &[]).await?;
        self.store.run(FORGET, &self.key("user", user), &[sid.as_bytes()]).await.map(drop)
    }
}

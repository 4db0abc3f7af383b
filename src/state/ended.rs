//! What was ended at a gateway, so that all of them know: a list that each reads on, and what it made of it.
//!
//! An ended session is gone from its store, and that alone keeps it out. The list is for what is left: a request that the app was
//! still working on may write the record again (a *tombstone* names the fingerprint, the user and the hash of that record, so that a
//! later login is not locked out); sessions of a user that are still being looked for (a *mark* refuses them on sight); and
//! services that hold a token and cannot wait for its end (the feed).

use crate::clock::UnixMillis;
use crate::state::State;
use crate::store::StoreError;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// Most entries, in the list and in memory: a gateway that ends a thousand sessions a second for a minute is at war.
const ENDED_MAX: usize = 65_536;

/// How long a word about skew stands, in milliseconds: longer than tokens usually live, and than the pause until it is said again.
const SKEW_STANDS: u64 = 10 * 60 * 1000;
/// Different ones that are remembered: gateways of one deployment have one.
const SKEWS_MAX: usize = 16;

const TELL: &str = include_str!("tell.lua");
const SINCE: &str = "return redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf', 'WITHSCORES')";

/// One entry. Times are the gateways'.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Ended {
    /// A session.
    Session {
        /// Its fingerprint.
        sid: String,
        /// Whose it was, as a hash.
        user: String,
        /// Its record, as a hash; empty if there was none.
        record: String,
        /// Until when that matters.
        until: u64,
    },
    /// A session that its app ended: its record was gone. For the feed alone.
    Gone {
        /// Its fingerprint.
        sid: String,
        /// Until when that matters.
        until: u64,
    },
    /// All sessions of a user are over while the mark stands.
    User {
        /// Who, as a hash.
        user: String,
        /// But for this one.
        spared: Option<String>,
        /// Until when, unless it is lifted.
        until: u64,
    },
    /// The mark stands no more.
    Lifted {
        /// Of whom.
        user: String,
        /// Which tells one such entry from the next.
        at: u64,
    },
    /// One token.
    Token {
        /// Its `jti`.
        jti: String,
        /// Its end.
        until: u64,
    },
    /// How far a gateway sets the `iat` of its tokens back, in milliseconds. Told again and again, and nothing has ended.
    Skew {
        /// So much.
        millis: u64,
    },
}

/// What a gateway knows of the list; the same for all workers.
#[derive(Debug, Default)]
pub struct Endings {
    /// How often something was added; 0: nothing ever was, and nobody need look.
    generation: AtomicU64,
    /// How far this gateway sets `iat` back, in milliseconds.
    skew: AtomicU64,
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// In the order of their times, each with the generation in which it was learnt.
    entries: BTreeMap<(u64, String), (u64, Ended)>,
    sessions: HashMap<String, Vec<Tombstone>>,
    gone: HashMap<String, u64>,
    users: HashMap<String, (u64, Option<Mark>)>,
    tokens: HashMap<String, u64>,
    /// When each session was last said to be over.
    ended: HashMap<String, u64>,
    /// How far other gateways set `iat` back, and when they last said so.
    skews: HashMap<u64, u64>,
}

#[derive(Debug)]
struct Tombstone {
    user: String,
    record: String,
    until: u64,
}

#[derive(Debug)]
struct Mark {
    spared: Option<String>,
    until: u64,
}

impl State {
    /// Adds to the list, which keeps entries for so long; the time of the addition, by the server.
    ///
    /// # Errors
    /// [`StoreError`]; added again it is the same entry.
    pub async fn tell_ended(&self, ended: &Ended, keep: Duration) -> Result<u64, StoreError> {
        let text = serde_json::to_vec(ended).map_err(|_| StoreError::UnexpectedReply)?;
        let (keep, most) = (keep.as_millis().to_string(), ENDED_MAX.to_string());
        let args = [text.as_slice(), keep.as_bytes(), most.as_bytes()];
        let said = self.store.run(TELL, &self.key("ended", "list"), &args).await?;
        number(said.first()).ok_or(StoreError::UnexpectedReply)
    }

    /// What was added since then, with the times of addition.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn ended_since(&self, at: u64) -> Result<Vec<(u64, Ended)>, StoreError> {
        let from = at.to_string();
        let said = self.store.run(SINCE, &self.key("ended", "list"), &[from.as_bytes()]).await?;
        let mut said = said.into_iter();
        let mut found = Vec::new();
        while let (Some(text), Some(at)) = (said.next(), said.next()) {
            // What a later build writes is for later builds.
            if let (Ok(ended), Some(at)) = (serde_json::from_slice(&text), number(Some(&at))) {
                found.push((at, ended));
            }
        }
        Ok(found)
    }
}

impl Endings {
    /// Which state of knowledge this is.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Takes an entry in; one that is known already changes nothing.
    pub fn learn(&self, at: u64, ended: &Ended, now: UnixMillis) {
        let name = ended.name();
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if let Ended::Skew { millis } = ended {
            // Nobody need look again for that.
            table.hear_of_skew(*millis, at);
            return;
        }
        if ended.until().is_some_and(|until| until <= now.as_millis())
            || table.entries.contains_key(&(at, name.clone()))
        {
            return;
        }
        if table.entries.len() >= ENDED_MAX {
            table.prune(now);
        }
        table.take(at, ended);
        // Counted under the lock: who has seen a generation has seen every entry up to it.
        let generation = self.generation.load(Ordering::Relaxed) + 1;
        table.entries.insert((at, name), (generation, ended.clone()));
        self.generation.store(generation, Ordering::Release);
    }

    /// Whether this session is over, whatever its store says. `user` and `record` are asked for hashes only where it matters.
    pub fn refuses(
        &self,
        sid: &str,
        user: impl FnOnce() -> String,
        record: impl FnOnce() -> Option<String>,
        now: UnixMillis,
    ) -> bool {
        let (table, now) = (self.table.read().unwrap_or_else(PoisonError::into_inner), now.as_millis());
        let tombstones = table.sessions.get(sid);
        if tombstones.is_none() && table.users.is_empty() {
            return false;
        }
        let user = user();
        let mark = table.users.get(&user).and_then(|(_, mark)| mark.as_ref());
        if mark.is_some_and(|mark| mark.until > now && mark.spared.as_deref() != Some(sid)) {
            return true;
        }
        let Some(tombstones) = tombstones else { return false };
        let record = record();
        tombstones
            .iter()
            .any(|dead| dead.until > now && dead.user == user && Some(&dead.record) == record.as_ref())
    }

    /// Whether it is told already that a session is over.
    pub fn has_session(&self, sid: &str, now: UnixMillis) -> bool {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let now = now.as_millis();
        table.gone.get(sid).is_some_and(|until| *until > now)
            || table.sessions.get(sid).is_some_and(|dead| dead.iter().any(|dead| dead.until > now))
    }

    /// Whether a token was ended by its id.
    pub fn has_token(&self, jti: &str, now: UnixMillis) -> bool {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.tokens.get(jti).is_some_and(|until| *until > now.as_millis())
    }

    /// Takes note of how far this gateway sets `iat` back.
    pub fn set_back_by(&self, skew: Duration) {
        self.skew.store(u64::try_from(skew.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The same as it is told to the others.
    pub fn skew(&self) -> Ended {
        Ended::Skew { millis: self.skew.load(Ordering::Relaxed) }
    }

    /// A moment as the `iat` of tokens of that moment has it. Of gateways that differ, the one that sets back least counts: else what
    /// it had made a moment before would pass for younger than it is.
    pub fn as_iat(&self, at: u64) -> u64 {
        self.table
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .as_iat(at, self.skew.load(Ordering::Relaxed))
    }

    /// When a session was last said to be over, and the `iat` which tokens of that moment have: those up to it are of no use, though
    /// the same user may have logged in again under the same id.
    pub fn last_end(&self, sid: &str) -> Option<(UnixMillis, u64)> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let at = *table.ended.get(sid)?;
        Some((UnixMillis::new(at), table.as_iat(at, self.skew.load(Ordering::Relaxed))))
    }

    /// Everything that still matters, in the order of its times: the generation in which it was learnt, its time, and what it is.
    pub fn standing(&self, now: UnixMillis) -> Vec<(u64, u64, Ended)> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let matters = |ended: &Ended| ended.until().is_none_or(|until| until > now.as_millis());
        let entries = table.entries.iter().filter(|(_, (_, ended))| matters(ended));
        entries.map(|((at, _), (learnt, ended))| (*learnt, *at, ended.clone())).collect()
    }
}

impl Table {
    fn take(&mut self, at: u64, ended: &Ended) {
        match ended {
            Ended::Session { sid, user, record, until } => {
                let dead = Tombstone { user: user.clone(), record: record.clone(), until: *until };
                self.sessions.entry(sid.clone()).or_default().push(dead);
                self.end(sid, at);
            }
            Ended::Gone { sid, until } => {
                self.gone.insert(sid.clone(), *until);
                self.end(sid, at);
            }
            Ended::Skew { millis } => self.hear_of_skew(*millis, at),
            Ended::User { user, spared, until } => {
                self.mark(at, user, Some(Mark { spared: spared.clone(), until: *until }));
            }
            Ended::Lifted { user, .. } => self.mark(at, user, None),
            Ended::Token { jti, until } => {
                self.tokens.insert(jti.clone(), *until);
            }
        }
    }

    fn end(&mut self, sid: &str, at: u64) {
        let known = self.ended.entry(sid.to_owned()).or_default();
        *known = at.max(*known);
    }

    fn hear_of_skew(&mut self, millis: u64, at: u64) {
        self.skews.retain(|_, said| at.saturating_sub(*said) < SKEW_STANDS);
        if self.skews.len() < SKEWS_MAX || self.skews.contains_key(&millis) {
            let said = self.skews.entry(millis).or_default();
            *said = at.max(*said);
        }
    }

    fn as_iat(&self, at: u64, own: u64) -> u64 {
        let least = self.skews.keys().copied().min().map_or(own, |other| other.min(own));
        at.saturating_sub(least) / 1000
    }

    /// The latest word counts, in whatever order they come.
    fn mark(&mut self, at: u64, user: &str, mark: Option<Mark>) {
        let known = self.users.entry(user.to_owned()).or_insert((0, None));
        if known.0 <= at {
            *known = (at, mark);
        }
    }

    /// Drops what has had its time, and the oldest beyond that.
    fn prune(&mut self, now: UnixMillis) {
        self.entries.retain(|_, (_, ended)| ended.until().is_some_and(|until| until > now.as_millis()));
        // Some at once: to count them all again for each would be work that grows with them.
        while self.entries.len() >= ENDED_MAX / 4 * 3 {
            self.entries.pop_first();
        }
        let entries = std::mem::take(&mut self.entries);
        (self.sessions, self.gone, self.users) = Default::default();
        (self.tokens, self.ended) = Default::default();
        entries.iter().for_each(|((at, _), (_, ended))| self.take(*at, ended));
        self.entries = entries;
    }
}

impl Ended {
    /// Until when it matters.
    const fn until(&self) -> Option<u64> {
        match self {
            Self::Session { until, .. }
            | Self::Gone { until, .. }
            | Self::User { until, .. }
            | Self::Token { until, .. } => Some(*until),
            Self::Lifted { .. } | Self::Skew { .. } => None,
        }
    }

    /// Which one it is, of those that were added in the same millisecond.
    fn name(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn number(text: Option<&Vec<u8>>) -> Option<u64> {
    // Redis writes large scores with an exponent.
    let text = std::str::from_utf8(text?).ok()?;
    text.parse().ok().or_else(|| Some(text.parse::<f64>().ok()? as u64))
}

#[cfg(test)]
mod tests;

//! What is written down of the keys, and what the schedule makes of it.
//!
//! A key is made and published (`standby`), signs when the one before it is old enough and every service has had time to fetch it,
//! stays published for the last of its tokens (`leaving`), and is retired. Of each algorithm one signs and one stands by, so that
//! signing can change hands at any moment without an unknown `kid`. All of it is a function of the ledger and the time: whoever
//! keeps the ledger, in a directory or a Redis, calls [`Ledger::advance`] and writes down what came of it.

use crate::clock::UnixMillis;
use crate::config::Algorithm;
use crate::token::key::name;
use crate::token::ring::Phase;
use serde_json::{Value, json};
use std::time::Duration;

/// Keys at once; with more that leave, signing does not change hands. A set is read by every service.
const KEYS_MAX: usize = 64;

/// One key, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    /// Since when services can fetch it.
    pub(super) published_at: UnixMillis,
    pub(super) signs_from: Option<UnixMillis>,
    pub(super) signs_until: Option<UnixMillis>,
    /// Somebody else's file, which is only left alone when it is retired.
    pub(super) retired_at: Option<UnixMillis>,
    /// An operator wants it to sign as soon as every service can know it.
    pub(super) is_wanted: bool,
    /// Whether we made it.
    pub(super) is_ours: bool,
    /// Where the private key is: a file's name, or the key itself, sealed.
    pub(super) key: String,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    pub(super) entries: Vec<Entry>,
    /// The key of fingerprints, sealed; where it is kept beside the others.
    pub(super) fingerprint: Option<String>,
}

/// What the schedule goes by.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Of each of these one key signs.
    pub(super) algorithms: Vec<Algorithm>,
    /// How long a key signs.
    pub(super) every: Duration,
    /// How long a key is published before it signs.
    pub(super) publish: Duration,
    /// How long it stays published when it signs no more.
    pub(super) keep: Duration,
}

/// What changed, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Made(String),
    Signs { kid: String, before: Option<String> },
    Retired(String),
}

impl Entry {
    /// A key that is made and published now.
    pub(super) const fn new(kid: String, algorithm: Algorithm, key: String, now: UnixMillis) -> Self {
        Self {
            kid,
            algorithm,
            published_at: now,
            signs_from: None,
            signs_until: None,
            retired_at: None,
            is_wanted: false,
            is_ours: true,
            key,
        }
    }

    /// Where it is on its way; `None`: retired.
    pub(super) const fn phase(&self) -> Option<Phase> {
        match (self.retired_at, self.signs_from, self.signs_until) {
            (Some(_), _, _) => None,
            (None, None, _) => Some(Phase::Standby),
            (None, Some(_), None) => Some(Phase::Signs),
            (None, Some(_), Some(_)) => Some(Phase::Leaving),
        }
    }

    fn is(&self, algorithm: Algorithm, phase: Phase) -> bool {
        self.algorithm == algorithm && self.phase() == Some(phase)
    }
}

impl Ledger {
    /// Does what is due. `make` makes a key.
    pub(super) fn advance<E>(
        &mut self,
        rules: &Rules,
        now: UnixMillis,
        mut make: impl FnMut(Algorithm) -> Result<Entry, E>,
    ) -> Result<Vec<Step>, E> {
        let mut steps = Vec::new();
        for algorithm in rules.algorithms.iter().copied() {
            if self.standby(algorithm).is_none() {
                self.add(make(algorithm)?, &mut steps);
            }
            let since = self.of(algorithm, Phase::Signs).and_then(|signer| signer.signs_from);
            let standby = self.standby(algorithm);
            let (known, wanted) = standby.map_or((false, false), |standby| {
                (standby.published_at.plus(rules.publish) <= now, standby.is_wanted)
            });
            let old = since.is_some_and(|since| since.plus(rules.every) <= now);
            let room = self.entries.len() < KEYS_MAX;
            // The very first signs at once: no service has fetched anything yet.
            if since.is_none() || (known && room && (old || wanted)) {
                self.promote(algorithm, now, &mut steps);
                self.add(make(algorithm)?, &mut steps);
            }
        }
        for entry in self.entries.iter_mut().filter(|entry| !rules.algorithms.contains(&entry.algorithm)) {
            if entry.phase() == Some(Phase::Signs) {
                entry.signs_until = Some(now);
            }
        }
        let gone = |entry: &Entry| entry.signs_until.is_some_and(|until| until.plus(rules.keep) <= now);
        let due: Vec<String> =
            self.entries.iter().filter(|entry| gone(entry)).map(|entry| entry.kid.clone()).collect();
        for kid in due {
            self.retire(&kid, now, &mut steps);
        }
        Ok(steps)
    }

    /// Has the standby key sign from now on, known to services or not; whether there is one.
    pub(super) fn promote(&mut self, algorithm: Algorithm, now: UnixMillis, steps: &mut Vec<Step>) -> bool {
        let Some(next) = self.standby(algorithm).map(|entry| entry.kid.clone()) else { return false };
        let before = self.of(algorithm, Phase::Signs).map(|entry| entry.kid.clone());
        for entry in &mut self.entries {
            if entry.kid == next {
                (entry.signs_from, entry.is_wanted) = (Some(now), false);
            } else if entry.is(algorithm, Phase::Signs) {
                entry.signs_until = Some(now);
            }
        }
        steps.push(Step::Signs { kid: next, before });
        true
    }

    /// Takes a key out; whether it was there and not retired before.
    pub(super) fn retire(&mut self, kid: &str, now: UnixMillis, steps: &mut Vec<Step>) -> bool {
        let Some(entry) =
            self.entries.iter_mut().find(|entry| entry.kid == kid && entry.retired_at.is_none())
        else {
            return false;
        };
        entry.retired_at = Some(now);
        steps.push(Step::Retired(kid.to_owned()));
        let is_ours = entry.is_ours;
        self.entries.retain(|entry| !(is_ours && entry.kid == kid));
        true
    }

    /// Has the standby key sign as soon as every service can know it.
    pub(super) fn want(&mut self, algorithm: Algorithm) {
        let next = self.standby(algorithm).map(|entry| entry.kid.clone());
        for entry in self.entries.iter_mut().filter(|entry| Some(&entry.kid) == next.as_ref()) {
            entry.is_wanted = true;
        }
    }

    /// Writes a key down.
    pub(super) fn add(&mut self, entry: Entry, steps: &mut Vec<Step>) {
        steps.push(Step::Made(entry.kid.clone()));
        self.entries.push(entry);
    }

    /// The entry of a key.
    pub(super) fn find(&self, kid: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.kid == kid)
    }

    /// The key that signs next: the one published first.
    pub(super) fn standby(&self, algorithm: Algorithm) -> Option<&Entry> {
        let standing = self.entries.iter().filter(|entry| entry.is(algorithm, Phase::Standby));
        standing.min_by_key(|entry| (!entry.is_wanted, entry.published_at))
    }

    /// The first key of this algorithm in this phase.
    pub(super) fn of(&self, algorithm: Algorithm, phase: Phase) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.is(algorithm, phase))
    }

    /// As JSON.
    pub(super) fn write(&self) -> String {
        let entry = |entry: &Entry| {
            json!({
                "kid": entry.kid,
                "algorithm": name(entry.algorithm),
                "published_at": entry.published_at.as_millis(),
                "signs_from": entry.signs_from.map(UnixMillis::as_millis),
                "signs_until": entry.signs_until.map(UnixMillis::as_millis),
                "retired_at": entry.retired_at.map(UnixMillis::as_millis),
                "wanted": entry.is_wanted,
                "ours": entry.is_ours,
                "key": entry.key,
            })
        };
        let keys: Vec<Value> = self.entries.iter().map(entry).collect();
        format!("{:#}\n", json!({ "version": 1, "keys": keys, "fingerprint": self.fingerprint }))
    }

    /// What [`Ledger::write`] wrote; `None` if it is not that.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(text).ok()?;
        if value.get("version")?.as_u64()? != 1 {
            return None;
        }
        let entries = value.get("keys")?.as_array()?.iter().map(entry_of).collect::<Option<Vec<_>>>()?;
        let fingerprint = value.get("fingerprint").and_then(Value::as_str).map(str::to_owned);
        Some(Self { entries, fingerprint })
    }
}

fn entry_of(value: &Value) -> Option<Entry> {
    let text = |member: &str| value.get(member)?.as_str().map(str::to_owned);
    let time = |member: &str| value.get(member).and_then(Value::as_u64).map(UnixMillis::new);
    let truth = |member: &str| value.get(member).and_then(Value::as_bool).unwrap_or(false);
    let algorithm = text("algorithm")?;
    let all = [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256];
    Some(Entry {
        kid: text("kid")?,
        algorithm: all.into_iter().find(|one| name(*one) == algorithm)?,
        published_at: time("published_at")?,
        signs_from: time("signs_from"),
        signs_until: time("signs_until"),
        retired_at: time("retired_at"),
        is_wanted: truth("wanted"),
        is_ours: truth("ours"),
        key: text("key")?,
    })
}

#[cfg(test)]
mod tests;

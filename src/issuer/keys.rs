//! The keys of an issuer, and how they stay fresh.
//!
//! A set that is fetched is fetched at the start, again when it is old, and at once when a token names a `kid` that is not in
//! it: issuers rotate their keys when they like. One task fetches ([`Keys::watch`]), so that a thousand requests that wait
//! for a new key cost one exchange; they wait for its next attempt to end, and no longer than that may take.
//!
//! The budget: anybody can make up a `kid`. A refetch for one costs a coin; there are a few to begin with, and one more comes
//! every half minute. Without a coin an unknown `kid` is just unknown: the set is never older than half a minute then.

use crate::clock::in_words;
use crate::codec::seal::{self, Hash};
use crate::config::IssuerId;
use crate::format::jwk::{JwkSet, SET_BYTES_MAX};
use crate::format::jws::JwsKey;
use crate::issuer::reject::Unavailable;
use crate::telemetry::{IssuerMetrics, chain};
use crate::web::{EXCHANGE_MAX, FetchError, Web};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// How old a set may get, if it does not say.
const FRESH: Duration = Duration::from_secs(300);
/// What it says counts within these.
const FRESH_MIN: Duration = Duration::from_secs(60);
const FRESH_MAX: Duration = Duration::from_secs(3600);
/// The first wait after a fetch that failed; each further one doubles it.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Refetches for unknown `kid`s that can be had at once, and how soon another one comes.
const COINS_MAX: u32 = 4;
const COIN_EVERY: Duration = Duration::from_secs(30);

/// Keys as of one moment.
#[derive(Debug)]
pub(super) struct KeySet {
    /// Which set it is: tokens that another one verified have to be verified again.
    pub(super) generation: u64,
    keys: Vec<(Option<String>, JwsKey)>,
    hash: Vec<u8>,
}

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct Keys {
    issuer: IssuerId,
    current: Mutex<Option<Arc<KeySet>>>,
    /// That of `current`, to be read without its lock; 0 before there is one.
    generation: AtomicU64,
    remote: Option<Remote>,
    is_own: bool,
}

/// Where they are fetched from.
#[derive(Debug)]
struct Remote {
    name: String,
    web: Web,
    attempts: watch::Sender<Attempts>,
    wanted: Notify,
    budget: Mutex<Budget>,
    metrics: IssuerMetrics,
}

/// Fetches so far.
#[derive(Clone, Debug, Default)]
struct Attempts {
    finished: u64,
    trouble: Option<Arc<FetchError>>,
}

#[derive(Debug)]
struct Budget {
    coins: u32,
    since: Instant,
    /// The attempt after which the last coin bought another.
    bought_after: Option<u64>,
}

impl KeySet {
    /// Those that a token with this `kid` may be signed by.
    pub(super) fn candidates(&self, kid: Option<&str>) -> impl Iterator<Item = &JwsKey> {
        let fits = move |known: &Option<String>| match (known, kid) {
            (Some(known), Some(kid)) => known == kid,
            (None, _) | (_, None) => true,
        };
        self.keys.iter().filter(move |(known, _)| fits(known)).map(|(_, key)| key)
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.keys.len()
    }
}

impl Keys {
    /// Keys that are there, and stay.
    pub(super) fn fixed(issuer: IssuerId, keys: Vec<(Option<String>, JwsKey)>) -> Self {
        let set = KeySet { generation: 1, keys, hash: Vec::new() };
        let current = Mutex::new(Some(Arc::new(set)));
        Self { issuer, current, generation: AtomicU64::new(1), remote: None, is_own: false }
    }

    /// Our own, which [`Keys::follow`] our ring.
    pub(super) fn own(issuer: IssuerId, jwks: &[u8]) -> Self {
        let own = Self { is_own: true, ..Self::fixed(issuer, Vec::new()) };
        own.follow(jwks);
        own
    }

    /// Goes on with our ring's keys as they are now, if these are our own.
    pub(super) fn follow(&self, jwks: &[u8]) {
        // What we publish ourselves can be read; were it not, no token would verify.
        let keys = JwkSet::read(jwks).map(|set| set.keys).unwrap_or_default();
        if self.is_own {
            self.replace(Loaded { keys, hash: seal::digest(Hash::Sha256, &[jwks]) });
        }
    }

    /// Whether they are our own.
    pub(super) const fn are_own(&self) -> bool {
        self.is_own
    }

    /// Keys that [`Keys::watch`] will fetch.
    pub(super) fn fetched(issuer: IssuerId, name: &str, web: Web, metrics: IssuerMetrics) -> Self {
        let remote = Remote {
            name: name.to_owned(),
            web,
            attempts: watch::Sender::default(),
            wanted: Notify::new(),
            budget: Mutex::new(Budget { coins: COINS_MAX, since: Instant::now(), bought_after: None }),
            metrics,
        };
        let remote = Some(remote);
        Self { issuer, current: Mutex::default(), generation: AtomicU64::new(0), remote, is_own: false }
    }

    /// Which set is the current one.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether somebody has to [`Keys::watch`].
    pub(super) const fn are_fetched(&self) -> bool {
        self.remote.is_some()
    }

    /// The current set; before there is one, what the first fetch brings.
    pub(super) async fn current(&self) -> Result<Arc<KeySet>, Unavailable> {
        if let Some(set) = self.held() {
            return Ok(set);
        }
        let Some(remote) = &self.remote else { return Err(self.unavailable(None)) };
        let trouble = remote.after(0).await;
        self.held().ok_or_else(|| self.unavailable(trouble.flatten()))
    }

    /// A set that is newer than `known`, which lacks a key, if there is one and the budget allows to look.
    pub(super) async fn newer(&self, known: &KeySet) -> Result<Option<Arc<KeySet>>, Unavailable> {
        let newer = || self.held().filter(|set| set.generation != known.generation);
        let (None, Some(remote)) = (newer(), &self.remote) else { return Ok(newer()) };
        let Attempts { finished, trouble } = remote.attempts.borrow().clone();
        if !remote.buy(finished) {
            // What was not asked again is as good as it was: unknown, or not to be had.
            return if trouble.is_some() { Err(self.unavailable(trouble)) } else { Ok(None) };
        }
        remote.wanted.notify_one();
        match remote.after(finished).await {
            Some(None) => Ok(newer()),
            Some(trouble) => Err(self.unavailable(trouble)),
            None => Err(self.unavailable(None)),
        }
    }

    /// Fetches, for as long as it is polled.
    pub(super) async fn watch(&self) {
        let Some(remote) = &self.remote else { return };
        let mut retry = RETRY_MIN;
        loop {
            let (pause, trouble) = match remote.fetch().await {
                Ok((set, fresh)) => {
                    remote.metrics.fetched.inc();
                    self.replace(set);
                    retry = RETRY_MIN;
                    (fresh, None)
                }
                Err(error) => {
                    remote.metrics.failed.inc();
                    let (issuer, again) = (&remote.name, in_words(retry));
                    tracing::warn!(issuer, error = %chain(&error), again, "an issuer's keys could not be fetched");
                    let pause = retry;
                    retry = (retry * 2).min(RETRY_MAX);
                    (pause, Some(Arc::new(error)))
                }
            };
            remote.attempts.send_modify(|attempts| {
                attempts.finished += 1;
                attempts.trouble = trouble;
            });
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = remote.wanted.notified() => {}
            }
        }
    }

    fn held(&self) -> Option<Arc<KeySet>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a set, unless it is the one that is there already.
    fn replace(&self, Loaded { keys, hash }: Loaded) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|set| set.hash == hash) {
            return;
        }
        let generation = self.generation() + 1;
        *current = Some(Arc::new(KeySet { generation, keys, hash }));
        self.generation.store(generation, Ordering::Release);
    }

    const fn unavailable(&self, source: Option<Arc<FetchError>>) -> Unavailable {
        Unavailable { issuer: self.issuer, source }
    }
}

/// A set that was just fetched.
struct Loaded {
    keys: Vec<(Option<String>, JwsKey)>,
    hash: Vec<u8>,
}

impl Remote {
    async fn fetch(&self) -> Result<(Loaded, Duration), FetchError> {
        let fetched = self.web.get(SET_BYTES_MAX).await?;
        let JwkSet { keys, .. } = JwkSet::read(&fetched.body).map_err(FetchError::Unusable)?;
        let hash = seal::digest(Hash::Sha256, &[&fetched.body]);
        let fresh = fetched.max_age.map_or(FRESH, |age| age.clamp(FRESH_MIN, FRESH_MAX));
        Ok((Loaded { keys, hash }, fresh))
    }

    /// What went wrong with the attempt after so many, once it has ended; `None` if that takes too long.
    async fn after(&self, finished: u64) -> Option<Option<Arc<FetchError>>> {
        let mut attempts = self.attempts.subscribe();
        let ended = attempts.wait_for(|attempts| attempts.finished > finished);
        let ended = tokio::time::timeout(EXCHANGE_MAX + Duration::from_millis(500), ended).await;
        ended.ok()?.ok().map(|attempts| attempts.trouble.clone())
    }

    /// Whether an attempt after so many is paid for; all that wait for the same one share its price.
    fn buy(&self, finished: u64) -> bool {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        if budget.bought_after == Some(finished) {
            return true;
        }
        let earned = budget.since.elapsed().as_millis() / COIN_EVERY.as_millis();
        if earned > 0 {
            budget.coins =
                u32::try_from(earned).unwrap_or(COINS_MAX).saturating_add(budget.coins).min(COINS_MAX);
            budget.since = Instant::now();
        }
        let Some(left) = budget.coins.checked_sub(1) else { return false };
        budget.coins = left;
        budget.bought_after = Some(finished);
        true
    }
}

#[cfg(test)]
mod tests;

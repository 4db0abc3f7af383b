//! The keys that sign and the keys that services may still meet.

use crate::clock::UnixMillis;
use crate::config::{Algorithm, At, ConfigError, KeySource, Located, Secret, Tokens};
use crate::disk;
use crate::session::FingerprintKey;
use crate::token::directory;
use crate::token::error::TokenError;
use crate::token::file::{self, KeyWarning};
use crate::token::fingerprint;
use crate::token::key::{Key, name, needed, recipe};
use crate::token::ledger::{Entry, Ledger};
use crate::token::pair::Pair;
use crate::token::pairwise::PairwiseKey;
use crate::token::readers::Readers;
use crate::token::reference::Reference;
use crate::token::ring::{Phase, Ring};
use crate::token::veil::Veil;
use arc_swap::ArcSwap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Where mistakes about files belong.
const KEY: &str = "tokens.keys.files";

/// Half the time that a key is published before it signs, and no more than five minutes: no cache of this age can miss a new key,
/// and one that is removed is gone soon.
const MAX_AGE: Duration = Duration::from_secs(300);

/// The keys of this gateway: the ring of this moment, swapped whole when it changes, and the key of fingerprints, which stays.
/// Tokens that another ring's key signed are dropped because their `kid` differs.
pub struct KeyRing {
    current: ArcSwap<Ring>,
    is_ready: AtomicBool,
    fingerprints: FingerprintKey,
    own: OnceLock<OwnKeys>,
    max_age: Duration,
    readers: Readers,
    warnings: Vec<KeyWarning>,
}

/// What is made of the key of fingerprints.
pub(super) struct OwnKeys {
    /// For each audience's own `sub`.
    pub(super) pairwise: PairwiseKey,
    /// For sessions that only we find.
    pub(super) veil: Veil,
    /// For tokens that only we read.
    pub(super) reference: Reference,
}

impl KeyRing {
    /// Reads the keys, or makes the first one where `directory` has none for an algorithm; with `stand_in` what is made is
    /// written nowhere. Those that are in `[state]` come later. Blocks on disk, and for an
    /// RSA key that is made for a quarter of a second: not for a worker.
    ///
    /// # Errors
    /// Every file that cannot be used, at the place that names it.
    pub fn load(tokens: &Tokens) -> Result<Self, Vec<ConfigError>> {
        let mut warnings = Vec::new();
        let (algorithms, stand_in) = (tokens.algorithms(), tokens.stand_in);
        let (loaded, folder, at, key) = match &tokens.keys {
            KeySource::State { at, .. } => {
                return Self::elsewhere(tokens)
                    .ok_or_else(|| vec![no_key(*at, "tokens.keys.state", tokens.algorithm.value)]);
            }
            KeySource::Directory(path) => {
                let written = || directory::ledger(path).map_err(|error| vec![error]);
                let mut load = || directory::load(path, &algorithms, stand_in, &mut warnings);
                let (mut ledger, mut keys) = (written()?, load());
                if ledger.is_none() {
                    // One that was begun meanwhile knows which of the keys stand by.
                    ledger = written()?;
                    keys = if ledger.is_some() { load() } else { keys };
                }
                let keys = keys.map(|keys| phased(keys, ledger.as_ref(), &algorithms));
                (keys, path.value.clone(), path.at, directory::KEY)
            }
            KeySource::Files(paths) => {
                let keys = from_files(paths, tokens, &mut warnings);
                let keys = keys.map(|keys| phased(keys, None, &algorithms));
                let first = paths.first();
                let folder = first.map(|path| disk::folder(&path.value).to_owned()).unwrap_or_default();
                (keys, folder, first.map_or(tokens.algorithm.at, |path| path.at), KEY)
            }
        };
        // Asked even if the keys are wrong, so that all mistakes come together; not where nothing could be made anyway.
        let fingerprint = if folder.is_dir() || (stand_in && !folder.exists()) {
            fingerprint::load(&folder, at, key, stand_in, &mut warnings).map_err(|error| vec![error])
        } else {
            Err(Vec::new())
        };
        let no_key = |algorithm| vec![no_key(at, key, algorithm)];
        let (ring, fingerprint) = match (loaded, fingerprint) {
            (Ok(ring), Ok(fingerprint)) => (ring, fingerprint),
            (loaded, fingerprint) => {
                let mut errors = loaded.err().unwrap_or_default();
                errors.extend(fingerprint.err().unwrap_or_default());
                return Err(if errors.is_empty() { no_key(tokens.algorithm.value) } else { errors });
            }
        };
        match algorithms.into_iter().find(|algorithm| ring.signer(*algorithm).is_none()) {
            Some(missing) => Err(no_key(missing)),
            None => Ok(Self::of(ring, Some(fingerprint), warnings, tokens)),
        }
    }

    /// Without keys until somebody brings them; with `stand_in` with some that are thrown away.
    fn elsewhere(tokens: &Tokens) -> Option<Self> {
        if !tokens.stand_in {
            return Some(Self::of(Ring::new([]), None, Vec::new(), tokens));
        }
        let made = tokens.algorithms().into_iter().map(|algorithm| {
            let pem = Pair::generate(algorithm)?;
            let key = Key::new(Pair::from_pem(pem.as_bytes()).ok()?, algorithm)?;
            Some((Arc::new(key), Phase::Signs))
        });
        let mut spare = vec![0; 32];
        aws_lc_rs::rand::fill(&mut spare).ok()?;
        let ring = Ring::new(made.collect::<Option<Vec<_>>>()?);
        Some(Self::of(ring, Some(Secret::new(spare)), vec![KeyWarning::KeysElsewhere], tokens))
    }

    fn of(ring: Ring, fingerprint: Option<Secret>, warnings: Vec<KeyWarning>, tokens: &Tokens) -> Self {
        let max_age = match &tokens.keys {
            KeySource::Files(_) => MAX_AGE,
            KeySource::Directory(_) | KeySource::State { .. } => (tokens.rotation.publish / 2).min(MAX_AGE),
        };
        let keys = Self {
            is_ready: AtomicBool::new(!ring.is_empty()),
            current: ArcSwap::from_pointee(ring),
            fingerprints: FingerprintKey::default(),
            own: OnceLock::new(),
            max_age,
            readers: Readers::default(),
            warnings,
        };
        if let Some(fingerprint) = fingerprint {
            keys.set_fingerprint(&fingerprint);
        }
        keys
    }

    /// The keys of this moment, for one atomic load.
    pub fn now(&self) -> arc_swap::Guard<Arc<Ring>> {
        self.current.load()
    }

    /// Whether there are any yet.
    pub fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }

    /// Goes on with another ring; whether it is another.
    pub fn replace(&self, ring: Ring) -> bool {
        let kids = |ring: &Ring| -> Vec<_> {
            ring.phases().map(|(key, phase)| (Arc::clone(key.kid()), phase)).collect()
        };
        let (after, is_ready) = (kids(&ring), !ring.is_empty());
        let differs = kids(&self.current.swap(Arc::new(ring))) != after;
        self.is_ready.store(is_ready, Ordering::Release);
        differs
    }

    /// Takes the key of fingerprints, unless there is one.
    pub(super) fn set_fingerprint(&self, key: &Secret) {
        self.fingerprints.set(key.expose());
        self.own.get_or_init(|| OwnKeys {
            pairwise: PairwiseKey::new(key),
            veil: Veil::new(key),
            reference: Reference::new(key),
        });
    }

    /// The key that fingerprints of session ids are made with.
    pub const fn fingerprints(&self) -> &FingerprintKey {
        &self.fingerprints
    }

    /// What belongs to the key of fingerprints.
    ///
    /// # Errors
    /// `NoKey` before there is one.
    pub(super) fn own(&self) -> Result<&OwnKeys, TokenError> {
        self.own.get().ok_or(TokenError::NoKey)
    }

    /// How long services may go by the key set that they fetched, in whole seconds.
    pub fn max_age(&self) -> Duration {
        Duration::from_secs(self.max_age.as_secs().max(1))
    }

    /// Who has fetched it.
    /// Who has fetched the key set lately, as `agent (address) at time`.
    pub fn fetchers(&self, now: UnixMillis) -> Vec<String> {
        let known = self.readers.known(now).into_iter();
        known
            .map(|reader| format!("{} ({}) at {}", reader.agent, reader.client, reader.fetched_at.rfc3339()))
            .collect()
    }

    pub(super) const fn readers(&self) -> &Readers {
        &self.readers
    }

    /// Whether a key that signs is one that stands in and is written nowhere.
    pub fn stands_in(&self) -> bool {
        let stand_in = |warning: &KeyWarning| {
            matches!(warning, KeyWarning::KeyMissing { .. } | KeyWarning::KeysElsewhere)
        };
        self.warnings.iter().any(stand_in)
    }

    /// What an operator should know about the files.
    pub fn warnings(&self) -> &[KeyWarning] {
        &self.warnings
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.now().fmt(f)
    }
}

/// The keys as the ledger has them. Where nobody keeps one, and where it has no key that signs, the first for each algorithm does.
fn phased(keys: Vec<Key>, ledger: Option<&Ledger>, algorithms: &[Algorithm]) -> Ring {
    let mut phased = Vec::new();
    for key in keys {
        match ledger.and_then(|ledger| ledger.find(key.kid())).map(Entry::phase) {
            None => phased.push((Arc::new(key), Phase::Standby)),
            Some(Some(phase)) => phased.push((Arc::new(key), phase)),
            // It is retired, and its file is another's.
            Some(None) => {}
        }
    }
    for algorithm in algorithms.iter().copied() {
        let is = |(key, phase): &(Arc<Key>, Phase), wanted| key.algorithm() == algorithm && *phase == wanted;
        if !phased.iter().any(|one| is(one, Phase::Signs))
            && let Some((_, phase)) = phased.iter_mut().find(|one| is(one, Phase::Standby))
        {
            *phase = Phase::Signs;
        }
    }
    phased.sort_by_key(|(_, phase)| *phase);
    Ring::new(phased)
}

fn no_key(at: At, key: &str, algorithm: Algorithm) -> ConfigError {
    ConfigError::new(at, key, "no key", format!("{} to sign with", needed(algorithm))).hint(recipe(algorithm))
}

/// The keys of `files`. The first must fit the algorithm, since it signs; the others may be of any kind, since they are
/// published only: so a change of algorithm can be announced before it happens and the old key outlive it.
fn from_files(
    paths: &[Located<PathBuf>],
    tokens: &Tokens,
    warnings: &mut Vec<KeyWarning>,
) -> Result<Vec<Key>, Vec<ConfigError>> {
    let (wanted, all) = (tokens.algorithm.value, tokens.algorithms());
    let (mut keys, mut errors) = (Vec::new(), Vec::new());
    for (index, path) in paths.iter().enumerate() {
        let shown = path.value.display();
        let accepted = if index == 0 {
            format!("{}, because `algorithm = \"{}\"`", needed(wanted), name(wanted))
        } else {
            "a private key for ES256, EdDSA, ES384, RS256 or PS256".to_owned()
        };
        let mistake = |found: String| {
            ConfigError::new(path.at, KEY, found, accepted).hint(format!("make one: {}", recipe(wanted)))
        };
        let held = match file::read(&path.value, warnings) {
            Ok(pem) => Pair::from_pem(&pem).map_err(|held| format!("`{shown}` holds {held}")),
            Err(error) => Err(format!("`{shown}` cannot be read: {error}")),
        };
        match held {
            Err(found) => errors.push(mistake(found)),
            Ok(pair) if index == 0 && !pair.signs(wanted) => {
                errors.push(mistake(format!("`{shown}` holds {}", pair.kind())));
            }
            Ok(pair) => {
                let own = all.iter().copied().find(|algorithm| pair.signs(*algorithm));
                let own = own.unwrap_or_else(|| pair.algorithm(wanted));
                keys.extend(Key::new(pair, own));
            }
        }
    }
    if errors.is_empty() { Ok(keys) } else { Err(errors) }
}

#[cfg(test)]
mod tests;

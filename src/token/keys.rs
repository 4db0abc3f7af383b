//! The keys that sign and the keys that services may still meet.

use crate::config::{Algorithm, At, ConfigError, KeySource, Located, Secret, Tokens};
use crate::token::directory;
use crate::token::file::{self, KeyWarning};
use crate::token::fingerprint;
use crate::token::key::{Key, name, needed, recipe};
use crate::token::pair::Pair;
use crate::token::ring::{Phase, Ring};
use arc_swap::ArcSwap;
use std::path::PathBuf;
use std::sync::Arc;

/// Where mistakes about files belong.
const KEY: &str = "tokens.keys.files";

/// The keys of this gateway: the ring of this moment, swapped whole when it changes, and the key of fingerprints, which stays.
/// Tokens that another ring's key signed are dropped because their `kid` differs.
pub struct KeyRing {
    current: ArcSwap<Ring>,
    fingerprint: Secret,
    warnings: Vec<KeyWarning>,
}

impl KeyRing {
    /// Reads the keys, or makes the first one where `directory` has none for an algorithm; with `stand_in` what is made is
    /// written nowhere. Blocks on disk, and for an
    /// RSA key that is made for a quarter of a second: not for a worker.
    ///
    /// # Errors
    /// Every file that cannot be used, at the place that names it.
    pub fn load(tokens: &Tokens) -> Result<Self, Vec<ConfigError>> {
        let mut warnings = Vec::new();
        let (loaded, folder, at, key) = match &tokens.keys {
            KeySource::Directory(path) => {
                let keys = directory::load(path, &tokens.algorithms(), tokens.stand_in, &mut warnings);
                (keys, path.value.clone(), path.at, directory::KEY)
            }
            KeySource::Files(paths) => {
                let keys = from_files(paths, tokens, &mut warnings);
                let first = paths.first();
                let folder = first.map(|path| file::folder(&path.value).to_owned()).unwrap_or_default();
                (keys, folder, first.map_or(tokens.algorithm.at, |path| path.at), KEY)
            }
        };
        // Asked even if the keys are wrong, so that all mistakes come together; not where nothing could be made anyway.
        let fingerprint = if folder.is_dir() || (tokens.stand_in && !folder.exists()) {
            fingerprint::load(&folder, at, key, tokens.stand_in, &mut warnings).map_err(|error| vec![error])
        } else {
            Err(Vec::new())
        };
        let no_key = |algorithm| vec![no_key(at, key, algorithm)];
        let (keys, fingerprint) = match (loaded, fingerprint) {
            (Ok(keys), Ok(fingerprint)) => (keys, fingerprint),
            (loaded, fingerprint) => {
                let mut errors = loaded.err().unwrap_or_default();
                errors.extend(fingerprint.err().unwrap_or_default());
                return Err(if errors.is_empty() { no_key(tokens.algorithm.value) } else { errors });
            }
        };
        let ring = first_of_each_signs(keys, &tokens.algorithms());
        match tokens.algorithms().into_iter().find(|algorithm| ring.signer(*algorithm).is_none()) {
            Some(missing) => Err(no_key(missing)),
            None => Ok(Self { current: ArcSwap::from_pointee(ring), fingerprint, warnings }),
        }
    }

    /// The keys of this moment, for one atomic load.
    pub fn now(&self) -> arc_swap::Guard<Arc<Ring>> {
        self.current.load()
    }

    /// Goes on with another ring; whether it is another.
    pub fn replace(&self, ring: Ring) -> bool {
        let kids = |ring: &Ring| -> Vec<_> {
            ring.phases().map(|(key, phase)| (Arc::clone(key.kid()), phase)).collect()
        };
        let after = kids(&ring);
        kids(&self.current.swap(Arc::new(ring))) != after
    }

    /// The key that fingerprints of session ids are made with.
    pub const fn fingerprint_key(&self) -> &Secret {
        &self.fingerprint
    }

    /// Whether a key that signs is one that stands in and is written nowhere.
    pub fn stands_in(&self) -> bool {
        self.warnings.iter().any(|warning| matches!(warning, KeyWarning::KeyMissing { .. }))
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

/// Where nobody keeps count, the first key for each algorithm signs and the others are published.
fn first_of_each_signs(keys: Vec<Key>, algorithms: &[Algorithm]) -> Ring {
    let mut signed: Vec<Algorithm> = Vec::new();
    let phased: Vec<_> = keys
        .into_iter()
        .map(|key| {
            let algorithm = key.algorithm();
            let signs = algorithms.contains(&algorithm) && !signed.contains(&algorithm);
            if signs {
                signed.push(algorithm);
            }
            (Arc::new(key), if signs { Phase::Signs } else { Phase::Standby })
        })
        .collect();
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

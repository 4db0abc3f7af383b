//! The keys that sign and the keys that services may still meet.

use crate::config::{Algorithm, At, ConfigError, KeySource, Located, Secret, Tokens};
use crate::token::directory;
use crate::token::file::{self, KeyWarning};
use crate::token::fingerprint;
use crate::token::key::{Key, name, needed, recipe};
use crate::token::pair::Pair;
use crate::token::publish::Document;
use bytes::Bytes;
use http::HeaderValue;
use std::path::PathBuf;
use std::sync::Arc;

/// Where mistakes about files belong.
const KEY: &str = "tokens.keys.files";

/// Every key of this gateway, the one that signs first, with the published set and the fingerprint key. Immutable: a reload
/// makes a new ring, and tokens of the old one are dropped because their `kid` differs.
pub struct KeyRing {
    signer: Arc<Key>,
    others: Vec<Arc<Key>>,
    jwks: Document,
    fingerprint: Secret,
    warnings: Vec<KeyWarning>,
}

impl KeyRing {
    /// Reads the keys, or makes the first one where `directory` has none for the algorithm; with `stand_in` what is made is
    /// written nowhere. Blocks on disk, and for an
    /// RSA key that is made for a quarter of a second: not for a worker.
    ///
    /// # Errors
    /// Every file that cannot be used, at the place that names it.
    pub fn load(tokens: &Tokens) -> Result<Self, Vec<ConfigError>> {
        let mut warnings = Vec::new();
        let algorithm = tokens.algorithm.value;
        let (loaded, folder, at, key) = match &tokens.keys {
            KeySource::Directory(path) => {
                let keys = directory::load(path, algorithm, tokens.stand_in, &mut warnings);
                (keys, path.value.clone(), path.at, directory::KEY)
            }
            KeySource::Files(paths) => {
                let keys = from_files(paths, &tokens.algorithm, &mut warnings);
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
        let (keys, fingerprint) = match (loaded, fingerprint) {
            (Ok(keys), Ok(fingerprint)) => (keys, fingerprint),
            (loaded, fingerprint) => {
                let mut errors = loaded.err().unwrap_or_default();
                errors.extend(fingerprint.err().unwrap_or_default());
                if errors.is_empty() {
                    errors.push(no_key(at, key, algorithm));
                }
                return Err(errors);
            }
        };
        Self::new(keys, fingerprint, warnings).ok_or_else(|| vec![no_key(at, key, algorithm)])
    }

    /// The key that signs.
    pub const fn signer(&self) -> &Arc<Key> {
        &self.signer
    }

    /// Every key, the one that signs first.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<Key>> {
        std::iter::once(&self.signer).chain(&self.others)
    }

    /// The algorithms of all keys, each once, the signer's first.
    pub fn algorithms(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for key in self.keys() {
            let alg = name(key.algorithm());
            if !names.contains(&alg) {
                names.push(alg);
            }
        }
        names
    }

    /// The published set (RFC 7517 §5): public members only.
    pub fn jwks(&self) -> Bytes {
        self.jwks.body()
    }

    /// The strong entity tag of [`KeyRing::jwks`].
    pub fn etag(&self) -> HeaderValue {
        self.jwks.etag()
    }

    /// The published set with its tag.
    pub(super) const fn document(&self) -> &Document {
        &self.jwks
    }

    /// The key that fingerprints of session ids are made with.
    pub const fn fingerprint_key(&self) -> &Secret {
        &self.fingerprint
    }

    /// Whether the key that signs is one that stands in and is written nowhere.
    pub fn stands_in(&self) -> bool {
        self.warnings.iter().any(|warning| matches!(warning, KeyWarning::KeyMissing { .. }))
    }

    /// What an operator should know about the files.
    pub fn warnings(&self) -> &[KeyWarning] {
        &self.warnings
    }

    fn new(keys: Vec<Key>, fingerprint: Secret, warnings: Vec<KeyWarning>) -> Option<Self> {
        let mut distinct: Vec<Arc<Key>> = Vec::with_capacity(keys.len());
        for key in keys {
            if !distinct.iter().any(|known| known.kid() == key.kid()) {
                distinct.push(Arc::new(key));
            }
        }
        let members: Vec<&str> = distinct.iter().map(|key| key.jwk()).collect();
        let jwks = Document::new(format!(r#"{{"keys":[{}]}}"#, members.join(",")));
        let mut distinct = distinct.into_iter();
        Some(Self { signer: distinct.next()?, others: distinct.collect(), jwks, fingerprint, warnings })
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys()).finish()
    }
}

fn no_key(at: At, key: &str, algorithm: Algorithm) -> ConfigError {
    ConfigError::new(at, key, "no key", format!("{} to sign with", needed(algorithm))).hint(recipe(algorithm))
}

/// The keys of `files`. The first must fit the algorithm, since it signs; the others may be of any kind, since they are
/// published only: so a change of algorithm can be announced before it happens and the old key outlive it.
fn from_files(
    paths: &[Located<PathBuf>],
    algorithm: &Located<Algorithm>,
    warnings: &mut Vec<KeyWarning>,
) -> Result<Vec<Key>, Vec<ConfigError>> {
    let wanted = algorithm.value;
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
                let own = pair.algorithm(wanted);
                keys.extend(Key::new(pair, own));
            }
        }
    }
    if errors.is_empty() { Ok(keys) } else { Err(errors) }
}

#[cfg(test)]
mod tests;

//! The keys of a directory, and the first one made where there is none.

use crate::clock::UnixMillis;
use crate::config::{Algorithm, ConfigError, Located};
use crate::disk;
use crate::token::file::{self, KeyWarning};
use crate::token::key::{Key, name, needed, recipe};
use crate::token::ledger::{Entry, Ledger};
use crate::token::pair::Pair;
use crate::token::ring::Phase;
use crate::token::trouble::KeyTrouble;
use std::cmp::Reverse;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The ledger of a directory.
pub(super) const LEDGER: &str = "ring.json";
/// Where mistakes about a directory belong.
pub(super) const KEY: &str = "tokens.keys.directory";

/// Every key of the directory, those for `algorithms` first and the newest before the others. If there is none for one of them,
/// it is made; of several gateways that start at once, all take the one that was there first. With `stand_in` it is made for
/// this process alone.
pub(super) fn load(
    directory: &Located<PathBuf>,
    algorithms: &[Algorithm],
    stand_in: bool,
    warnings: &mut Vec<KeyWarning>,
) -> Result<Vec<Key>, Vec<ConfigError>> {
    let path = directory.value.as_path();
    let mistake = |found: String| ConfigError::new(directory.at, KEY, found, "a directory for keys");
    let files = prepare(path, stand_in, warnings).and_then(|()| list(path, stand_in)).map_err(|error| {
        vec![
            mistake(format!("`{}` cannot be used: {error}", path.display()))
                .hint("make it yourself: install -d -m 700, owned by the user that runs the gateway"),
        ]
    })?;
    let (mut keys, errors) = parse(files, directory, algorithms, warnings);
    if !errors.is_empty() {
        return Err(errors);
    }
    for algorithm in algorithms.iter().copied() {
        if keys.iter().any(|key| key.algorithm() == algorithm) {
            continue;
        }
        let made = if stand_in {
            warnings.push(KeyWarning::KeyMissing { path: path.to_owned() });
            spare(directory, algorithm)
        } else {
            first(directory, algorithm, warnings)
        };
        keys.push(made.map_err(|error| vec![error])?);
    }
    // A stable sort: those that may sign come first, the rest keep their order.
    let place = |key: &Key| algorithms.iter().position(|one| *one == key.algorithm());
    keys.sort_by_key(|key| place(key).unwrap_or(algorithms.len()));
    Ok(keys)
}

/// Makes the directory, for its owner alone, if it is not there.
fn prepare(path: &Path, stand_in: bool, warnings: &mut Vec<KeyWarning>) -> io::Result<()> {
    if !stand_in {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    }
    let mode = match std::fs::metadata(path) {
        Ok(metadata) => metadata.mode() & 0o7777,
        Err(error) if stand_in && error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if mode & 0o022 != 0 {
        warnings.push(KeyWarning::DirectoryWritable { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Its PEM files, newest first. Hidden files are others' business: half-written keys, and Kubernetes' `..data`.
fn list(path: &Path, stand_in: bool) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = match std::fs::read_dir(path) {
        Err(error) if stand_in && error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    for entry in entries {
        let file = entry?.path();
        let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && file.extension().is_some_and(|extension| extension == "pem") {
            // Followed, so that the age is that of the key and not of a link to it.
            let modified = std::fs::metadata(&file)?.modified()?;
            files.push((modified, file));
        }
    }
    files.sort_by_cached_key(|(modified, file)| Reverse((*modified, file.clone())));
    Ok(files.into_iter().map(|(_, file)| file).collect())
}

fn parse(
    files: Vec<PathBuf>,
    directory: &Located<PathBuf>,
    algorithms: &[Algorithm],
    warnings: &mut Vec<KeyWarning>,
) -> (Vec<Key>, Vec<ConfigError>) {
    let (mut keys, mut errors) = (Vec::new(), Vec::new());
    for file in files {
        let held = match file::read(&file, warnings) {
            Ok(pem) => Pair::from_pem(&pem).map_err(|held| format!("holds {held}")),
            // Another gateway, or an operator, removed it since the listing.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => Err(format!("cannot be read: {error}")),
        };
        match held {
            Ok(pair) => {
                keys.extend(key_of(pair, &file, algorithms));
            }
            Err(words) => errors.push(
                ConfigError::new(
                    directory.at,
                    KEY,
                    format!("`{}` {words}", file.display()),
                    "private keys without a passphrase in every `*.pem` of the directory",
                )
                .hint("take the file out of the directory"),
            ),
        }
    }
    (keys, errors)
}

/// Writes files down that were laid beside the others: the very first time the newest for each algorithm signs and older ones leave,
/// later they stand by. Files of others are never removed.
pub(super) fn adopt(
    path: &Path,
    ledger: &mut Ledger,
    algorithms: &[Algorithm],
    now: UnixMillis,
) -> Result<(), KeyTrouble> {
    let is_first = ledger.entries.is_empty();
    for file in list(path, false).map_err(KeyTrouble::Files)? {
        let Some(name) = file.file_name().and_then(|name| name.to_str()) else { continue };
        if ledger.entries.iter().any(|entry| entry.key == name) {
            continue;
        }
        let pem = match file::read(&file, &mut Vec::new()) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            read => read.map_err(KeyTrouble::Files)?,
        };
        let age = std::fs::metadata(&file).map_or(0, |metadata| metadata.mtime());
        let since = UnixMillis::from_secs(u64::try_from(age).unwrap_or_default()).min(now);
        let pair = Pair::from_pem(&pem).map_err(|held| KeyTrouble::NotAKey(format!("`{name}`: {held}")))?;
        let Some(key) = key_of(pair, &file, algorithms) else { continue };
        if ledger.find(key.kid()).is_some() {
            continue;
        }
        let (signs, used) = (ledger.of(key.algorithm(), Phase::Signs), algorithms.contains(&key.algorithm()));
        let (signs_from, signs_until) = match (is_first && used, signs) {
            (true, None) => (Some(since), None),
            (true, Some(_)) => (Some(since), Some(now)),
            (false, _) => (None, None),
        };
        let is_ours = name == name_of(&key) || name == format!("{}.pem", stem(key.algorithm()));
        let published_at = if is_first { since } else { now };
        let entry = Entry::new(key.kid().to_string(), key.algorithm(), name.to_owned(), published_at);
        ledger.entries.push(Entry { signs_from, signs_until, is_ours, ..entry });
    }
    Ok(())
}

/// The ledger of the directory, if one was begun.
pub(super) fn ledger(directory: &Located<PathBuf>) -> Result<Option<Ledger>, ConfigError> {
    let path = directory.value.join(LEDGER);
    let mistake = |found: String| ConfigError::new(directory.at, KEY, found, "what the gateway wrote there");
    match std::fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(mistake(format!("`{}` cannot be read: {error}", path.display()))),
        Ok(text) => match Ledger::read(&text) {
            Some(ledger) => Ok(Some(ledger)),
            None => Err(mistake(format!("`{}` is no ledger of keys", path.display()))
                .hint("take it away, and the newest key of the directory signs")),
        },
    }
}

/// What the file of a key that we make is called.
pub(super) fn name_of(key: &Key) -> String {
    let short: String = key.kid().chars().take(16).collect();
    format!("{}-{short}.pem", stem(key.algorithm()))
}

/// What files for an algorithm begin with.
fn stem(algorithm: Algorithm) -> String {
    name(algorithm).to_ascii_lowercase()
}

/// An RSA key does RS256 and PS256, but one key should have one algorithm (RFC 7517 §4.4). So files that we make begin with it.
fn key_of(pair: Pair, file: &Path, algorithms: &[Algorithm]) -> Option<Key> {
    let wanted = algorithms.iter().copied().find(|algorithm| pair.signs(*algorithm));
    let own = pair.algorithm(algorithm_of_name(file).or(wanted).unwrap_or(Algorithm::RS256));
    Key::new(pair, own)
}

fn algorithm_of_name(file: &Path) -> Option<Algorithm> {
    let start = file.file_name()?.as_encoded_bytes();
    [Algorithm::PS256, Algorithm::RS256]
        .into_iter()
        .find(|algorithm| start.starts_with(stem(*algorithm).as_bytes()))
}

/// A key that no file holds.
fn spare(directory: &Located<PathBuf>, algorithm: Algorithm) -> Result<Key, ConfigError> {
    let made = Pair::generate(algorithm).and_then(|pem| Pair::from_pem(pem.as_bytes()).ok());
    made.and_then(|pair| Key::new(pair, algorithm))
        .ok_or_else(|| ConfigError::new(directory.at, KEY, "no key could be generated", needed(algorithm)))
}

/// The first key for `algorithm`: made here, or by another gateway a moment ago.
fn first(
    directory: &Located<PathBuf>,
    algorithm: Algorithm,
    warnings: &mut Vec<KeyWarning>,
) -> Result<Key, ConfigError> {
    let path = directory.value.join(format!("{}.pem", stem(algorithm)));
    let mistake = |found: String| {
        ConfigError::new(directory.at, KEY, found, format!("{} for {}", needed(algorithm), name(algorithm)))
            .hint(format!("make one yourself: {}", recipe(algorithm)))
    };
    let made = Pair::generate(algorithm).ok_or_else(|| mistake("no key could be generated".into()))?;
    disk::create(&path, made.as_bytes()).map_err(|error| {
        mistake(format!("no key there, and `{}` cannot be written: {error}", path.display()))
    })?;
    let pem = file::read(&path, warnings)
        .map_err(|error| mistake(format!("`{}` cannot be read: {error}", path.display())))?;
    let pair = Pair::from_pem(&pem).map_err(|held| mistake(format!("`{}` holds {held}", path.display())))?;
    let kind = pair.kind();
    Key::new(pair, algorithm).ok_or_else(|| mistake(format!("`{}` holds {kind}", path.display())))
}

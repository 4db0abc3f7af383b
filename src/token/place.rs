//! Where the ring is kept: a directory that processes of one machine share, or a Redis that all gateways share.

use crate::clock::UnixMillis;
use crate::config::{Algorithm, Secret};
use crate::disk;
use crate::state::State;
use crate::token::directory::{self, LEDGER};
use crate::token::file;
use crate::token::key::Key;
use crate::token::ledger::{Entry, Ledger};
use crate::token::pair::Pair;
use crate::token::ring::Ring;
use crate::token::seal::Seals;
use crate::token::trouble::KeyTrouble;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// What whoever changes the ledger holds.
const LOCK: &str = ".ring.lock";
/// Tries for the lock, and the pause between two: the other writes a few small files.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// Purposes that a seal is bound to.
const KEY: &str = "signing key";
const FINGERPRINT: &str = "fingerprint key";
/// As HMAC-SHA-256 wants.
const FINGERPRINT_BYTES: usize = 32;

/// Where a ring is kept.
pub enum Place {
    /// Nowhere: the keys are files of the operator's own.
    Fixed,
    /// Private keys in files, and a ledger beside them.
    Directory {
        /// The directory.
        path: PathBuf,
        /// Held while the ledger is changed; gone with the process.
        lock: Option<File>,
    },
    /// Private keys sealed in the ledger, and that in a Redis.
    State(Box<Shared>),
}

/// A ring in a Redis.
pub struct Shared {
    state: State,
    seals: Seals,
    /// Our name among the gateways.
    me: String,
    known: Ledger,
    version: u64,
    fence: u64,
}

/// The ledger, and what may be done with it.
pub(super) struct Opened {
    pub(super) ledger: Ledger,
    /// The time that counts.
    pub(super) now: UnixMillis,
    /// Whether it is ours to change.
    pub(super) leads: bool,
    /// Whether it has to be written again as it is.
    pub(super) is_lost: bool,
}

impl Place {
    /// In this directory.
    pub const fn directory(path: PathBuf) -> Self {
        Self::Directory { path, lock: None }
    }

    /// In `[state]`, sealed with these, the newest first; `me` is a name that no other gateway has.
    pub fn state(state: State, seals: &[Secret], me: String) -> Self {
        let seals = Seals::new(seals);
        Self::State(Box::new(Shared { state, seals, me, known: Ledger::default(), version: 0, fence: 0 }))
    }

    /// The keys that are kept in a Redis, for who only looks: nothing is made, written or led.
    ///
    /// # Errors
    /// [`KeyTrouble`]
    pub async fn look(&self) -> Result<Ring, KeyTrouble> {
        let Some(state) = self.shared() else { return Err(KeyTrouble::NotKept) };
        let text = state.read_ring().await.map_err(KeyTrouble::Store)?;
        let ledger = match text {
            Some(text) => Ledger::read(&text).ok_or(KeyTrouble::Unreadable)?,
            None => Ledger::default(),
        };
        let phased = ledger.entries.iter().filter_map(|entry| Some((entry, entry.phase()?)));
        let keys = phased.map(|(entry, phase)| Ok((Arc::new(self.fetch(entry)?), phase)));
        keys.collect::<Result<Vec<_>, KeyTrouble>>().map(Ring::new)
    }

    /// Reads the ledger. In a Redis, only who leads may change it; with `take` we do from now on.
    pub(super) async fn open(&mut self, now: UnixMillis, take: bool) -> Result<Opened, KeyTrouble> {
        match self {
            Self::Fixed => Err(KeyTrouble::NotKept),
            Self::Directory { path, lock } => {
                *lock = Some(lock_of(path).await?);
                let ledger = match std::fs::read(path.join(LEDGER)) {
                    Ok(text) => Ledger::read(&text).ok_or(KeyTrouble::Unreadable)?,
                    Err(error) if error.kind() == ErrorKind::NotFound => Ledger::default(),
                    Err(error) => return Err(KeyTrouble::Files(error)),
                };
                Ok(Opened { ledger, now, leads: true, is_lost: false })
            }
            Self::State(shared) => shared.open(take).await,
        }
    }

    /// Writes the ledger; whether it was still ours to write.
    pub(super) async fn write(&mut self, ledger: &Ledger) -> Result<bool, KeyTrouble> {
        match self {
            Self::Fixed => Err(KeyTrouble::NotKept),
            Self::Directory { path, .. } => {
                let text = ledger.write();
                disk::replace(&path.join(LEDGER), text.as_bytes()).map_err(KeyTrouble::Files)?;
                Ok(true)
            }
            Self::State(shared) => {
                let text = ledger.write();
                let written = shared.state.write_ring(shared.fence, shared.version, &text).await;
                let Some(version) = written.map_err(KeyTrouble::Store)? else { return Ok(false) };
                (shared.version, shared.known) = (version, ledger.clone());
                Ok(true)
            }
        }
    }

    /// Lets others change it.
    pub(super) fn close(&mut self) {
        if let Self::Directory { lock, .. } = self {
            *lock = None;
        }
    }

    /// Takes files up that were laid beside the others, and seals with the newest seal what an older one had sealed.
    pub(super) fn tend(
        &self,
        ledger: &mut Ledger,
        algorithms: &[Algorithm],
        now: UnixMillis,
    ) -> Result<(), KeyTrouble> {
        match self {
            Self::Fixed => Ok(()),
            Self::Directory { path, .. } => directory::adopt(path, ledger, algorithms, now),
            Self::State(shared) => shared.tend(ledger),
        }
    }

    /// Makes a key.
    pub(super) fn make(&self, algorithm: Algorithm, now: UnixMillis) -> Result<Entry, KeyTrouble> {
        let pem = Pair::generate(algorithm).ok_or(KeyTrouble::NotMade)?;
        let pair = Pair::from_pem(pem.as_bytes()).map_err(|_| KeyTrouble::NotMade)?;
        let key = Key::new(pair, algorithm).ok_or(KeyTrouble::NotMade)?;
        self.keep(&key, pem.as_bytes(), now)
    }

    /// Keeps a private key, and says how to write it down.
    pub(super) fn keep(&self, key: &Key, pem: &[u8], now: UnixMillis) -> Result<Entry, KeyTrouble> {
        let kept = match self {
            Self::Fixed => return Err(KeyTrouble::NotKept),
            Self::Directory { path, .. } => {
                let name = directory::name_of(key);
                disk::create(&path.join(&name), pem).map_err(KeyTrouble::Files)?;
                name
            }
            Self::State(shared) => shared.seals.seal(KEY, key.kid(), pem).ok_or(KeyTrouble::NotMade)?,
        };
        Ok(Entry::new(key.kid().to_string(), key.algorithm(), kept, now))
    }

    /// Where gateways tell each other what they see.
    pub(super) fn shared(&self) -> Option<&State> {
        match self {
            Self::Fixed | Self::Directory { .. } => None,
            Self::State(shared) => Some(&shared.state),
        }
    }

    /// The key of an entry.
    pub(super) fn fetch(&self, entry: &Entry) -> Result<Key, KeyTrouble> {
        let pem = match self {
            Self::Fixed => return Err(KeyTrouble::NotKept),
            Self::Directory { path, .. } => {
                file::read(&path.join(file_name(&entry.key)?), &mut Vec::new()).map_err(KeyTrouble::Files)?
            }
            Self::State(shared) => {
                shared.seals.open(KEY, &entry.kid, &entry.key).ok_or(KeyTrouble::Sealed)?.0
            }
        };
        let pair = Pair::from_pem(&pem).map_err(KeyTrouble::NotAKey)?;
        let key = Key::new(pair, entry.algorithm).filter(|key| **key.kid() == *entry.kid);
        key.ok_or_else(|| KeyTrouble::NotAKey("another key than the one that was written down".to_owned()))
    }

    /// The key of fingerprints, where it is kept with the ring.
    pub(super) fn fingerprint(&self, ledger: &Ledger) -> Result<Option<Secret>, KeyTrouble> {
        let Self::State(shared) = self else { return Ok(None) };
        // Whoever leads has written one by now.
        let Some(sealed) = &ledger.fingerprint else { return Err(KeyTrouble::NoSigner("anything yet")) };
        let (bytes, _) = shared.seals.open(FINGERPRINT, "", sealed).ok_or(KeyTrouble::Sealed)?;
        Ok(Some(Secret::new(bytes.to_vec())))
    }

    /// Removes the files of keys of ours that are retired.
    pub(super) fn forget(&self, before: &Ledger, after: &Ledger) {
        let Self::Directory { path, .. } = self else { return };
        for entry in before.entries.iter().filter(|entry| entry.is_ours && after.find(&entry.kid).is_none()) {
            let removed = file_name(&entry.key).map(|name| std::fs::remove_file(path.join(name)));
            if let Ok(Err(error)) = removed {
                tracing::warn!(kid = entry.kid, %error, "the file of a retired key is still there");
            }
        }
    }
}

impl Shared {
    async fn open(&mut self, take: bool) -> Result<Opened, KeyTrouble> {
        let kept = self.state.ring(&self.me, self.version, take).await.map_err(KeyTrouble::Store)?;
        self.fence = kept.fence;
        if let Some(text) = &kept.text {
            self.known = Ledger::read(text).ok_or(KeyTrouble::Unreadable)?;
        }
        let is_lost = kept.version == 0 && !self.known.entries.is_empty();
        if is_lost && self.version > 0 {
            tracing::error!("the store of `[state]` has lost the key ring; it is restored from memory");
        }
        self.version = kept.version;
        Ok(Opened { ledger: self.known.clone(), now: kept.now, leads: kept.leads, is_lost })
    }

    fn tend(&self, ledger: &mut Ledger) -> Result<(), KeyTrouble> {
        for entry in &mut ledger.entries {
            let (opened, newest) = self.seals.open(KEY, &entry.kid, &entry.key).ok_or(KeyTrouble::Sealed)?;
            if !newest {
                entry.key = self.seals.seal(KEY, &entry.kid, &opened).ok_or(KeyTrouble::NotMade)?;
            }
        }
        let made = match &ledger.fingerprint {
            None => {
                let mut bytes = Zeroizing::new(vec![0; FINGERPRINT_BYTES]);
                aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeyTrouble::NotMade)?;
                Some(bytes)
            }
            Some(sealed) => match self.seals.open(FINGERPRINT, "", sealed).ok_or(KeyTrouble::Sealed)? {
                (_, true) => None,
                (opened, false) => Some(opened),
            },
        };
        if let Some(bytes) = made {
            ledger.fingerprint = Some(self.seals.seal(FINGERPRINT, "", &bytes).ok_or(KeyTrouble::NotMade)?);
        }
        Ok(())
    }
}

/// The lock of the directory's ledger: the system's own, so it goes with whoever holds it.
async fn lock_of(path: &Path) -> Result<File, KeyTrouble> {
    let path = path.join(LOCK);
    for _ in 0..LOCK_TRIES {
        match disk::lock(&path).map_err(KeyTrouble::Files)? {
            Some(lock) => return Ok(lock),
            None => tokio::time::sleep(LOCK_PAUSE).await,
        }
    }
    Err(KeyTrouble::Busy)
}

/// A ledger that somebody else wrote must not lead out of the directory.
fn file_name(text: &str) -> Result<&str, KeyTrouble> {
    let plain = Path::new(text).file_name().is_some_and(|name| name == text);
    if plain { Ok(text) } else { Err(KeyTrouble::Unreadable) }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed => f.write_str("Fixed"),
            Self::Directory { path, .. } => write!(f, "Directory({})", path.display()),
            Self::State(_) => f.write_str("State"),
        }
    }
}

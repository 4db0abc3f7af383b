//! Why the ring cannot be looked at or changed.

use crate::store::StoreError;
use std::io;

/// What can go wrong with the ring where it is kept.
#[derive(Debug)]
pub enum KeyTrouble {
    /// Another process holds the lock of the directory, or too many orders wait.
    Busy,
    /// The directory cannot be read or written.
    Files(io::Error),
    /// The keys are files of the operator's own, or the ring is not kept: `[tokens.keys]`.
    NotKept,
    /// The library could not make a key, or there is no seal.
    NotMade,
    /// What an operator brought is no key, or not one of ours to use; in words.
    NotAKey(String),
    /// There is no key that signs with this algorithm.
    NoSigner(&'static str),
    /// None of `seal` opens it: another deployment's, or the seal was changed without keeping the old one.
    Sealed,
    /// The key signs; another has to first.
    Signs,
    /// The Redis of `[state]` cannot be asked.
    Store(StoreError),
    /// There is no such key.
    Unknown,
    /// What is written there is no ring.
    Unreadable,
}

impl std::fmt::Display for KeyTrouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Busy => f.write_str("the key ring is being changed by another"),
            Self::Files(_) => f.write_str("the directory of the keys cannot be used"),
            Self::NotKept => f.write_str("the keys are files of your own: change `tokens.keys.files`"),
            Self::NotMade => f.write_str("no key could be made"),
            Self::NotAKey(found) => write!(f, "that is {found}"),
            Self::NoSigner(algorithm) => write!(f, "no key signs with {algorithm}"),
            Self::Sealed => f.write_str("a key is sealed with none of `tokens.keys.seal`"),
            Self::Signs => f.write_str("this key signs; rotate first"),
            Self::Store(_) => f.write_str("the store of `[state]` cannot be asked"),
            Self::Unknown => f.write_str("there is no such key"),
            Self::Unreadable => f.write_str("what is kept there is no key ring"),
        }
    }
}

impl std::error::Error for KeyTrouble {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Files(error) => Some(error),
            Self::Store(error) => Some(error),
            Self::Busy
            | Self::NotKept
            | Self::NotMade
            | Self::NotAKey(_)
            | Self::NoSigner(_)
            | Self::Sealed
            | Self::Signs
            | Self::Unknown
            | Self::Unreadable => None,
        }
    }
}

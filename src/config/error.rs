//! A mistake in the configuration, and where it was made.

use std::path::{Path, PathBuf};

use crate::config::Premises;

/// A place in one of the configuration's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// Index of the file in [`Sources`].
    pub file: usize,
    /// Byte offset of the value's first byte.
    pub start: usize,
    /// Byte offset behind its last byte.
    pub end: usize,
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its place; the table's if the value is a default.
    pub at: At,
}

/// The texts of all files that were read, for the excerpts.
#[derive(Debug, Default)]
pub struct Sources(pub Vec<(PathBuf, String)>, pub Premises);

impl Sources {
    /// The file of a place, with its line and column, both counted from 1; the column in characters.
    pub fn position(&self, at: At) -> Option<(&Path, usize, usize)> {
        let (path, text) = self.0.get(at.file)?;
        let before = text.get(..at.start)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        Some((path, line, column))
    }
}

/// One mistake. The message has three parts: what was found, what is accepted, and what to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The value, or the table where a key is missing.
    pub at: At,
    /// The dotted key, as `sessions.shop.framework`.
    pub key: String,
    /// What was found, without a final stop.
    pub found: String,
    /// What is accepted; empty if the found part says it all.
    pub accepted: String,
    /// What to try next.
    pub hint: Option<String>,
}

impl ConfigError {
    /// A mistake at `at`, under `key`.
    pub fn new(
        at: At,
        key: impl Into<String>,
        found: impl Into<String>,
        accepted: impl Into<String>,
    ) -> Self {
        Self { at, key: key.into(), found: found.into(), accepted: accepted.into(), hint: None }
    }

    /// The same mistake with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

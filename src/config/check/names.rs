//! Tables with names, over all files, and what refers to them.

use crate::config::check::given::Given;
use crate::config::check::table::{Checker, Table};
use crate::config::place::File;
use crate::config::raw::{Named, RawConfig};
use crate::config::structure::ALL;
use crate::config::suggest::{closest, list};
use crate::config::{At, ConfigError};

/// Longest name: it goes into log lines, metrics and claims.
const NAME_BYTES_MAX: usize = 64;
/// What a name is.
pub(crate) const NAME_ACCEPTED: &str = "up to 64 letters, digits, `-`, `_` and `.`";

/// One named table.
pub(crate) struct Entry<'a, T> {
    pub(crate) file: File,
    pub(crate) name: &'a str,
    /// The place of the table.
    pub(crate) at: At,
    pub(crate) raw: &'a T,
}

impl<T> Entry<'_, T> {
    /// The table under check.
    pub(crate) fn table<'t, 'c>(&self, checker: &'t mut Checker<'c>, kind: &str) -> Table<'t, 'c> {
        Table { checker, file: self.file, name: format!("{kind}.{}", self.name), at: self.at }
    }
}

/// All tables of one kind, in the order of the files and of the places in them.
pub(crate) fn gather<'a, T>(
    checker: &mut Checker<'a>,
    kind: &str,
    pick: impl Fn(&'a RawConfig) -> &'a Named<T>,
) -> Vec<Entry<'a, T>> {
    let mut entries: Vec<Entry<'a, T>> = Vec::new();
    for document in checker.given.documents {
        let mut named: Vec<_> = pick(&document.raw).iter().collect();
        named.sort_by_key(|(name, _)| name.span().start);
        for (name, table) in named {
            let (at, text) = (document.file.at(name), name.get().as_str());
            let key = format!("{kind}.{text}");
            if !is_name(text) {
                checker.push(ConfigError::new(at, &key, format!("`{text}` is not a name"), NAME_ACCEPTED));
            }
            if let Some(first) = entries.iter().find(|entry| entry.name == text) {
                let found = format!("`{text}` is defined twice, first in {}", checker.place(first.at));
                checker.push(ConfigError::new(at, &key, found, "each name once, over all files"));
                continue;
            }
            entries.push(Entry {
                file: document.file,
                name: text,
                at: document.file.at(table),
                raw: table.get(),
            });
        }
    }
    entries
}

/// Whether this is one.
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(plain)
}

/// The names of one kind, to resolve references with.
pub(crate) struct Names<'a> {
    /// What it is called in a sentence.
    word: &'static str,
    /// Its table.
    kind: &'static str,
    names: Vec<&'a str>,
    /// Whether some of the kind could not be read.
    partial: bool,
}

impl<'a> Names<'a> {
    pub(crate) fn of<T>(
        given: &Given<'_>,
        word: &'static str,
        kind: &'static str,
        entries: &[Entry<'a, T>],
    ) -> Self {
        let partial = given.notes.iter().flat_map(|note| &note.lost).any(|(its_kind, _)| its_kind == kind);
        Self { word, kind, names: entries.iter().map(|entry| entry.name).collect(), partial }
    }

    /// Whether there is one of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains(&name)
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.names.len()
    }

    /// The index of the table that `name`, written at `at` for `key`, refers to.
    pub(crate) fn resolve(&self, table: &mut Table<'_, '_>, at: At, key: &str, name: &str) -> Option<usize> {
        let found = self.names.iter().position(|known| *known == name);
        if found.is_none() && !table.checker.lost(self.kind, name) && !table.checker.lost(self.kind, ALL) {
            let accepted = list(self.names.iter().copied());
            let hint = match closest(name, self.names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("define it: [{}.{name}]", self.kind),
            };
            table.refuse_with(at, key, format!("there is no {} `{name}`", self.word), accepted, hint);
        }
        found
    }

    /// The only one there is, for a reference that was left out; notes it where there is not exactly one.
    pub(crate) fn only(&self, table: &mut Table<'_, '_>, key: &str) -> Option<usize> {
        match self.names.as_slice() {
            _ if self.partial => None,
            [_] => Some(0),
            [] => {
                let found = format!("there is no {} that could be meant", self.word);
                table.refuse(table.at, key, found, format!("one, as [{}.NAME]", self.kind));
                None
            }
            several => {
                let found = format!("`{key}` is missing, and there is more than one {}", self.word);
                table.refuse(table.at, key, found, list(several.iter().copied()));
                None
            }
        }
    }
}

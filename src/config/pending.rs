//! What the design has and this build does not: it is refused by name, never silently accepted.
//!
//! Whoever builds one of these deletes its line here and adds the key to `raw`.

/// Tables and keys, as the table's path (`*` stands for a name) and the key.
const KEYS: &[(&str, &str)] = &[("", "audit"), ("", "log"), ("", "metrics"), ("", "traces")];

/// Words, as the key's path and the word.
const WORDS: &[(&str, &str)] = &[];

/// Whether `key` of the table at `path` is to come.
pub(crate) fn key(path: &str, key: &str) -> bool {
    KEYS.contains(&(path, key))
}

/// Whether `word` for the key at `path` is to come.
pub(crate) fn word(path: &str, word: &str) -> bool {
    WORDS.contains(&(path, word))
}

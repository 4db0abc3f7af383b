//! What a store's keys are called, for the question why one was not found.
//!
//! Only what many keys share is told, never a whole name: the rest of it is a session id.

use std::collections::HashMap;

/// Most names that are looked at.
pub const NAMES_MAX: usize = 10_000;
/// Most prefixes that are told.
const PREFIXES_MAX: usize = 3;
/// Longest word of a prefix, in bytes.
const WORD_BYTES_MAX: usize = 32;

/// What the names of a store's keys begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearby {
    /// How many names were looked at.
    pub looked_at: usize,
    /// Whether these were all there are.
    pub whole_store: bool,
    /// How many begin as the key that was not found.
    pub alike: usize,
    /// What at least two of the others begin with, and how many do; the most frequent first.
    pub others: Vec<(String, usize)>,
}

/// Counts names.
#[derive(Debug)]
pub(super) struct Tally {
    prefix: Vec<u8>,
    looked_at: usize,
    alike: usize,
    others: HashMap<String, usize>,
}

impl Tally {
    pub(super) fn new(prefix: &[u8]) -> Self {
        Self { prefix: prefix.to_vec(), looked_at: 0, alike: 0, others: HashMap::new() }
    }

    pub(super) const fn looked_at(&self) -> usize {
        self.looked_at
    }

    pub(super) fn add(&mut self, name: &[u8]) {
        self.looked_at += 1;
        if !self.prefix.is_empty() && name.starts_with(&self.prefix) {
            self.alike += 1;
        } else if let Some(prefix) = words(name) {
            *self.others.entry(prefix.to_owned()).or_default() += 1;
        }
    }

    pub(super) fn finish(self, whole_store: bool) -> Nearby {
        let mut others: Vec<(String, usize)> =
            self.others.into_iter().filter(|(_, keys)| *keys > 1).collect();
        others.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        others.truncate(PREFIXES_MAX);
        Nearby { looked_at: self.looked_at, whole_store, alike: self.alike, others }
    }
}

/// The words that a name begins with: up to the last colon behind words, or where there is none, the last `_`, `-` or `.`.
fn words(name: &[u8]) -> Option<&str> {
    leading(name, b":").or_else(|| leading(name, b"_-."))
}

fn leading<'n>(name: &'n [u8], separators: &[u8]) -> Option<&'n str> {
    let mut end = 0;
    let mut rest = name;
    while let Some(at) = rest.iter().position(|byte| separators.contains(byte)) {
        let (word, tail) = rest.split_at(at);
        if !is_word(word) {
            break;
        }
        end += at + 1;
        rest = tail.get(1..).unwrap_or_default();
    }
    name.get(..end).filter(|prefix| !prefix.is_empty()).and_then(|prefix| std::str::from_utf8(prefix).ok())
}

/// What a person would call something, and no id: short, with at most two digits, as Django's `:1:`.
fn is_word(word: &[u8]) -> bool {
    word.len() <= WORD_BYTES_MAX
        && word.iter().filter(|byte| byte.is_ascii_digit()).count() <= 2
        && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.{}".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_an_id_is_told() {
        for (name, told) in [
            ("sess:8f14e45fceea167a", Some("sess:")),
            ("8f14e45fceea167a", None),
            ("8f14e45f:data", None),
            ("user:1234567:cart", Some("user:")),
            ("sess:8f14e45f-ceea:x", Some("sess:")),
            ("abcdefgh", None),
            ("\x1b[2J:x", None),
            ("", None),
        ] {
            assert_eq!(words(name.as_bytes()), told, "{name}");
        }
    }

    #[test]
    fn the_prefixes_of_the_frameworks_are_words() {
        for (name, told) in [
            ("spring:session:sessions:6b9c0f7e-1a2b", "spring:session:sessions:"),
            ("laravel_database_laravel_cache_Xk3f9Q2b7", "laravel_database_laravel_cache_"),
            ("PHPREDIS_SESSION:9a8b7c6d", "PHPREDIS_SESSION:"),
            (":1:django.contrib.sessions.cachek3j2h1", ":1:"),
            ("myapp:sess:Zk29slq81", "myapp:sess:"),
        ] {
            assert_eq!(words(name.as_bytes()).unwrap_or_default(), told, "{name}");
        }
    }

    #[test]
    fn what_one_key_alone_begins_with_could_be_an_id_and_is_not_told() {
        let mut tally = Tally::new(b"sess:");
        for name in ["sess:a1", "alone:x9", "app:b2", "app:c3", "app:d4", "web:e5", "web:f6"] {
            tally.add(name.as_bytes());
        }
        let nearby = tally.finish(true);
        assert_eq!((nearby.looked_at, nearby.alike), (7, 1));
        assert_eq!(nearby.others, [("app:".to_owned(), 3), ("web:".to_owned(), 2)]);
    }
}

//! Keys that differ in nothing but their id.

use crate::detect::ids::{Alphabet, Ids, is_uuid};
use crate::store::StoreKey;
use std::collections::HashMap;

/// Lengths of the ids that frameworks make: actix, gorilla, scs and Flask-Session, Laravel, UUIDs, most, PHP, tower.
const LENGTHS: [usize; 8] = [64, 52, 43, 40, 36, 32, 26, 22];
/// A Rack id: `2::` and 64 digits.
const RACK_LENGTH: usize = 67;
/// Ends of prefixes that run into the id without a separator.
const KNOWN_ENDS: [&[u8]; 3] = [b"sf_s", b"sessions.cache", b"sessions.cached_db"];
/// Ends of keys that are locks beside a session.
const LOCKS: [&[u8]; 3] = [b"_LOCK", b":lock", b".lock"];

/// Keys of one shape.
#[derive(Debug)]
pub struct Family {
    /// What is before the id.
    pub prefix: String,
    /// What the ids are made of.
    pub ids: Ids,
    /// The keys, in the order they were scanned in.
    pub keys: Vec<StoreKey>,
}

impl Family {
    /// The template that `key` in a profile would be.
    pub fn template(&self) -> String {
        format!("{}{{id}}", self.prefix)
    }

    /// The id in one of its keys.
    pub fn id<'k>(&self, key: &'k StoreKey) -> &'k [u8] {
        key.expose().get(self.prefix.len()..).unwrap_or_default()
    }
}

/// Parts the keys into families, the largest first. A key is parted from its id where most other keys are parted in the
/// same way; where that leaves a choice, behind a separator.
pub(crate) fn families(keys: &[StoreKey]) -> Vec<Family> {
    let keys: Vec<_> =
        keys.iter().filter(|key| !LOCKS.iter().any(|lock| key.expose().ends_with(lock))).collect();
    let mut counts: HashMap<(&[u8], usize), usize> = HashMap::new();
    for key in &keys {
        for length in lengths(key.expose()) {
            *counts.entry((before(key.expose(), length), length)).or_default() += 1;
        }
    }
    let mut grouped: HashMap<(&[u8], usize), Vec<&StoreKey>> = HashMap::new();
    for key in &keys {
        let bytes = key.expose();
        let rank = |length: &usize| {
            let prefix = before(bytes, *length);
            (counts.get(&(prefix, *length)).copied().unwrap_or_default(), boundary(prefix), *length)
        };
        let best = lengths(bytes).max_by_key(rank);
        let group = match best.map(|length| (before(bytes, length), length)) {
            Some((prefix, length)) if rank(&length).0 > 1 || stands_alone(bytes, prefix, length) => {
                (prefix, length)
            }
            _ => (named(bytes), 0),
        };
        grouped.entry(group).or_default().push(key);
    }
    let mut families: Vec<_> = grouped.into_iter().filter_map(|(group, keys)| family(group, keys)).collect();
    // The name decides between two of one size, so that one store gives one answer.
    families.sort_by(|a, b| (b.keys.len(), &a.prefix).cmp(&(a.keys.len(), &b.prefix)));
    families
}

fn family((prefix, length): (&[u8], usize), keys: Vec<&StoreKey>) -> Option<Family> {
    let ids = keys.iter().map(|key| key.expose().get(prefix.len()..).unwrap_or_default());
    let ids = match length {
        0 => Ids::Various,
        RACK_LENGTH => Ids::Rack,
        36 => Ids::Uuid,
        length => Ids::Fixed(length, Alphabet::of(ids)),
    };
    let prefix = std::str::from_utf8(prefix).ok()?.to_owned();
    Some(Family { prefix, ids, keys: keys.into_iter().cloned().collect() })
}

/// The lengths at which the end of the key may be an id.
fn lengths(key: &[u8]) -> impl Iterator<Item = usize> {
    std::iter::once(RACK_LENGTH).chain(LENGTHS).filter(move |length| {
        let Some(id) = key.len().checked_sub(*length).and_then(|start| key.get(start..)) else {
            return false;
        };
        match *length {
            RACK_LENGTH => id.strip_prefix(b"2::").is_some_and(|id| all(id, Alphabet::Hex)),
            36 => is_uuid(id),
            _ => all(id, Alphabet::Url) || all(id, Alphabet::Php),
        }
    })
}

fn all(id: &[u8], alphabet: Alphabet) -> bool {
    id.iter().all(|byte| alphabet.has(*byte))
}

fn before(key: &[u8], length: usize) -> &[u8] {
    key.get(..key.len().saturating_sub(length)).unwrap_or_default()
}

/// How much the end of a prefix looks like one.
fn boundary(prefix: &[u8]) -> u8 {
    match prefix.last() {
        _ if KNOWN_ENDS.iter().any(|end| prefix.ends_with(end)) => 3,
        None | Some(b':' | b'.' | b'/' | b'|') => 2,
        Some(b'_' | b'-') => 1,
        Some(_) => 0,
    }
}

/// Whether one key is enough to part it so.
fn stands_alone(key: &[u8], prefix: &[u8], length: usize) -> bool {
    let id = key.get(prefix.len()..).unwrap_or_default();
    let strict =
        matches!(length, 40 | 64) && all(id, Alphabet::Alnum) || length == 52 && all(id, Alphabet::Base32);
    boundary(prefix) > 1 || boundary(prefix) == 1 && strict
}

/// What people write before a name: all up to the last colon.
fn named(key: &[u8]) -> &[u8] {
    let end = memchr::memrchr(b':', key).map_or(0, |colon| colon + 1);
    key.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(keys: &[&str]) -> Vec<(String, Ids, usize)> {
        let keys: Vec<_> = keys.iter().map(|key| StoreKey::new(key.as_bytes().to_vec())).collect();
        families(&keys).into_iter().map(|family| (family.template(), family.ids, family.keys.len())).collect()
    }

    #[test]
    fn a_prefix_that_runs_into_the_id_is_told_from_it() {
        let lower = Ids::Fixed(32, Alphabet::Lower);
        assert_eq!(
            split(&[
                ":1:django.contrib.sessions.cachezhvdj3ywufs52s275sapylejjv2sb3d9",
                ":1:django.contrib.sessions.cacheuce66y1p4puhjzmxasn1tmj1qoisyzs6",
            ]),
            [(":1:django.contrib.sessions.cache{id}".to_owned(), lower, 2)]
        );
        assert_eq!(split(&["sf_suvsgq4vlga5fvbp9nlbabbggcj"])[0].0, "sf_s{id}");
    }

    #[test]
    fn a_prefix_of_id_characters_ends_at_its_separator() {
        let found = split(&[
            "laravel_database_laravel_cache_Y8P5sA8bMV1uOqgg6XSKcPtJY1nXH5B1QHCWGBS9",
            "laravel_database_laravel_cache_9NtTmfQB2oL1C0kbUswdpHGutyILxS8dmnpcL8JO",
        ]);
        assert_eq!(
            found,
            [("laravel_database_laravel_cache_{id}".to_owned(), Ids::Fixed(40, Alphabet::Alnum), 2)]
        );
    }

    #[test]
    fn one_key_alone_is_parted_behind_its_colon() {
        let found = split(&["session:SRdM4cKCt3b9AG-MjGMsF2AoQymxrEOh1a6bcRYNP4Q"]);
        assert_eq!(found, [("session:{id}".to_owned(), Ids::Fixed(43, Alphabet::Url), 1)]);
    }

    #[test]
    fn what_is_no_id_is_grouped_by_its_name() {
        let found = split(&["cart:1", "cart:22", "visits"]);
        assert_eq!(found, [("cart:{id}".to_owned(), Ids::Various, 2), ("{id}".to_owned(), Ids::Various, 1)]);
    }

    #[test]
    fn a_rack_id_keeps_its_mark() {
        let key = format!("myapp:session:2::{}", "0f".repeat(32));
        assert_eq!(split(&[&key]), [("myapp:session:{id}".to_owned(), Ids::Rack, 1)]);
    }

    #[test]
    fn locks_are_no_sessions() {
        assert_eq!(split(&["PHPREDIS_SESSION:8dq110cho3senobbgdml3up6a5_LOCK"]), []);
    }
}

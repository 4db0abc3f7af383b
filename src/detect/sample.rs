//! What was read of a store.

use crate::store::{Record, StoreKey};

/// Most keys that are scanned.
pub(crate) const KEYS_MAX: usize = 2000;
/// Most values that are read.
pub(crate) const VALUES_MAX: usize = 200;

/// Keys of a store.
pub struct Keys {
    /// As many as were scanned.
    pub keys: Vec<StoreKey>,
    /// Whether these are all.
    pub complete: bool,
}

/// What is under one key.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The key.
    pub key: StoreKey,
    /// What it holds.
    pub content: Content,
    /// Milliseconds until it is dropped; `None` if it has no TTL.
    pub ttl_ms: Option<u64>,
}

/// What a key holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// A string or a hash.
    Record(Record),
    /// A string or hash that is too large to be a session.
    TooLarge,
    /// Another type, by the name Redis has for it.
    Other(String),
    /// Nothing any more.
    Gone,
}

impl Reading {
    /// The record, if there is one with anything in it.
    pub fn record(&self) -> Option<&Record> {
        match &self.content {
            Content::Record(record) if !record.is_empty() => Some(record),
            _ => None,
        }
    }
}

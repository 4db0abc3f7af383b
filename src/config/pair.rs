//! `[pair]`, checked.

use crate::config::{ProfileId, RefreshPlace, TokenOptions};
use std::time::Duration;

/// `[pair]`: access and refresh tokens for clients that keep them.
#[derive(Debug)]
pub struct Pair {
    /// The `aud` claim; at least one.
    pub audience: Vec<String>,
    /// The access token's other properties.
    pub token: TokenOptions,
    /// Which profiles' sessions can be traded.
    pub sessions: Vec<ProfileId>,
    /// Where refresh tokens go.
    pub refresh: RefreshPlace,
    /// How long one may lie unused.
    pub idle: Duration,
    /// How long a login lasts.
    pub absolute: Duration,
    /// How long one that was used is answered with its successor.
    pub grace: Duration,
}

//! What the gateway itself keeps in Redis.
//!
//! Job: keep it where all gateways of a deployment see it, change it whole or not at all, and say whether the place is fit for it. Not
//! the job: who may ask for a change (`door`), what is in a token (`token`), where the app's sessions are (`store`, `session`).
//!
//! Everything is under the prefix of `[state]`, one key for each thing that must change at once, and every change is one script: no
//! lock to be lost, no two writers between whom a third comes. The server's clock counts, since those of the gateways may differ. An
//! answer that did not come leaves open whether it was done; so every script can be run again, and says the same again.
//!
//! The connection is one of its own, so that neither the sessions' reads wait behind these writes nor their user needs to write.
//!
//! Threats: what lies here may be read by whoever reads the Redis, so nothing in it lets anybody in. And it may be lost: an evicting Redis
//! logs people out, which is said at start, in `/ready?stores`, and again whenever it changes.
//!
//! The folder is a *roof*.

mod ended;
mod families;
mod fitness;
mod heard;
mod rates;
mod readers;
mod ring;
mod rollouts;
mod searches;
mod seen;

pub use ended::{Ended, Endings};
pub use families::{FamilyName, Lives, MadeToken, NewFamily, Rotated, Rotation};
pub use fitness::Unfit;
pub use rates::Taken;
pub use readers::Fetched;
pub use ring::KeptRing;
pub use rollouts::{RolloutWish, StoredRollout};
pub use seen::Noted;

use crate::config;
use crate::store::{Store, StoreKey};
use std::rc::Rc;

/// A worker's way to what is kept. Clones share the connection.
#[derive(Clone, Debug)]
pub struct State {
    store: Store,
    prefix: Rc<str>,
}

impl State {
    /// Keeps it in `store`, a connection of the worker's that nothing else uses.
    pub fn new(store: Store, config: &config::State) -> Self {
        Self { store, prefix: config.prefix.as_str().into() }
    }

    /// Ends the connection, whoever still holds this: another configuration is in force.
    pub fn retire(&self) {
        self.store.retire();
    }

    /// The key of one thing.
    fn key(&self, kind: &str, name: &str) -> StoreKey {
        StoreKey::new(format!("{}{kind}:{name}", self.prefix).into_bytes())
    }
}

//! Who is logged in, and how that ends before its time.
//!
//! Job: note in `[state]` which sessions pass through, so that one can be found by its fingerprint and all of them by their user; ask whether
//! one still lives; end one, all of a user's, or all but one, and have every gateway know. Not the job: who may ask for that (`door`,
//! `clients`, `admin`), and how a framework ends a record (`session`, `store`).
//!
//! What is noted of a session are its own cookies, sealed: to ask about it is to judge them as any request's, by the same code and the same
//! store. So there is no second truth, and what ends a session in its app ends it here.
//!
//! A session ends in this order: its record goes, as its framework would have it; a *tombstone* is told to all gateways, since
//! a request that the app is still working on may write the record again. All sessions of a user end in another: a *mark* on
//! the user is told first, which refuses what it finds on sight; what is noted is ended; and since an app may have
//! sessions that never came by here, the store is searched, slowly, for the rest. The mark stands until that is done: who logs in
//! again meanwhile has to do so once more. What is searched for is kept with the rest, so that another gateway goes on where one ended.
//!
//! What an app ends itself is heard of by the session cache: the record of a session of which tokens go on is gone (`departed`). That is for
//! services that hold such tokens; at the gateways the session is over by being gone.
//!
//! Errors: an ending that could not be begun is an error, and nothing has changed. Once the mark stands, the sessions are over here,
//! whatever happens to the search, which says so in the log if it cannot go on.
//!
//! Threats: what is noted lies in a Redis (sealed under the deployment's key, bound to its fingerprint); an id that has become another
//! user's (a session is ended only while it is still the same user's); a flood of endings (the list is bounded).
//!
//! The folder is a *roof*.

mod departed;
mod ending;
mod register;
mod seal;
mod search;

pub use ending::Spared;
pub use register::{Live, Revoker};
pub use search::Whom;

use crate::session::SessionError;
use crate::store::StoreError;

/// What could not be asked or done.
#[derive(Debug)]
pub enum RevocationError {
    /// What the gateways keep.
    State(StoreError),
    /// A session, in its store.
    Session(SessionError),
    /// The end of one.
    Ending(StoreError),
}

impl std::fmt::Display for RevocationError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::State(_) => "what is kept cannot be asked or changed",
            Self::Session(_) => "the session cannot be looked up",
            Self::Ending(_) => "the session cannot be ended",
        })
    }
}

impl std::error::Error for RevocationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::State(error) | Self::Ending(error) => Some(error),
            Self::Session(error) => Some(error),
        }
    }
}

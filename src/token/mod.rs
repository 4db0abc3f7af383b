//! From a verified session to a short-lived, signed token.
//!
//! Job: hold the key ring and publish its public half; know what the token of each route looks like; sign one when
//! a session needs it and use it again while it is fresh. Not the job: deciding who may pass (`guard`), sending the
//! token (`upstream`), serving the documents (`internal`, or `pipeline` where `publish_jwks` is on).
//!
//! What a token proves to a service: that this gateway saw a live session of `sub`, meant for this very service
//! (`aud`), a moment ago. What it cannot prove: that the session still lives. Hence three rules. A token is minted
//! from a [`VerifiedSession`](crate::session::VerifiedSession) and from nothing else. Its `exp` is never beyond the
//! session's end, rounded down. It is kept in [`Slots`] that live and die with the cached session, so whatever drops
//! the session drops the token.
//!
//! Threats, and where each is met: a token of one service used at another (`aud` per template, and slots keyed by the
//! template itself, so that a reload which renumbers templates cannot hand out a wrong one); an app that puts `sub` or
//! `exp` into a session (registered names are refused as claims at load); a private key in the published
//! documents (they are written from public values only, member by member); a key file others can read (a warning);
//! two gateways that start on one empty directory and sign with different keys (the first hard link wins).
//!
//! A signature costs 12 to 400 microseconds, everything else here about one. So keys are parsed once and held, the
//! encoded header is kept beside the key, and one signature serves a session and template until half its life is gone. A
//! [`Transaction`] is the exception: a token with the request's id and the client's address in it (`txn`, `rctx`) speaks of
//! one request, the draft wants `txn` to be unique to it, and so it is signed for each and never kept.
//!
//! The folder is a *roof*: `mod.rs` only declares, the children use each other.

mod claims;
mod directory;
mod error;
mod file;
mod fingerprint;
#[cfg(test)]
mod fixture;
mod inspect;
mod keeper;
mod key;
mod keys;
mod ledger;
mod mint;
mod own_token;
mod pair;
mod pairwise;
mod place;
mod publish;
mod readers;
mod reference;
mod ring;
mod ring_watch;
mod seal;
mod sign;
mod slots;
mod template;
mod tokens;
mod transaction;
mod trouble;
mod veil;

pub use error::TokenError;
pub use file::KeyWarning;
pub use inspect::{InspectError, Inspection, Moment, Signature, inspect};
pub use keeper::{Keeper, KeyDesk, KeyLine, KeyOrders, KeyReport, Order};
pub use key::Key;
pub use keys::KeyRing;
pub use mint::{Errand, InternalToken, Minter};
pub use own_token::{OwnKeys, OwnToken, StandsFor};
pub use place::Place;
pub use publish::{Document, Published};
pub use readers::Reader;
pub use ring::{Phase, Ring};
pub use ring_watch::RingWatch;
pub use slots::Slots;
pub use template::{Exchanged, RouteTemplates, SharedSecret, Template, TemplateId, Templates};
pub use tokens::Tokens;
pub use transaction::{Target, Transaction};
pub use trouble::KeyTrouble;

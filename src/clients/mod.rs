//! Services that ask about tokens, trade them or end them: `POST /introspect` (RFC 7662), `POST /token` (RFC 8693) and `POST /revoke` (RFC
//! 7009) at the internal listener.
//!
//! Job: know the service by its name and secret; say whether a token of ours still counts, for the audiences that the service is; give it
//! a token for another service, in the name of the user who called it. Not the job: what sessions are (`session`), how they end
//! (`revocation`), what a token looks like (`token`).
//!
//! What a signature says is old by the life of a token. So both ask more: whether the session behind it lives, at its own store, by
//! the same code as any request's. A token whose session is over is not active, and buys nothing; a store that cannot be asked makes it 503,
//! never "not active": whoever is told that logs somebody out.
//!
//! An exchanged token is minted from the live session like every other, so it ends with it, however often it is exchanged on. Its `act` names
//! who asked, and within that who had acted before (RFC 8693 §4.1).
//!
//! Threats: guessed secrets (compared in constant time, and failures are counted for each address and name); a service that asks about
//! other services' tokens (one that is not for it is not active, and nothing more is said); a service that is given a token it should
//! not have (`may_call`, and the token it shows must be for itself); endless chains (so many actors and no more).
//!
//! The folder is a *roof*.

mod answer;
mod behind;
mod caller;
mod desk;
mod exchange;
mod introspect;
mod revoke;

pub use answer::Answer;
pub use desk::{Counter, Desk, Paper, Tools};

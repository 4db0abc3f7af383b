//! Attacks a service's validation of tokens, and says what it wrongly takes or refuses.
//!
//! Job: forge one token of every kind in [`KINDS`], send each to the service as a client would, and compare its answer with
//! what it should be. Not the job: anything behind the door. The requests are GETs, or what the operator says, and a good one
//! among them is let in: it should be a request that changes nothing.
//!
//! A table and not code decides what is tried: a kind is a line, with changes of header and claims, a way to sign, a way to
//! send, what a service should do, what it means if it does not, and how to mend it. The forged tokens are signed with the
//! gateway's own keys, since half of all flaws are about genuine tokens in the wrong place; so whoever can run this could
//! as well mint tokens.
//!
//! What counts as let in is what the migration report calls served: 2xx, 304 and 101. A redirect keeps the token out. A 5xx keeps the token out, but by an exception that nobody caught: it is told
//! as a flaw of its own. If the plain good token does not get in, nothing is said of the others: they prove nothing.
//!
//! The folder is a *roof*.

mod attack;
mod forge;
mod kinds;
mod report;
mod stranger;

pub use attack::{Attack, AttackError, Service, attack};
pub use forge::Target;
pub use kinds::{KINDS, Kind, Severity, Wanted};
pub use report::{Flaw, Outcome, Report, junit};

//! Who asks too often.
//!
//! Job: count requests by client address, by session and by route, and lookups that found no session by client address, each
//! against its rate; say who has to wait, and how long. Not the job: finding out who asks (`request`, `session`), the answer
//! (`respond`), the first requests of a connection and its pace (`listen`).
//!
//! A rate is a bucket that fills evenly (GCRA, by `governor`): after a pause a whole `burst` may come at once, then one in every
//! `per / count`; a refused request takes nothing out. An IPv6 client has a /64 to itself, so that is what counts as one address.
//!
//! Threat: whoever has many addresses makes us remember many. The table is made once, of a fixed size, and
//! forgets in a full bucket whoever is furthest from a limit; the hash that chooses the bucket has a random key, so nobody can aim
//! at another's place. Guessed session ids cost Redis a read each: once an address had its `lookups` of which no session came,
//! Redis is not asked for it any more until its bucket has filled again, while sessions that are in memory go on. Guesses that are
//! under way at the same time are not yet counted, so there may be as many more as the address has open connections.
//!
//! Invariant: what is not configured is not made, and costs a request one look at an empty option. Each gateway counts for itself, or
//! (`limits.shared`) asks where all count before it lets one pass, and learns from the answer ([`Count`]): together they let no more
//! pass than the rate says. What a gateway knows is never more than what all have counted, so what it refuses nobody need be asked.
//!
//! The folder is a *roof*.

mod address;
mod count;
mod limiter;
mod meter;
mod table;

pub use count::Count;
pub use limiter::{Exceeded, Limiter};

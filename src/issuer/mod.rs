//! From a bearer token to a verdict: tokens that others issue, or we ourselves, accepted beside the session cookie.
//!
//! Job: take the bearer out of the request; find the issuer that it names among those of the route; verify its signature
//! with that issuer's keys and its claims by that issuer's rules; fetch these keys and keep them fresh. Not the job: what a
//! route makes of the verdict, or of a cookie beside it (`pipeline`, `guard`).
//!
//! What a verified bearer proves is what a verified cookie proves, and it is the same type: a
//! [`VerifiedSession`](crate::session::VerifiedSession), by [`BearerIdentity`](crate::session::BearerIdentity). It ends with the
//! token's `exp`; nobody can revoke it before.
//!
//! Threats, each with its line of defence. A token that chooses its own key or algorithm: both come from the configuration, a
//! key verifies only what its kind and its own `alg` allow, and `jku`, `jwk`, `x5u`, `crit` and `b64` are refused. A token for
//! another service: `audience` must be configured, and a token without `aud` is nobody's. A flood of made-up `kid`s: the key
//! set is fetched again for an unknown one, but only as often as a budget allows (`keys`). An endpoint that is down, slow,
//! huge or wrong: the last good set stays, every fetch is bounded in time and bytes, redirects are not followed; before the
//! first set the answer is that nobody can say (503), never that the token is wrong.
//!
//! An issuer's logout tokens are verified by the same keys, and are told from bearers by what they say (`logout_token`).
//!
//! An issuer whose tokens only it can read is asked about each (`introspection`), and what it says counts for seconds.
//!
//! Tokens of our own come back as bearers too (`own`). They say of which session they were made, and who takes them asks that.
//!
//! Tokens that verified are remembered by their hash, so that a second request costs neither a signature nor a parse; entries
//! count only for the key set that verified them. What changes with time, begin and end, is judged on every request.
//!
//! The folder is a *roof*.

mod bearer;
mod introspection;
mod issuers;
mod keys;
mod logout_token;
mod own;
mod reject;
mod verifier;

pub use bearer::{Bearer, Presented};
pub use issuers::{Issuers, Judged};
pub use logout_token::{LogoutRule, LogoutToken};
pub use own::OwnBearer;
pub use reject::{BearerError, BearerReject, Unavailable};
pub use verifier::Presentation;

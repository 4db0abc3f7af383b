//! From a cookie to a verdict.

mod verified;

pub use verified::{Fingerprint, Session, VerifiedSession};

//! From a cookie to a verdict.

mod subject;
mod verified;

pub use subject::{SubjectPath, user_id};
pub use verified::{Fingerprint, Session, VerifiedSession};

//! From a cookie to a verdict.
//!
//! Job: for the profiles of a route, in their order: take the session cookie, verify it, read the record, decode it,
//! judge its end and its subject, and say one of three things: *absent* (nobody claims to be anybody), *rejected* (a claim
//! that the app itself would not take), *verified*. Not the job: what a route makes of that (`guard`), HTTP.
//!
//! What a verified session proves: the app issued this cookie, its record was in the store at `checked_at`, the record
//! is one the framework writes, it has not ended, and it names this subject. It does not prove that the user still
//! exists in the app's own database: only the app knows that, and says it where it keeps a record of each user (`user`).
//!
//! Threats, each with its line of defence: fixation and tossing (two cookies of one name with different values are
//! refused); guessing (the signature is verified before the store is asked); replay after logout (the record is gone, and
//! its absence is an answer, not an error); a store outage taken for a logout (it is a [`SessionError`], a type of its
//! own). Session ids are never logged: a [`Fingerprint`] is.
//!
//! A session that is complete in its cookie (`jwt`) has no record, and nothing but its own end ends it, or its user's.
//!
//! Invariant: only [`Authenticator`] makes a [`VerifiedSession`], from a record that was read for this request or that the cache proves
//! to be unchanged (`cache` holds the argument), and a decoded session is reused only while its bytes stay the same; and, for
//! `issuer` alone, [`BearerIdentity`], from a token whose signature and claims that room has checked.
//!
//! The folder is a *roof*.

mod attribute;
mod authenticator;
mod bearer;
mod cache;
mod carried;
mod end;
mod fingerprint;
mod identity;
mod keep_alive;
mod over;
mod profile;
mod records;
mod subject;
mod template;
mod touch;
mod user;
mod verified;

pub use attribute::claim_of;
pub use authenticator::{Authenticated, Authenticator, SessionError, Verdict};
pub use bearer::BearerIdentity;
pub use cache::{Bell, SessionCache, Watch};
pub use end::KeyNames;
pub use fingerprint::{Fingerprint, FingerprintKey};
pub use identity::{Identity, IdentityRules};
pub use profile::Profile;
pub use records::{Policy, Source, StoreRules};
pub use subject::{SubjectPath, user_id};
pub use touch::DueTouch;
pub use user::Beside;
pub use verified::{Behind, Marks, Session, VerifiedSession, Voucher};

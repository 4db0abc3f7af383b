//! What a route makes of a verdict.
//!
//! Job: the access rule, conditions on attributes, and the defence against cross-site requests; the answer is either who
//! passes (anonymous by the route's own permission, or a verified session) or why not. Not the job: finding out who it is
//! (`session`), how a refusal looks (`respond`).
//!
//! Invariant: the policy is one exhaustive `match` in [`admit`]; a new kind of access or verdict does not compile until
//! somebody decided what it means. Every branch that is not spelled out as a pass is a refusal.
//!
//! The folder is a *roof*.

mod access;
mod condition;
mod csrf;

pub use access::{Admitted, Denied, admit};
pub use condition::meets_conditions;
pub use csrf::{CrossSite, TrustedOrigins};

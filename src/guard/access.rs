//! The access rule: one table.

use crate::config::Outage;
use crate::format::Reject;
use crate::route::{Anonymous, Grant};
use crate::session::{SessionError, Verdict, VerifiedSession};

/// Who passes.
#[derive(Debug)]
pub enum Admitted<T> {
    /// Nobody in particular, by the route's own permission.
    Anonymous(Anonymous),
    /// The user or guest of a live session.
    Known(VerifiedSession<T>),
}

/// Why nobody passes.
#[derive(Debug)]
pub enum Denied {
    /// The store could not be asked.
    StoreUnavailable(SessionError),
    /// No session that this route accepts; the reject, if there was a cookie at all, is for the log only.
    Unauthenticated(Option<Reject>),
}

/// The README's table "Who may pass". `outage` is the route's policy for a store that cannot be asked.
///
/// # Errors
/// [`Denied`] wherever the table does not say forward.
pub fn admit<T>(
    grant: Grant,
    outage: Outage,
    verdict: Result<Verdict<T>, SessionError>,
) -> Result<Admitted<T>, Denied> {
    match (grant, verdict) {
        (Grant::Open(anonymous), _) => Ok(Admitted::Anonymous(anonymous)),
        (Grant::Optional(anonymous), Ok(Verdict::Absent | Verdict::Rejected(_))) => {
            Ok(Admitted::Anonymous(anonymous))
        }
        (Grant::Optional(anonymous), Ok(Verdict::Verified(session))) => Ok(match is_user(&session) {
            true => Admitted::Known(session),
            false => Admitted::Anonymous(anonymous),
        }),
        (Grant::Optional(anonymous), Err(error)) => match outage {
            Outage::Anonymous => Ok(Admitted::Anonymous(anonymous)),
            // What was known was looked for before this error came about.
            Outage::Deny | Outage::ServeKnown(_) => Err(Denied::StoreUnavailable(error)),
        },
        (Grant::Session, Ok(Verdict::Verified(session))) => Ok(Admitted::Known(session)),
        (Grant::Required, Ok(Verdict::Verified(session))) => match is_user(&session) {
            true => Ok(Admitted::Known(session)),
            false => Err(Denied::Unauthenticated(None)),
        },
        (Grant::Session | Grant::Required, Ok(Verdict::Absent)) => Err(Denied::Unauthenticated(None)),
        (Grant::Session | Grant::Required, Ok(Verdict::Rejected(reject))) => {
            Err(Denied::Unauthenticated(Some(reject)))
        }
        (Grant::Session | Grant::Required, Err(error)) => Err(Denied::StoreUnavailable(error)),
    }
}

fn is_user<T>(session: &VerifiedSession<T>) -> bool {
    session.session().subject.is_some()
}

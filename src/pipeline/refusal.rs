//! What goes wrong on the way, as a value.

use crate::door::Turned;
use crate::format::Reject;
use crate::issuer::{BearerReject, Unavailable};
use crate::limit::Exceeded;
use crate::listen::Scarce;
use crate::pipeline::rehearsed::Rehearsed;
use crate::request::ParseError;
use crate::respond::{LoginRedirect, Reason};
use crate::revocation::RevocationError;
use crate::session::SessionError;
use crate::telemetry::chain;
use crate::token::TokenError;
use crate::upstream::UpstreamError;

/// An answer of our own, and what led to it. It has no `Display`: the cause is for the log.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) cause: Option<Box<Cause>>,
    /// The Allow field of a 405.
    pub(super) allow: Option<String>,
    /// Where a navigation goes instead.
    pub(super) login: Option<Box<LoginRedirect>>,
}

/// What happened, in the words of the stage where it did.
#[derive(Debug)]
pub(super) enum Cause {
    /// What is behind a token of ours could not be asked.
    Behind(RevocationError),
    /// The bearer was not accepted.
    Bearer(BearerReject),
    /// An attribute that `require` names has none of its values.
    Condition(String),
    /// The path that the service would get is one that a stricter route to it has.
    Guarded(String),
    /// The keys of the bearer's issuer could not be had.
    Issuer(Unavailable),
    /// A rate is exceeded.
    Limit(Exceeded),
    /// The session was not accepted.
    Reject(Reject),
    /// There was no room for it.
    Scarce(Scarce),
    /// The store could not be asked.
    Store(SessionError),
    /// The token could not be made.
    Token(TokenError),
    /// One of our own endpoints turned it away.
    Turned(Turned),
    /// The upstream did not answer, or the client broke its body.
    Upstream(UpstreamError),
}

impl Refusal {
    pub(super) fn malformed(error: ParseError) -> Self {
        Reason::Malformed(error).into()
    }

    pub(super) fn caused(reason: Reason, cause: Cause) -> Self {
        Self { cause: Some(Box::new(cause)), ..reason.into() }
    }

    /// As `explain` is told of it.
    pub(super) fn rehearsed(self) -> Rehearsed {
        let Self { reason, cause, allow, login } = self;
        let why = cause.map(|cause| cause.text());
        Rehearsed::Refused { reason, why, allow, login: login.map(|login| login.location().clone()) }
    }

    pub(super) fn upstream(error: UpstreamError) -> Self {
        let reason = match &error {
            UpstreamError::ClientBody(fault) => Reason::Malformed(*fault),
            UpstreamError::Busy | UpstreamError::Late => Reason::UpstreamBusy,
            UpstreamError::ConnectFailed { .. }
            | UpstreamError::ConnectTimedOut
            | UpstreamError::TlsFailed { .. } => Reason::UpstreamUnreachable,
            UpstreamError::FirstByteTimedOut | UpstreamError::TotalTimedOut => Reason::UpstreamTimedOut,
            UpstreamError::AmbiguousLength
            | UpstreamError::BadUpgrade
            | UpstreamError::BrokenResponse { .. }
            | UpstreamError::TooManyInformational
            | UpstreamError::UnaskedUpgrade => Reason::UpstreamBroken,
        };
        Self::caused(reason, Cause::Upstream(error))
    }
}

impl From<Exceeded> for Refusal {
    fn from(exceeded: Exceeded) -> Self {
        Self::caused(Reason::RateLimited, Cause::Limit(exceeded))
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, cause: None, allow: None, login: None }
    }
}

impl Cause {
    /// What the client is told about a rate that it exceeded.
    pub(super) const fn exceeded(&self) -> Option<Exceeded> {
        match self {
            Self::Limit(exceeded) => Some(*exceeded),
            Self::Behind(_)
            | Self::Bearer(_)
            | Self::Condition(_)
            | Self::Guarded(_)
            | Self::Issuer(_)
            | Self::Reject(_)
            | Self::Scarce(_)
            | Self::Store(_)
            | Self::Token(_)
            | Self::Turned(_)
            | Self::Upstream(_) => None,
        }
    }

    /// The access line's `reason`: a code where there is one, else the chain of causes.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Behind(error) => chain(error),
            Self::Bearer(reject) => reject.code().to_owned(),
            Self::Issuer(error) => chain(error),
            Self::Condition(attribute) => format!("require: {attribute}"),
            Self::Guarded(path) => format!("a stricter route to the same upstream has `{path}`"),
            Self::Limit(exceeded) => exceeded.text(),
            Self::Reject(reject) => reject.code().to_owned(),
            Self::Scarce(scarce) => scarce.word().to_owned(),
            Self::Store(error) => chain(error),
            Self::Token(error) => chain(error),
            Self::Turned(turned) => turned.text(),
            Self::Upstream(error) => chain(error),
        }
    }

    /// What the metrics of our own endpoints count.
    pub(super) const fn outcome(&self) -> &'static str {
        match self {
            Self::Turned(turned) => turned.outcome(),
            Self::Behind(_)
            | Self::Bearer(_)
            | Self::Condition(_)
            | Self::Guarded(_)
            | Self::Issuer(_)
            | Self::Limit(_)
            | Self::Reject(_)
            | Self::Scarce(_)
            | Self::Store(_)
            | Self::Token(_)
            | Self::Upstream(_) => "refused",
        }
    }
}

//! Why somebody was turned away.

use crate::format::Reject;
use crate::issuer::{BearerReject, Unavailable};
use crate::respond::Reason;
use crate::revocation::RevocationError;
use crate::session::SessionError;
use crate::store::StoreError;
use crate::telemetry::chain;
use crate::token::TokenError;

/// Why. It has no `Display`: the client is told the [`Reason`], and the log the rest.
#[derive(Debug)]
pub enum Turned {
    /// What was sent is no good any more, or never was.
    Dead(Dead),
    /// The session could not be ended, and goes on.
    Ending(StoreError),
    /// The keys of an issuer could not be had.
    Issuer(Unavailable),
    /// A logout token that does not count.
    LogoutToken(BearerReject),
    /// The client showed no certificate, and pairs are bound to one.
    NoCertificate,
    /// No session, or none that is taken.
    NoSession(Option<Reject>),
    /// The session's store could not be asked.
    Session(SessionError),
    /// What is kept could not be asked or changed.
    State(StoreError),
    /// The access token could not be made.
    Token(TokenError),
    /// The request does not say what is wanted.
    Unclear(&'static str),
}

/// What is wrong with a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dead {
    /// It is none of ours.
    Malformed,
    /// Its family has ended, or never was.
    Unknown,
    /// Its family has lived its time.
    Over,
    /// It was used before: somebody has a copy, and the family has ended.
    Reused,
    /// The session behind it has ended, and the family with it.
    SessionOver,
    /// The session is somebody else's now.
    OtherUser,
}

impl Turned {
    /// What could not be asked or ended.
    pub(crate) fn revocation(error: RevocationError) -> Self {
        match error {
            RevocationError::State(error) => Self::State(error),
            RevocationError::Session(error) => Self::Session(error),
            RevocationError::Ending(error) => Self::Ending(error),
        }
    }

    /// What the client is told.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Dead(_) => Reason::InvalidGrant,
            Self::NoSession(_) | Self::Token(TokenError::SessionEnding) => Reason::LoginRequired,
            Self::Ending(_) | Self::Session(_) | Self::State(_) | Self::Token(TokenError::NoKey) => {
                Reason::StoreUnavailable
            }
            Self::Token(TokenError::TooLarge { .. }) => Reason::TokenTooLarge,
            Self::Token(
                TokenError::RandomFailed | TokenError::SigningFailed | TokenError::UnknownTemplate,
            ) => Reason::TokenFailed,
            Self::Issuer(_) => Reason::IssuerUnavailable,
            Self::NoCertificate => Reason::CertificateRequired,
            Self::LogoutToken(_) | Self::Unclear(_) => Reason::InvalidRequest,
        }
    }

    /// What the log is told.
    pub fn text(&self) -> String {
        match self {
            Self::Dead(dead) => dead.code().to_owned(),
            Self::Issuer(unavailable) => {
                unavailable.source.as_deref().map_or("no answer in time".to_owned(), |source| chain(source))
            }
            Self::NoCertificate => "no-certificate".to_owned(),
            Self::LogoutToken(reject) => format!("{}: {reject}", reject.code()),
            Self::NoSession(reject) => {
                reject.as_ref().map_or("no-session", |reject| reject.code()).to_owned()
            }
            Self::Session(error) => chain(error),
            Self::Ending(error) | Self::State(error) => chain(error),
            Self::Token(error) => chain(error),
            Self::Unclear(what) => (*what).to_owned(),
        }
    }

    /// What the metrics count.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Dead(dead) => dead.code(),
            Self::NoSession(_) => "no-session",
            Self::Ending(_) | Self::Issuer(_) | Self::Session(_) | Self::State(_) => "unavailable",
            Self::LogoutToken(_) => "refused",
            Self::NoCertificate => "no-certificate",
            Self::Token(_) => "token-failed",
            Self::Unclear(_) => "unclear",
        }
    }
}

impl Dead {
    /// Kebab-case.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "refresh-malformed",
            Self::Unknown => "refresh-unknown",
            Self::Over => "refresh-over",
            Self::Reused => "refresh-reused",
            Self::SessionOver => "session-over",
            Self::OtherUser => "other-user",
        }
    }
}

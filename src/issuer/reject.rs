//! Why a bearer is not accepted, and why nobody can say.

use crate::config::IssuerId;
use crate::format::Reject;
use crate::web::FetchError;

/// No verified bearer.
#[derive(Debug)]
pub enum BearerError {
    /// It is not accepted.
    Rejected(BearerReject),
    /// Its issuer's word is missing. Never an answer about the token.
    Unavailable(Unavailable),
}

/// Why a bearer is not accepted. The client sees the same 401 for all of them; logs and metrics carry the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BearerReject {
    /// Its algorithm is not one that the issuer may use.
    AlgorithmRefused,
    /// Its issuer says that it is not active.
    Inactive,
    /// It brings a key, or says where to fetch one.
    KeyInToken,
    /// The Authorization is no one well-formed bearer.
    MalformedBearer,
    /// It is bound to a certificate or a key that was not shown with it: somebody else has got hold of it.
    NotTheirs,
    /// It is no JWT, and no issuer of the route can be asked about others.
    Opaque,
    /// What is wrong with it would be wrong with a token in a cookie too.
    Token(Reject),
    /// Its `iss` is none of the route's.
    UnknownIssuer,
    /// Its `kid` is none of the issuer's, as of a moment ago.
    UnknownKey,
}

/// The keys or the word of an issuer could not be had.
#[derive(Debug)]
pub struct Unavailable {
    /// Whose.
    pub issuer: IssuerId,
    /// What went wrong the last time; `None`: no answer came in time.
    pub source: Option<std::sync::Arc<FetchError>>,
}

impl BearerReject {
    /// Stable kebab-case code for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlgorithmRefused => "algorithm-refused",
            Self::Inactive => "inactive",
            Self::KeyInToken => "key-in-token",
            Self::MalformedBearer => "malformed-bearer",
            Self::NotTheirs => "not-theirs",
            Self::Opaque | Self::Token(Reject::MalformedCookie(_)) => "malformed-token",
            Self::Token(reject) => reject.code(),
            Self::UnknownIssuer => "unknown-issuer",
            Self::UnknownKey => "unknown-key",
        }
    }
}

impl From<Reject> for BearerReject {
    fn from(reject: Reject) -> Self {
        Self::Token(reject)
    }
}

impl std::fmt::Display for BearerReject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AlgorithmRefused => f.write_str("its `alg` is not one of the issuer's `algorithms`"),
            Self::Inactive => f.write_str("its issuer says that it is not active"),
            Self::KeyInToken => {
                f.write_str("it brings a key or says where to fetch one (`jku`, `jwk`, `x5u`)")
            }
            Self::Opaque => f.write_str("it is malformed: not a JWT: no three parts"),
            Self::NotTheirs => {
                f.write_str("it is bound to a certificate or key (`cnf`) that did not come with it")
            }
            Self::MalformedBearer => f.write_str("Authorization is not one bearer token"),
            Self::Token(Reject::MalformedCookie(what)) => write!(f, "it is malformed: {what}"),
            Self::Token(Reject::ClaimRefused(what)) => write!(f, "it is not for us: {what}"),
            Self::Token(Reject::BadSignature { .. }) => {
                f.write_str("its signature is not one of its issuer's keys")
            }
            Self::Token(Reject::Expired) => f.write_str("it has ended"),
            Self::Token(Reject::NotYetValid) => f.write_str("it has not begun: `nbf` or `iat` lies ahead"),
            Self::Token(reject) => reject.fmt(f),
            Self::UnknownIssuer => f.write_str("its `iss` is none of the route's issuers"),
            Self::UnknownKey => f.write_str("its `kid` is none of its issuer's keys"),
        }
    }
}

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.source {
            Some(_) => f.write_str("the issuer could not be asked"),
            None => f.write_str("no answer of the issuer came in time"),
        }
    }
}

impl std::error::Error for Unavailable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}

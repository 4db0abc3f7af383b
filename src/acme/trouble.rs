//! Why there is no certificate.

use std::io;

use instant_acme::{Error, Problem};

/// Kinds of problem (RFC 8555 §6.7).
const STALE_NONCE: &str = ":badNonce";
const UNKNOWN_ACCOUNT: &str = ":accountDoesNotExist";

/// What went wrong in an order.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The authority refused, or could not be asked.
    Authority(Error),
    /// It looked for the proof, and did not find it; in its own words.
    Unproved(String),
    /// It does not take the kind of proof that is configured.
    NoSuchChallenge,
    /// It gave out something that is no certificate for the key.
    Unusable,
    /// The folder cannot be read or written.
    Folder(io::Error),
    /// No key could be made.
    NoKey,
}

impl Trouble {
    /// What an authority says that looked for a proof: of the proof, unless it is of how we asked.
    pub(super) fn of_proof(error: Error) -> Self {
        match error {
            Error::Api(problem) if !is(&problem, STALE_NONCE) => Self::Unproved(problem.to_string()),
            error => Self::Authority(error),
        }
    }

    /// Whether the authority does not know our account.
    pub(super) fn is_unknown_account(&self) -> bool {
        self.is_problem(UNKNOWN_ACCOUNT)
    }

    /// Whether a nonce was refused: it had become old on its way, or the authority is of several minds.
    pub(super) fn is_stale_nonce(&self) -> bool {
        self.is_problem(STALE_NONCE)
    }

    fn is_problem(&self, kind: &str) -> bool {
        matches!(self, Self::Authority(Error::Api(problem)) if is(problem, kind))
    }
}

fn is(problem: &Problem, kind: &str) -> bool {
    problem.r#type.as_deref().is_some_and(|found| found.ends_with(kind))
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Authority(error)
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Authority(_) => f.write_str("the authority"),
            Self::Unproved(words) => {
                write!(f, "the authority did not find the proof that the name leads here: {words}")
            }
            Self::NoSuchChallenge => {
                f.write_str("the authority does not offer the configured `challenge` for this name")
            }
            Self::Unusable => f.write_str("what the authority gave out is no certificate"),
            Self::Folder(_) => f.write_str("the folder `storage`"),
            Self::NoKey => f.write_str("no key could be made"),
        }
    }
}

impl std::error::Error for Trouble {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Authority(error) => Some(error),
            Self::Folder(error) => Some(error),
            Self::Unproved(_) | Self::NoSuchChallenge | Self::Unusable | Self::NoKey => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(kind: &str) -> Error {
        let text = format!(r#"{{"type":"urn:ietf:params:acme:error:{kind}","detail":"x","status":400}}"#);
        Error::Api(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn a_refused_nonce_says_nothing_of_the_proof() {
        assert!(Trouble::of_proof(problem("badNonce")).is_stale_nonce());
        assert!(matches!(Trouble::of_proof(problem("unauthorized")), Trouble::Unproved(_)));
        assert!(!Trouble::from(problem("accountDoesNotExist")).is_stale_nonce());
    }
}

//! Why there is no certificate.

use std::io;

/// What went wrong in an order.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The authority refused, or could not be asked.
    Authority(instant_acme::Error),
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
    /// Whether the authority does not know our account.
    pub(super) fn is_unknown_account(&self) -> bool {
        matches!(self, Self::Authority(instant_acme::Error::Api(problem))
            if problem.r#type.as_deref().is_some_and(|kind| kind.ends_with(":accountDoesNotExist")))
    }
}

impl From<instant_acme::Error> for Trouble {
    fn from(error: instant_acme::Error) -> Self {
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

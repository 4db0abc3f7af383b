//! Why a session gets no token.

/// What can go wrong while a token is made. None of it is the client's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// There is no key to sign with yet: the ring is kept in a Redis that was not reached since the start.
    NoKey,
    /// The system gave no random bytes for `jti`; nothing can be signed safely.
    RandomFailed,
    /// The session ends within this second: a token would be dead on arrival. Treat it as ended.
    SessionEnding,
    /// The key could not sign; the library says no more than that.
    SigningFailed,
    /// The token would be larger than `tokens.max_bytes`: too much is copied into claims.
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The template belongs to another minter; a mistake of ours.
    UnknownTemplate,
}

impl std::fmt::Display for TokenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoKey => f.write_str("the key ring has not been read yet"),
            Self::RandomFailed => f.write_str("no random bytes for the token id"),
            Self::SessionEnding => f.write_str("the session ends within this second"),
            Self::SigningFailed => f.write_str("the key could not sign"),
            Self::TooLarge { bytes, limit } => {
                write!(f, "the token is over its limit of {limit} bytes: {bytes}")
            }
            Self::UnknownTemplate => f.write_str("the token template is of another configuration"),
        }
    }
}

impl std::error::Error for TokenError {}

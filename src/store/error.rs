//! Why a store could not be asked. None of these says anything about the session.

use std::time::Duration;

/// A store that gave no answer. Always an outage (503), never a logout.
#[derive(Debug)]
pub enum StoreError {
    /// Connecting failed, or the connection broke while we waited.
    ConnectionLost {
        /// What the client library saw.
        source: redis::RedisError,
    },
    /// The reply belongs to another question: the connection is dropped. Never seen in practice; if it is, upgrade.
    CrossedReply,
    /// The store is up but not ready: loading, failing over, busy, out of memory.
    NotReady {
        /// Redis's error code, as `LOADING`.
        code: String,
    },
    /// The store refuses us: wrong password, or an ACL without the command or the key. The operator's to mend.
    Refused {
        /// Redis's error code, as `NOPERM`.
        code: String,
    },
    /// No reply within the store's `timeout`.
    TimedOut {
        /// The timeout.
        after: Duration,
    },
    /// A reply of a type that the command cannot have.
    UnexpectedReply,
    /// There is no connection; a reconnect is under way.
    Unreachable,
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ConnectionLost { .. } => f.write_str("the connection to the store broke"),
            Self::CrossedReply => f.write_str("the store's reply belongs to another question"),
            Self::NotReady { code } => write!(f, "the store is not ready: {code}"),
            Self::Refused { code } => write!(f, "the store refuses us: {code}"),
            Self::TimedOut { after } => write!(f, "no reply from the store within {after:?}"),
            Self::UnexpectedReply => f.write_str("the store's reply has the wrong type"),
            Self::Unreachable => f.write_str("there is no connection to the store"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::ConnectionLost { source } => Some(source),
            Self::CrossedReply
            | Self::NotReady { .. }
            | Self::Refused { .. }
            | Self::TimedOut { .. }
            | Self::UnexpectedReply
            | Self::Unreachable => None,
        }
    }
}

//! Why a store could not be asked. None of these says anything about the session.

use crate::store::Address;
use std::time::Duration;

/// A store that gave no answer. Always an outage (503), never a logout.
#[derive(Clone, Debug)]
pub enum StoreError {
    /// The key's slot is on its way to another node of the Cluster, and the key is there already or nowhere.
    Asked {
        /// The other node.
        to: Address,
    },
    /// The server, a proxy before it or our user's ACL lacks what pushed revocation needs.
    CannotTrack {
        /// What is missing, in words.
        missing: String,
    },
    /// Connecting failed, or the connection broke while we waited.
    ConnectionLost {
        /// What the client library saw.
        source: redis::RedisError,
    },
    /// The reply belongs to another question: the connection is dropped. Never seen in practice; if it is, upgrade.
    CrossedReply,
    /// The key belongs to another node of a Cluster.
    Moved {
        /// The other node.
        to: Address,
    },
    /// This server is a replica, or was made one: what it says may be old. Look at what `url` leads to.
    NotPrimary,
    /// The store is up but not ready: loading, failing over, busy, out of memory.
    NotReady {
        /// Redis's error code, as `LOADING`.
        code: String,
    },
    /// More reads wait for the store than it can answer in time; the rest is turned away at once.
    Overloaded,
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
    /// Those who decide which server is the primary (sentinels, the primaries of a Cluster) have not said for too long that it is this one.
    Unconfirmed,
    /// There is no connection; a reconnect is under way.
    Unreachable,
}

impl StoreError {
    /// Whether the connection that it came over is of no more use.
    pub const fn breaks_connection(&self) -> bool {
        match self {
            Self::ConnectionLost { .. } | Self::CrossedReply | Self::NotPrimary | Self::UnexpectedReply => {
                true
            }
            Self::Asked { .. }
            | Self::CannotTrack { .. }
            | Self::Moved { .. }
            | Self::NotReady { .. }
            | Self::Overloaded
            | Self::Refused { .. }
            | Self::TimedOut { .. }
            | Self::Unconfirmed
            | Self::Unreachable => false,
        }
    }
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Asked { to } => write!(f, "the key is on its way to {to}"),
            Self::CannotTrack { missing } => write!(f, "the store cannot track changes: {missing}"),
            Self::ConnectionLost { .. } => f.write_str("the connection to the store broke"),
            Self::CrossedReply => f.write_str("the store's reply belongs to another question"),
            Self::Moved { to } => {
                write!(f, "the key is at {to}, another node of a Cluster (`redis+cluster://` follows it)")
            }
            Self::NotPrimary => {
                f.write_str("the store is a replica, and only a primary knows what was revoked")
            }
            Self::NotReady { code } => write!(f, "the store is not ready: {code}"),
            Self::Overloaded => f.write_str("too many reads wait for the store"),
            Self::Refused { code } => write!(f, "the store refuses us: {code}"),
            Self::TimedOut { after } => write!(f, "no reply from the store within {after:?}"),
            Self::UnexpectedReply => f.write_str("the store's reply has the wrong type"),
            Self::Unconfirmed => f.write_str("those who decide do not say which server is the primary"),
            Self::Unreachable => f.write_str("there is no connection to the store"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::ConnectionLost { source } => Some(source),
            Self::Asked { .. }
            | Self::CannotTrack { .. }
            | Self::CrossedReply
            | Self::Moved { .. }
            | Self::NotPrimary
            | Self::NotReady { .. }
            | Self::Overloaded
            | Self::Refused { .. }
            | Self::TimedOut { .. }
            | Self::Unconfirmed
            | Self::UnexpectedReply
            | Self::Unreachable => None,
        }
    }
}

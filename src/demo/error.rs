//! Why a demo did not start.

use crate::app::StartError;
use crate::config::{ConfigError, Sources};
use crate::listen::BindError;

/// Why a demo did not start.
#[derive(Debug)]
pub enum DemoError {
    /// An address cannot be listened on.
    Bind(BindError),
    /// The gateway's configuration is wrong, which is a mistake in this program.
    Config(Vec<ConfigError>, Sources),
    /// The gateway did not start.
    Gateway(StartError),
    /// The store's URL is not one.
    Store(redis::RedisError),
    /// The system gave no directory, thread, socket or random bytes.
    System(std::io::Error),
}

impl std::fmt::Display for DemoError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bind(error) => error.fmt(f),
            Self::Config(errors, _) => {
                write!(f, "the demo's configuration has {} mistakes", errors.len())
            }
            Self::Gateway(error) => error.fmt(f),
            Self::Store(_) => f.write_str("the address of the demo's Redis is not one"),
            Self::System(_) => f.write_str("the system gave no directory, thread, socket or random bytes"),
        }
    }
}

impl std::error::Error for DemoError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind(error) => error.source(),
            Self::Config(..) => None,
            Self::Gateway(error) => error.source(),
            Self::Store(error) => Some(error),
            Self::System(error) => Some(error),
        }
    }
}

impl From<BindError> for DemoError {
    fn from(error: BindError) -> Self {
        Self::Bind(error)
    }
}

impl From<StartError> for DemoError {
    fn from(error: StartError) -> Self {
        Self::Gateway(error)
    }
}

impl From<redis::RedisError> for DemoError {
    fn from(error: redis::RedisError) -> Self {
        Self::Store(error)
    }
}

impl From<std::io::Error> for DemoError {
    fn from(error: std::io::Error) -> Self {
        Self::System(error)
    }
}

//! A configuration made ready: what its rooms make of it, or all that they object to.

use crate::app::{StartError, check};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::pipeline::Shared;
use crate::telemetry::Metrics;
use crate::tls::{self, Tickets};
use std::sync::Arc;

/// What the workers share, and TLS; warned of what is wrong with either.
pub(super) fn prepare(
    config: Config,
    clock: Clock,
    metrics: &Arc<Metrics>,
) -> Result<(Arc<Shared>, Option<tls::Server>), StartError> {
    let (now, untouched) = (clock.now(), check::unstated_touches(&config));
    let tickets = Tickets::new().map_err(StartError::System)?;
    let tls =
        tls::Server::build(&config.server.certificates, &config.server.client_certificates, Some(&tickets));
    let shared = Shared::build(config, clock, Arc::clone(metrics));
    let (shared, tls) = both(shared, tls).map_err(StartError::Config)?;
    let shown = tls.iter().flat_map(|tls| tls.warnings(now));
    for warning in untouched.into_iter().chain(shown) {
        tracing::warn!("{warning}");
    }
    for warning in shared.ring().warnings() {
        tracing::warn!("{warning}");
    }
    Ok((Arc::new(shared), tls))
}

/// Both, or the mistakes of both.
pub(super) fn both<A, B>(
    a: Result<A, Vec<ConfigError>>,
    b: Result<B, Vec<ConfigError>>,
) -> Result<(A, B), Vec<ConfigError>> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(a), Err(b)) => Err([a, b].concat()),
        (Err(errors), Ok(_)) | (Ok(_), Err(errors)) => Err(errors),
    }
}

//! The thread that asks endpoints whether they work.

use crate::listen::spawn_worker;
use crate::pipeline::Shared;
use crate::upstream::HealthChecks;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::watch;

/// Starts it, if any upstream has `health`; it ends with the drain.
pub(super) fn check(
    shared: &Arc<Shared>,
    drain: &watch::Receiver<bool>,
) -> io::Result<Option<JoinHandle<io::Result<()>>>> {
    if shared.config.upstreams.iter().all(|upstream| upstream.health.is_none()) {
        return Ok(None);
    }
    let (shared, mut drain) = (Arc::clone(shared), drain.clone());
    let thread = spawn_worker("health", move || async move {
        let checks = HealthChecks::new(&shared.config.upstreams, shared.standings())
            .map_err(|_| io::Error::other("the configuration built once and not again"))?;
        tokio::select! {
            () = checks.run() => {}
            _ = drain.wait_for(|drain| *drain) => {}
        }
        Ok(())
    });
    thread.map(Some)
}

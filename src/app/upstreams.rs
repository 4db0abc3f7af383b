//! The thread that asks endpoints whether they work.

use crate::listen::spawn_worker;
use crate::pipeline::Shared;
use crate::upstream::HealthChecks;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::watch;

/// Starts it, if any upstream has `health`; it ends when the sender of `over` is gone.
pub(super) fn check(
    shared: &Arc<Shared>,
    mut over: watch::Receiver<()>,
) -> io::Result<Option<JoinHandle<io::Result<()>>>> {
    if shared.config.upstreams.iter().all(|upstream| upstream.health.is_none()) {
        return Ok(None);
    }
    let shared = Arc::clone(shared);
    let thread = spawn_worker("health", move || async move {
        let checks = HealthChecks::new(&shared.config.upstreams, shared.standings())
            .map_err(|_| io::Error::other("the configuration built once and not again"))?;
        tokio::select! {
            () = checks.run() => {}
            _ = over.changed() => {}
        }
        Ok(())
    });
    thread.map(Some)
}

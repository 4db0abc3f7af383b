//! The thread that orders certificates.

use crate::acme;
use crate::app::Thread;
use crate::app::generation::Ground;
use crate::listen::spawn_worker;
use crate::pipeline::Shared;
use std::sync::Arc;
use tokio::sync::watch;

/// Starts it; it ends when `over` does.
///
/// # Errors
/// The system gave no thread.
pub(super) fn order(
    shared: &Arc<Shared>,
    ground: &Ground,
    mut over: watch::Receiver<()>,
) -> std::io::Result<Thread> {
    let shared = Arc::clone(shared);
    let (challenges, clock, metrics) =
        (ground.challenges.clone(), ground.clock.clone(), Arc::clone(&ground.metrics));
    spawn_worker("certificates", move || async move {
        let Some(orders) = &shared.config.server.acme else { return Ok(()) };
        tokio::select! {
            () = acme::keep(orders, &challenges, &clock, &metrics) => {}
            // It is never sent anything: an error says that nobody needs certificates any more.
            _ = over.changed() => {}
        }
        Ok(())
    })
}

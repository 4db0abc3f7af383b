//! Upgraded connections: bytes both ways, until one side is done or the gateway drains.

use std::sync::Arc;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::sync::watch;

/// Per direction. WebSocket messages are mostly small, and idle tunnels are many.
const BUFFER_BYTES: usize = 16 * 1024;

/// All running tunnels of the gateway, over all workers. A hyper connection is over once it is upgraded, so a drain that
/// waits for connections does not see them; it waits for this.
#[derive(Clone, Debug, Default)]
pub struct Tunnels(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    running: watch::Sender<usize>,
    closing: watch::Sender<bool>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { running: watch::Sender::new(0), closing: watch::Sender::new(false) }
    }
}

impl Tunnels {
    /// How many are running.
    pub fn running(&self) -> usize {
        *self.0.running.borrow()
    }

    /// Cuts all that run, and every later one at once.
    pub fn close(&self) {
        self.0.closing.send_replace(true);
    }

    /// Waits until none is running.
    pub async fn finished(&self) {
        // It fails only without a sender, and `self` holds that.
        let _ = self.0.running.subscribe().wait_for(|running| *running == 0).await;
    }

    /// Joins the two ends in a task of its own, as soon as both are there.
    pub(crate) fn open(&self, client: OnUpgrade, upstream: OnUpgrade) {
        self.0.running.send_modify(|running| *running += 1);
        let running = Running(self.0.clone());
        tokio::task::spawn_local(async move {
            let mut closing = running.0.closing.subscribe();
            tokio::select! {
                () = join(client, upstream) => {}
                _ = closing.wait_for(|closing| *closing) => {}
            }
        });
    }
}

/// One tunnel in the count.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.send_modify(|running| *running -= 1);
    }
}

async fn join(client: OnUpgrade, upstream: OnUpgrade) {
    let copied = match tokio::try_join!(client, upstream) {
        Ok((client, upstream)) => copy(client, upstream).await,
        Err(error) => return tracing::debug!(%error, "tunnel did not open"),
    };
    match copied {
        Ok((up, down)) => tracing::debug!(up, down, "tunnel closed"),
        Err(error) => tracing::debug!(%error, "tunnel broke"),
    }
}

/// An end of one direction is passed on, and the other direction goes on until its own.
async fn copy(client: Upgraded, upstream: Upgraded) -> std::io::Result<(u64, u64)> {
    let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
    copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER_BYTES, BUFFER_BYTES).await
}

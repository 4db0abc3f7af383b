//! The thread that keeps the key ring.

use crate::app::stores::StorePlan;
use crate::app::{Running, StartError, state};
use crate::config::KeySource;
use crate::listen::spawn_worker;
use crate::telemetry::Metrics;
use crate::token::{Keeper, KeyDesk, Place, RingWatch};
use std::sync::Arc;
use tokio::sync::watch;

impl Running {
    /// Starts the thread that keeps the ring, and the listener that orders for it come from.
    pub(super) fn keep_keys(
        &mut self,
        plans: &[StorePlan],
        metrics: &Arc<Metrics>,
        drain: &watch::Receiver<bool>,
    ) -> Result<(), StartError> {
        let (desk, orders) = KeyDesk::new();
        let me = gateway_name().map_err(StartError::System)?;
        let (shared, plans, metrics) = (Arc::clone(&self.shared), plans.to_vec(), Arc::clone(metrics));
        let mut draining = drain.clone();
        let worker = spawn_worker("keys", move || async move {
            let state = state::open(&shared.config, &plans, &metrics);
            let tokens = &shared.config.tokens;
            let place = match (&tokens.keys, &state) {
                (KeySource::Files(_), _) | (KeySource::State { .. }, None) => Place::Fixed,
                (KeySource::Directory(path), _) => Place::directory(path.value.clone()),
                (KeySource::State { seals, .. }, Some(state)) => {
                    Place::state(state.clone(), seals, me.clone())
                }
            };
            let keys = Arc::clone(shared.ring());
            let life = shared.minter().templates().longest();
            let kept = (tokens.algorithms(), tokens.rotation);
            let keeper = Keeper::new(Arc::clone(&keys), place, kept, life, shared.clock().clone());
            let changed = Arc::clone(&shared);
            let watching = async {
                match state {
                    Some(state) => RingWatch::new(keys, state, me, &tokens.issuer).run(&metrics).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = keeper.run(orders, |ring| changed.issuers().follow(&ring.jwks())) => {}
                () = watching => {}
                // An error: the sender is gone, and so is the gateway.
                _ = draining.wait_for(|draining| *draining) => {}
            }
            Ok(())
        });
        self.threads.push(worker.map_err(StartError::System)?);
        self.serve_operators(desk, drain)
    }
}

/// A name that no other gateway has, nor this one the next time.
fn gateway_name() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| std::io::Error::other("no random bytes"))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

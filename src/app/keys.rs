//! The thread that keeps the key ring.

use crate::app::generation::Ender;
use crate::app::stores::StorePlan;
use crate::app::{Thread, opened};
use crate::config::KeySource;
use crate::listen::spawn_worker;
use crate::pipeline::Shared;
use crate::telemetry::Metrics;
use crate::token::{Keeper, KeyDesk, Place, RingWatch};
use std::sync::Arc;
use tokio::sync::watch;

/// Who keeps the ring: it ends with the last configuration that it is kept for.
#[derive(Clone)]
pub(super) struct Keeping {
    /// Where orders for it come from.
    pub(super) desk: KeyDesk,
    _ender: Arc<Ender>,
}

/// Starts the thread that keeps the ring of `shared`.
///
/// # Errors
/// The system gave no thread or random bytes.
pub(super) fn keep(
    shared: &Arc<Shared>,
    plans: &[StorePlan],
    metrics: &Arc<Metrics>,
) -> std::io::Result<(Keeping, Thread)> {
    let (desk, orders) = KeyDesk::new();
    let (ender, mut over) = watch::channel(());
    let me = gateway_name()?;
    let (shared, plans, metrics) = (Arc::clone(shared), plans.to_vec(), Arc::clone(metrics));
    let thread = spawn_worker("keys", move || async move {
        let place = opened::open_state(&shared.config, &plans, &metrics, None);
        let state = place.as_ref().map(|place| place.state.clone());
        let tokens = &shared.config.tokens;
        let place = match (&tokens.keys, &state) {
            (KeySource::Files(_), _) | (KeySource::State { .. }, None) => Place::Fixed,
            (KeySource::Directory(path), _) => Place::directory(path.value.clone()),
            (KeySource::State { seals, .. }, Some(state)) => Place::state(state.clone(), seals, me.clone()),
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
            // It is never sent anything: an error says that nobody needs the ring to be kept any more.
            _ = over.changed() => {}
        }
        Ok(())
    })?;
    Ok((Keeping { desk, _ender: Arc::new(ender) }, thread))
}

/// A name that no other gateway has, nor this one the next time.
fn gateway_name() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| std::io::Error::other("no random bytes"))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

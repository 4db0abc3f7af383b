//! The key ring in `[state]`, for commands that work with the gateway's keys and are no gateway.

use crate::app::opened::open_state;
use crate::app::rehearsal::find_primaries;
use crate::app::stores::plan_stores;
use crate::clock::Clock;
use crate::config::{Config, KeySource};
use crate::listen::spawn_worker;
use crate::store::StoreError;
use crate::telemetry::Metrics;
use crate::token::{KeyTrouble, Place, Ring};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// As long as sentinels and the nodes of a Cluster take to say where the primary is.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks until then.
const PAUSE: Duration = Duration::from_millis(100);

/// Reads the ring as every gateway of this configuration does, and changes nothing: not even who keeps it.
///
/// # Errors
/// The system gave no thread, or a URL leads nowhere; within, why the ring cannot be read.
pub fn kept_ring(config: &Arc<Config>) -> io::Result<Result<Ring, KeyTrouble>> {
    let KeySource::State { seals, .. } = &config.tokens.keys else { return Ok(Err(KeyTrouble::NotKept)) };
    let plans = plan_stores(config, &Clock::System, |_| None);
    let plans = plans.map_err(|errors| {
        io::Error::other(errors.iter().map(|error| error.found.as_str()).collect::<Vec<_>>().join(", "))
    })?;
    let (config, seals) = (Arc::clone(config), seals.clone());
    let worker = spawn_worker("ring", move || async move {
        let (mut plans, metrics) = (plans, Arc::new(Metrics::new()));
        find_primaries(&mut plans, &metrics);
        let opened = open_state(&config, &plans, &metrics, None);
        let Some(opened) = opened else { return Ok(Err(KeyTrouble::NotKept)) };
        // Nobody's name: who only looks is never asked for one.
        Ok(look(&Place::state(opened.state.clone(), &seals, String::new())).await)
    })?;
    worker.join().unwrap_or_else(|_| Err(io::Error::other("the worker panicked")))
}

async fn look(place: &Place) -> Result<Ring, KeyTrouble> {
    let early = |looked: &Result<Ring, KeyTrouble>| {
        matches!(looked, Err(KeyTrouble::Store(StoreError::Unreachable | StoreError::Unconfirmed)))
    };
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            let looked = place.look().await;
            if !early(&looked) {
                return looked;
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    found.await.unwrap_or(Err(KeyTrouble::Store(StoreError::Unreachable)))
}

//! Where the gateway keeps its own: a connection of its own for each worker, and an eye on the place.

use crate::app::StorePlan;
use crate::config::Config;
use crate::internal::StoreHealth;
use crate::state::{State, Unfit};
use crate::store::{Cluster, ClusterStore, LinkEvent, RedisOptions, RedisStore, Store};
use crate::telemetry::{Metrics, chain};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often a place that was not reached yet is asked again.
const FIRST: Duration = Duration::from_millis(250);
/// How often the place is looked at: a failover may lead to a server with another configuration.
const AGAIN: Duration = Duration::from_secs(5);

/// What is known of the place, over all workers.
#[derive(Debug)]
pub(super) struct StateWatch {
    store: String,
    seen: Mutex<Seen>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    Fit,
    Unfit(Unfit),
    Trouble { text: String, reached: bool },
}

/// A worker's way to what is kept, if anything is.
pub(super) fn open(config: &Config, plans: &[StorePlan], metrics: &Metrics) -> Option<State> {
    let state = config.state.as_ref()?;
    let name = config.stores.get(state.store.0)?.name.as_str();
    // Whether it is there is for `StateWatch` to say, and whether sessions can be read has nothing to do with it.
    let store = match plans.get(state.store.0)?.clone() {
        StorePlan::Memory(_) => return None,
        StorePlan::Redis(options, watch, _) => {
            let tell = move |event: LinkEvent<'_>| {
                if matches!(event, LinkEvent::Broke(_)) {
                    watch.note(&event);
                }
            };
            Store::Redis(RedisStore::start(RedisOptions::clone(&options), metrics.store(name), None, tell))
        }
        StorePlan::Cluster(_, watch, cluster) => {
            let tell = move |event: LinkEvent<'_>| {
                if matches!(event, LinkEvent::Broke(_)) {
                    watch.note(&event);
                }
            };
            let cluster = cluster.unwrap_or_else(Cluster::unknown);
            Store::Cluster(ClusterStore::new(cluster, metrics.store(name), tell))
        }
    };
    Some(State::new(store, state))
}

impl StateWatch {
    pub(super) fn new(config: &Config) -> Option<Arc<Self>> {
        let store = config.stores.get(config.state.as_ref()?.store.0)?.name.clone();
        Some(Arc::new(Self { store, seen: Mutex::new(Seen::Nothing) }))
    }

    /// Looks at the place as long as the worker lives, and says what changed.
    pub(super) async fn look(self: Arc<Self>, state: State) {
        loop {
            let found = state.fitness().await.map_err(|error| chain(&error));
            tokio::time::sleep(if self.note(found) { AGAIN } else { FIRST }).await;
        }
    }

    /// Whether it was reached once.
    fn note(&self, found: Result<Option<Unfit>, String>) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = match found {
            Ok(None) => Seen::Fit,
            Ok(Some(unfit)) => Seen::Unfit(unfit),
            Err(text) => Seen::Trouble { text, reached: seen.reached() },
        };
        let before = std::mem::replace(&mut *seen, now);
        if before != *seen {
            let store = &self.store;
            match &*seen {
                Seen::Nothing => {}
                Seen::Fit => tracing::info!(%store, "state is kept here"),
                Seen::Unfit(unfit) => tracing::warn!(%store, "state may be lost here: {unfit}"),
                Seen::Trouble { text, .. } => {
                    tracing::warn!(%store, error = %text, "state cannot be reached; what needs it answers 503");
                }
            }
        }
        seen.reached()
    }

    /// What readiness waits for, in words.
    pub(super) fn waits(&self) -> Option<String> {
        let reached = self.seen.lock().unwrap_or_else(PoisonError::into_inner).reached();
        (!reached).then(|| format!("state in store {} was not reached yet", self.store))
    }

    pub(super) fn health(&self) -> StoreHealth {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (reachable, detail) = match seen {
            Seen::Nothing => (false, None),
            Seen::Fit => (true, None),
            Seen::Unfit(unfit @ Unfit::Evicts { .. }) => (true, Some(unfit.to_string())),
            Seen::Unfit(unfit @ Unfit::Unwritable { .. }) => (false, Some(unfit.to_string())),
            Seen::Trouble { text, .. } => (false, Some(text)),
        };
        StoreHealth { name: format!("state in {}", self.store), reachable, detail, primaries: Vec::new() }
    }
}

impl Seen {
    const fn reached(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Fit | Self::Unfit(_) => true,
            Self::Trouble { reached, .. } => *reached,
        }
    }
}

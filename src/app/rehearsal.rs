//! A gateway that is made ready and serves nobody, to look at its decisions.

use crate::app::health::StoreWatch;
use crate::app::opened::{open_state, open_stores};
use crate::app::stores::{StorePlan, plan_stores, surveyor};
use crate::app::worker::request_ids;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, StoreId};
use crate::listen::spawn_worker;
use crate::pipeline::{Gateway, Shared};
use crate::store::{Cluster, MemoryStore, Sentinels, Store};
use crate::telemetry::{AccessLog, AccessSink, Metrics};
use std::rc::Rc;
use std::sync::Arc;

/// A configuration made ready as `serve` would, with nothing written: where a key is missing, one that is thrown away stands in.
pub struct Rehearsal {
    shared: Arc<Shared>,
    plans: Vec<StorePlan>,
    metrics: Arc<Metrics>,
}

/// What a rehearsal works with; it belongs to one worker.
pub struct Stage {
    /// The gateway.
    pub gateway: Gateway,
    /// Its stores, indexed by [`StoreId`].
    pub stores: Vec<Store>,
    /// Whether its keys are thrown away afterwards, so that tokens and fingerprints are not those of `serve`.
    pub stand_in_keys: bool,
    watches: Vec<Option<Arc<StoreWatch>>>,
}

impl Rehearsal {
    /// Makes a configuration ready.
    ///
    /// # Errors
    /// Every mistake the rooms find.
    pub fn prepare(mut config: Config, clock: Clock) -> Result<Self, Vec<ConfigError>> {
        config.tokens.stand_in = true;
        let metrics = Arc::new(Metrics::new());
        let plans = plan_stores(&config, &clock, |_| None)?;
        let shared = Arc::new(Shared::build(config, clock, Arc::clone(&metrics), None)?);
        Ok(Self { shared, plans, metrics })
    }

    /// The store named `name`, if it is one inside the process.
    pub fn memory_store(&self, name: &str) -> Option<MemoryStore> {
        let at = self.shared.config.stores.iter().position(|store| store.name == name)?;
        self.plans.get(at)?.memory()
    }

    /// Runs `play` on a worker of its own, with connections to the stores, and waits for it.
    ///
    /// # Errors
    /// The system gave no thread or random bytes, or the worker panicked.
    pub fn run<P, F>(&self, play: P) -> std::io::Result<F::Output>
    where
        P: FnOnce(Stage) -> F + Send + 'static,
        F: Future<Output: Send + 'static>,
    {
        let (shared, plans, metrics) =
            (Arc::clone(&self.shared), self.plans.clone(), Arc::clone(&self.metrics));
        let stand_in_keys = self.shared.ring().stands_in();
        let worker = spawn_worker("rehearsal", move || async move {
            let mut plans = plans;
            find_primaries(&mut plans, &metrics);
            let fetching = Arc::clone(&shared);
            tokio::task::spawn_local(async move { fetching.issuers().watch().await });
            let opened = open_stores(&shared.config, &plans, &metrics, &Rc::default(), &[]);
            let stores: Vec<_> = opened.iter().map(|opened| opened.store.clone()).collect();
            let place = open_state(&shared.config, &plans, &metrics, None);
            let state = place.as_ref().map(|place| place.state.clone());
            let log = AccessLog::new(AccessSink::none());
            let gateway =
                Gateway::new(shared, stores.clone(), (Rc::new(request_ids()?), Rc::new(log)), state, None)
                    .map_err(|_| std::io::Error::other("the configuration built once and not again"))?;
            let watches = plans.iter().map(StorePlan::watch).collect();
            let played = play(Stage { gateway, stores, stand_in_keys, watches }).await;
            // They end with these.
            drop((opened, place));
            Ok(played)
        })?;
        worker.join().unwrap_or_else(|_| Err(std::io::Error::other("the worker panicked")))
    }
}

/// As `serve` does, on the worker itself, and without leases.
pub(super) fn find_primaries(plans: &mut [StorePlan], metrics: &Arc<Metrics>) {
    for plan in plans {
        match plan {
            StorePlan::Memory(_) => {}
            StorePlan::Redis(options, watch, _) => {
                if let Some(sentinels) = options.sentinels().map(Arc::downgrade) {
                    let watch = Arc::clone(watch);
                    tokio::task::spawn_local(async move {
                        Sentinels::watch(sentinels, |event| watch.note(&event)).await;
                    });
                }
            }
            StorePlan::Cluster(options, watch, cluster) => {
                if let Some((handle, survey)) = Cluster::new(options) {
                    *cluster = Some(handle);
                    let made = surveyor(None, Arc::clone(watch), Arc::clone(metrics));
                    tokio::task::spawn_local(survey.run(made));
                }
            }
        }
    }
}

impl Stage {
    /// Why a store could not be connected to, as far as that was tried by now.
    pub fn trouble(&self, store: StoreId) -> Option<String> {
        self.watches.get(store.0)?.as_ref()?.health().detail
    }
}

//! What the stores of a configuration become: one plan for all workers, and connections for each.

use crate::app::health::StoreWatch;
use crate::clock::Clock;
use crate::config::{Access, Backend, Config, ConfigError, Freshness, Outage, StoreId};
use crate::pipeline::Shared;
use crate::store::{
    Cluster, ClusterStore, LinkEvent, MemoryStore, RecordKind, RedisOptions, RedisStore, Store, Surveyor,
    Tracked,
};
use crate::telemetry::Metrics;
use std::rc::Rc;
use std::sync::Arc;

/// How a worker reaches one store.
#[derive(Clone)]
pub(super) enum StorePlan {
    Memory(MemoryStore),
    Redis(Arc<RedisOptions>, Arc<StoreWatch>, Option<Arc<Tracked>>),
    /// `None` until its survey has begun.
    Cluster(Arc<RedisOptions>, Arc<StoreWatch>, Option<Cluster>),
}

impl StorePlan {
    pub(super) fn memory(&self) -> Option<MemoryStore> {
        match self {
            Self::Memory(memory) => Some(memory.clone()),
            Self::Redis(..) | Self::Cluster(..) => None,
        }
    }

    pub(super) fn watch(&self) -> Option<Arc<StoreWatch>> {
        match self {
            Self::Memory(_) => None,
            Self::Redis(_, watch, _) | Self::Cluster(_, watch, _) => Some(Arc::clone(watch)),
        }
    }
}

pub(super) fn plan_stores(config: &Config, clock: &Clock) -> Result<Vec<StorePlan>, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut plans = Vec::new();
    for store in &config.stores {
        match (&store.backend, RedisOptions::new(store)) {
            (Backend::Memory, _) | (_, Ok(None)) => {
                tracing::warn!(store = %store.name, "`memory:` is for the demo and tests: nothing else can write to it");
                plans.push(StorePlan::Memory(MemoryStore::new(clock.clone())));
            }
            (_, Ok(Some(options))) => {
                let (options, watch) = (Arc::new(options), Arc::new(StoreWatch::new(&store.name)));
                plans.push(if options.is_cluster() {
                    StorePlan::Cluster(options, watch, None)
                } else {
                    StorePlan::Redis(options, watch, None)
                });
            }
            (_, Err(error)) => errors.push(ConfigError::new(
                store.at,
                format!("stores.{}.url", store.name),
                crate::telemetry::chain(&error),
                "redis://[user:password@]host[:port][/db], or rediss:// with TLS",
            )),
        }
    }
    if errors.is_empty() { Ok(plans) } else { Err(errors) }
}

/// The kinds of record that the profiles of a store read.
pub(super) fn record_kinds(shared: &Shared, store: StoreId) -> Vec<RecordKind> {
    let profiles = shared.profiles().iter().filter(|profile| profile.store == Some(store));
    let mut kinds: Vec<RecordKind> = Vec::new();
    for kind in profiles.map(|profile| profile.format.record_kind()) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

/// What a Cluster's survey makes of the primaries that it finds; without `shared` nobody reads them under a lease.
pub(super) fn surveyor(
    shared: Option<Arc<Shared>>,
    id: StoreId,
    watch: Arc<StoreWatch>,
    metrics: Arc<Metrics>,
) -> Surveyor {
    let name = watch.name().to_owned();
    Surveyor {
        follow: shared.map(|shared| {
            let kinds = record_kinds(&shared, id);
            let follow = move |lease| shared.cache().follower(id, kinds.clone(), lease);
            Box::new(follow) as Box<dyn Fn(_) -> _>
        }),
        count: Box::new(move |address| metrics.store_at(&name, &address.to_string())),
        tell: Rc::new(move |address, event| watch.note_at(address, &event)),
    }
}

/// The stores that some route reads under a lease, or serves what was known of: the others need nobody to tell them of changes.
pub(super) fn leased_stores(config: &Config) -> Vec<StoreId> {
    let mut leased = Vec::new();
    for route in config.routes.iter().filter(|route| route.access != Access::Open) {
        for profile in route.sessions.iter().filter_map(|id| config.profiles.get(id.0)) {
            let Some((id, store)) = profile.store.and_then(|id| Some((id, config.stores.get(id.0)?))) else {
                continue;
            };
            let lease = route.freshness.unwrap_or(store.freshness) == Freshness::Lease;
            let known = matches!(route.outage.unwrap_or(store.outage), Outage::ServeKnown(_));
            if (lease || known) && !leased.contains(&id) {
                leased.push(id);
            }
        }
    }
    leased
}

/// The stores of one worker, each with a connection of its own; indexed by [`StoreId`].
pub(super) fn open_stores(config: &Config, plans: &[StorePlan], metrics: &Metrics) -> Vec<Store> {
    plans
        .iter()
        .enumerate()
        .map(|(at, plan)| match plan {
            StorePlan::Memory(memory) => Store::Memory(memory.clone()),
            // One that has no survey has no primaries either.
            StorePlan::Cluster(_, watch, cluster) => {
                let cluster = cluster.clone().unwrap_or_else(Cluster::unknown);
                let (name, watch) = (watch.name().to_owned(), Arc::clone(watch));
                Store::Cluster(ClusterStore::new(cluster, metrics.store(&name), move |event| {
                    // Whether the Cluster is there is the survey's to say.
                    if matches!(event, LinkEvent::Broke(_) | LinkEvent::Refused(_)) {
                        watch.note(&event);
                    }
                }))
            }
            StorePlan::Redis(options, watch, tracked) => {
                let name = config.stores.get(StoreId(at).0).map_or("", |store| store.name.as_str());
                let watch = Arc::clone(watch);
                Store::Redis(RedisStore::start(
                    RedisOptions::clone(options),
                    metrics.store(name),
                    tracked.clone(),
                    move |event| watch.note(&event),
                ))
            }
        })
        .collect()
}

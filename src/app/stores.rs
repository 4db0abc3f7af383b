//! How stores are reached: one plan for all workers, and the threads that a process has for each.
//!
//! What is started here ends by itself when the last [`StorePlan`] and the last connection made from it are gone: so a configuration
//! that is no longer in force takes its threads along, and one that only hands its stores on takes none.

use crate::app::Thread;
use crate::app::health::StoreWatch;
use crate::clock::Clock;
use crate::config::{self, Access, Backend, Config, ConfigError, Freshness, Outage, StoreId};
use crate::listen::spawn_worker;
use crate::pipeline::Shared;
use crate::store::{Cluster, Follow, MemoryStore, RecordKind, RedisOptions, Sentinels, Surveyor, Tracked};
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

    /// Whether what was connected by `other` serves this as well.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Redis(a, ..), Self::Redis(b, ..)) | (Self::Cluster(a, ..), Self::Cluster(b, ..)) => {
                Arc::ptr_eq(a, b)
            }
            // It costs nothing to open.
            (Self::Memory(_) | Self::Redis(..) | Self::Cluster(..), _) => false,
        }
    }

    pub(super) fn watch(&self) -> Option<Arc<StoreWatch>> {
        match self {
            Self::Memory(_) => None,
            Self::Redis(_, watch, _) | Self::Cluster(_, watch, _) => Some(Arc::clone(watch)),
        }
    }
}

/// How the stores of a configuration are reached. A store inside the process stays what it was under the configuration before.
///
/// # Errors
/// Every URL that no connection could be made from.
pub(super) fn plan_stores(
    config: &Config,
    clock: &Clock,
    memory: impl Fn(&str) -> Option<MemoryStore>,
) -> Result<Vec<StorePlan>, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut plans = Vec::new();
    for store in &config.stores {
        match (&store.backend, RedisOptions::new(store)) {
            (Backend::Memory, _) | (_, Ok(None)) => {
                tracing::warn!(store = %store.name, "`memory:` is for the demo and tests: nothing else can write to it");
                let memory = memory(&store.name).unwrap_or_else(|| MemoryStore::new(clock.clone()));
                plans.push(StorePlan::Memory(memory));
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
    let mut kinds: Vec<RecordKind> = Vec::new();
    for kind in shared.profiles().iter().flat_map(|profile| profile.kinds_in(store)) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

/// What a Cluster's survey makes of the primaries that it finds; without `follow` nobody reads them under a lease.
pub(super) fn surveyor(follow: Option<Follow>, watch: Arc<StoreWatch>, metrics: Arc<Metrics>) -> Surveyor {
    let name = watch.name().to_owned();
    Surveyor {
        follow,
        count: Box::new(move |address| metrics.store_at(&name, &address.to_string())),
        tell: Rc::new(move |address, event| watch.note_at(address, &event)),
    }
}

/// The stores that some route reads under a lease, or serves what was known of: the others need nobody to tell them of changes.
pub(super) fn leased_stores(config: &Config) -> Vec<StoreId> {
    let mut leased = Vec::new();
    for route in config.routes.iter().filter(|route| route.access != Access::Open) {
        let profiles = route.sessions.iter().filter_map(|id| config.profiles.get(id.0));
        for id in profiles.flat_map(config::Profile::stores) {
            let Some(store) = config.stores.get(id.0) else { continue };
            let lease = route.freshness.unwrap_or(store.freshness) == Freshness::Lease;
            let known = matches!(route.outage.unwrap_or(store.outage), Outage::ServeKnown(_));
            if (lease || known) && !leased.contains(&id) {
                leased.push(id);
            }
        }
    }
    leased
}

/// Starts the threads of the stores at `fresh`: the tracked connections of those that some route reads under a lease, and who finds the
/// primaries where sentinels or a Cluster's nodes know them; in a Cluster the connections to these are tracked there too.
///
/// # Errors
/// The system gave no thread.
pub(super) fn launch(
    shared: &Shared,
    plans: &mut [StorePlan],
    (fresh, leased): (&[bool], &[StoreId]),
    metrics: &Arc<Metrics>,
) -> std::io::Result<Vec<Thread>> {
    let mut threads = Vec::new();
    let plans = plans.iter_mut().zip(fresh).enumerate().filter(|(_, (_, fresh))| **fresh);
    for (id, plan) in plans.map(|(at, (plan, _))| (StoreId(at), plan)) {
        let is_leased = leased.contains(&id);
        match plan {
            StorePlan::Memory(_) => {}
            StorePlan::Redis(options, watch, tracked) => {
                if is_leased && let Some(store) = shared.config.stores.get(id.0) {
                    let (handle, thread) = track(shared, id, (store, options), watch, metrics)?;
                    *tracked = Some(handle);
                    threads.push(thread);
                }
                if let Some(sentinels) = options.sentinels().map(Arc::downgrade) {
                    let watch = Arc::clone(watch);
                    threads.push(spawn_worker(&format!("sentinels-{}", watch.name()), move || async move {
                        Sentinels::watch(sentinels, |event| watch.note(&event)).await;
                        Ok(())
                    })?);
                }
            }
            StorePlan::Cluster(options, watch, cluster) => {
                let Some((handle, survey)) = Cluster::new(options) else { continue };
                *cluster = Some(handle);
                let (cache, kinds) = (Arc::clone(shared.cache()), record_kinds(shared, id));
                let (watch, metrics) = (Arc::clone(watch), Arc::clone(metrics));
                threads.push(spawn_worker(&format!("store-{}", watch.name()), move || async move {
                    let follow = move |lease| cache.follower(id, kinds.clone(), lease);
                    let follow = is_leased.then(|| Box::new(follow) as Follow);
                    survey.run(surveyor(follow, watch, metrics)).await;
                    Ok(())
                })?);
            }
        }
    }
    Ok(threads)
}

fn track(
    shared: &Shared,
    id: StoreId,
    (store, options): (&config::Store, &RedisOptions),
    watch: &Arc<StoreWatch>,
    metrics: &Metrics,
) -> std::io::Result<(Arc<Tracked>, Thread)> {
    let (handle, link) = Tracked::new(options.clone(), store.revocation_bound, metrics.store(&store.name));
    let follower = shared.cache().follower(id, record_kinds(shared, id), Arc::clone(link.lease()));
    let watch = Arc::clone(watch);
    let thread = spawn_worker(&format!("store-{}", store.name), move || async move {
        link.run(follower, move |event| watch.note(&event)).await;
        Ok(())
    })?;
    Ok((Arc::new(handle), thread))
}

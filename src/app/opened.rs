//! A worker's own connections to stores.

use crate::app::health::StoreWatch;
use crate::app::stores::StorePlan;
use crate::config::Config;
use crate::state::State;
use crate::store::{Cluster, ClusterStore, LinkEvent, RedisOptions, RedisStore, Store};
use crate::telemetry::Metrics;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;

/// A connection to one store. Configurations hand it on to each other; it ends with the last that needs it.
pub(super) struct Opened {
    plan: StorePlan,
    pub(super) store: Store,
}

/// A connection to the place where the gateway keeps its own; likewise.
pub(super) struct OpenedState {
    plan: StorePlan,
    prefix: String,
    pub(super) state: State,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.store.retire();
    }
}

impl Drop for OpenedState {
    fn drop(&mut self) {
        self.state.retire();
    }
}

/// The stores of one worker, indexed by [`crate::config::StoreId`]; those that are among `before` go on.
pub(super) fn open_stores(
    config: &Config,
    plans: &[StorePlan],
    metrics: &Metrics,
    settled: &Rc<Settled>,
    before: &[Rc<Opened>],
) -> Vec<Rc<Opened>> {
    let open = |(at, plan): (usize, &StorePlan)| {
        if let Some(kept) = before.get(at).filter(|opened| opened.plan.is(plan)) {
            return Rc::clone(kept);
        }
        let name = config.stores.get(at).map_or("", |store| store.name.as_str());
        let store = match plan {
            StorePlan::Memory(memory) => Store::Memory(memory.clone()),
            // One that has no survey has no primaries either.
            StorePlan::Cluster(_, watch, cluster) => {
                let (cluster, watch) = (cluster.clone().unwrap_or_else(Cluster::unknown), Arc::clone(watch));
                Store::Cluster(ClusterStore::new(cluster, metrics.store(name), move |event| {
                    // Whether the Cluster is there is the survey's to say.
                    if matches!(event, LinkEvent::Broke(_) | LinkEvent::Refused(_)) {
                        watch.note(&event);
                    }
                }))
            }
            StorePlan::Redis(options, watch, tracked) => {
                let (watch, heard) = (Arc::clone(watch), settled.expect());
                let tell = move |event: LinkEvent<'_>| {
                    heard.note();
                    watch.note(&event);
                };
                let options = RedisOptions::clone(options);
                Store::Redis(RedisStore::start(options, metrics.store(name), tracked.clone(), tell))
            }
        };
        Rc::new(Opened { plan: plan.clone(), store })
    };
    plans.iter().enumerate().map(open).collect()
}

/// A worker's way to what is kept, if anything is; the one `before`, if it leads to the same place.
pub(super) fn open_state(
    config: &Config,
    plans: &[StorePlan],
    metrics: &Metrics,
    before: Option<&Rc<OpenedState>>,
) -> Option<Rc<OpenedState>> {
    let state = config.state.as_ref()?;
    let (name, plan) = (config.stores.get(state.store.0)?.name.as_str(), plans.get(state.store.0)?);
    if let Some(kept) = before.filter(|opened| opened.plan.is(plan) && opened.prefix == state.prefix) {
        return Some(Rc::clone(kept));
    }
    // Whether it is there is for `StateWatch` to say, and whether sessions can be read has nothing to do with it.
    let tell = |watch: &Arc<StoreWatch>| {
        let watch = Arc::clone(watch);
        move |event: LinkEvent<'_>| {
            if matches!(event, LinkEvent::Broke(_)) {
                watch.note(&event);
            }
        }
    };
    let store = match plan {
        StorePlan::Memory(_) => return None,
        StorePlan::Redis(options, watch, _) => {
            let options = RedisOptions::clone(options);
            Store::Redis(RedisStore::start(options, metrics.store(name), None, tell(watch)))
        }
        StorePlan::Cluster(_, watch, cluster) => {
            let cluster = cluster.clone().unwrap_or_else(Cluster::unknown);
            Store::Cluster(ClusterStore::new(cluster, metrics.store(name), tell(watch)))
        }
    };
    let state = (State::new(store, state), state.prefix.clone());
    Some(Rc::new(OpenedState { plan: plan.clone(), prefix: state.1, state: state.0 }))
}

/// A worker's stores from which nothing was heard yet.
#[derive(Debug, Default)]
pub(super) struct Settled {
    silent: Cell<usize>,
    all: Notify,
}

/// One of them; shares the count.
struct Heard {
    settled: Rc<Settled>,
    before: Cell<bool>,
}

impl Settled {
    fn expect(self: &Rc<Self>) -> Heard {
        self.silent.set(self.silent.get() + 1);
        Heard { settled: Rc::clone(self), before: Cell::new(false) }
    }

    /// Waits until every connection was made or failed once.
    pub(super) async fn wait(&self) {
        while self.silent.get() > 0 {
            self.all.notified().await;
        }
    }
}

impl Heard {
    fn note(&self) {
        if !self.before.replace(true) {
            self.settled.silent.set(self.settled.silent.get().saturating_sub(1));
            self.settled.all.notify_one();
        }
    }
}

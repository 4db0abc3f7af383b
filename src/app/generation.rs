//! One configuration at work, from its reading until nobody needs it any more.

use crate::app::health::StoreWatch;
use crate::app::keys::{self, Keeping};
use crate::app::state::StateWatch;
use crate::app::stores::{self, StorePlan, leased_stores, plan_stores};
use crate::app::{Thread, certificates, check, upstreams};
use crate::clock::{Clock, UnixMillis};
use crate::config::{Config, ConfigError, StoreId};
use crate::listen::spawn_worker;
use crate::pipeline::Shared;
use crate::store::MemoryStore;
use crate::telemetry::Metrics;
use crate::tls::{self, Challenges, Ordered, Tickets};
use crate::token::KeyDesk;
use std::sync::Arc;
use tokio::sync::watch;

/// What all workers share of a configuration. A reload makes a new one beside it, which takes over what is the same; requests that run,
/// and streams, keep the old.
pub(super) struct Generation {
    pub(super) shared: Arc<Shared>,
    pub(super) plans: Vec<StorePlan>,
    pub(super) state: Option<Arc<StateWatch>>,
    /// The thread that fetches issuers' keys.
    fetching: Option<Arc<Ender>>,
    /// The thread that asks endpoints whether they work.
    checking: Option<Arc<Ender>>,
    /// The thread that orders certificates.
    ordering: Option<Arc<Ender>>,
    /// The thread that keeps the key ring.
    keeping: Option<Keeping>,
    /// Since when this process has been counting.
    pub(super) since: UnixMillis,
    /// The stores that are read under a lease.
    leased: Vec<StoreId>,
    /// By store, whether its threads are to be started.
    fresh: Vec<bool>,
}

/// What a process has for all its configurations.
pub(super) struct Ground {
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
    pub(super) tickets: Tickets,
    pub(super) challenges: Challenges,
}

/// Ends a thread when the last of its clones is dropped.
pub(super) type Ender = watch::Sender<()>;

impl Generation {
    /// Makes a configuration ready, with what it takes over from the one `before`; nothing has been started yet.
    ///
    /// # Errors
    /// Every mistake that the rooms find.
    pub(super) fn prepare(
        config: Config,
        ground: &Ground,
        before: Option<&Self>,
    ) -> Result<(Self, Option<tls::Server>), Vec<ConfigError>> {
        let Ground { clock, metrics, tickets, challenges } = ground;
        let plans = plan_stores(&config, clock, |name| before?.memory_store(name));
        // The routes leave the configuration when their table is built.
        let leased = leased_stores(&config);
        let untouched = check::unstated_touches(&config);
        let tls = tls::Server::build(
            &config.server.certificates,
            &config.server.client_certificates,
            Some(tickets),
            config.server.acme.as_ref().map(|acme| Ordered { names: &acme.names, challenges }),
            clock.now(),
        );
        let earlier = before.map(|before| before.shared.as_ref());
        let shared = Shared::build(config, clock.clone(), Arc::clone(metrics), earlier);
        let ((mut plans, shared), tls) = both(both(plans, shared), tls)?;
        let shown = tls.iter().flat_map(|tls| tls.warnings(clock.now()));
        for warning in untouched.into_iter().chain(shown) {
            tracing::warn!("{warning}");
        }
        metrics.show_certificates(tls.iter().flat_map(tls::Server::ends));
        for warning in shared.ring().warnings() {
            tracing::warn!("{warning}");
        }
        let fresh = match before {
            Some(before) => before.hand_on(&shared, &leased, &mut plans),
            None => vec![true; plans.len()],
        };
        let state = StateWatch::new(&shared.config, before.and_then(|before| before.state.as_deref()));
        let (fetching, checking, ordering, keeping) = (None, None, None, None);
        let since = before.map_or_else(|| clock.now(), |before| before.since);
        let shared = Arc::new(shared);
        Ok((Self { shared, plans, state, fetching, checking, ordering, keeping, since, leased, fresh }, tls))
    }

    /// Starts the threads that it needs and did not take over.
    ///
    /// # Errors
    /// The system gave no thread; those that were started end with this.
    pub(super) fn launch(&mut self, ground: &Ground, before: Option<&Self>) -> std::io::Result<Vec<Thread>> {
        let metrics = &ground.metrics;
        let mut threads =
            stores::launch(&self.shared, &mut self.plans, (&self.fresh, &self.leased), metrics)?;
        let kept = before.filter(|before| Arc::ptr_eq(before.shared.issuers(), self.shared.issuers()));
        match kept {
            Some(before) => self.fetching.clone_from(&before.fetching),
            None if self.shared.issuers().fetch() => {
                let (ender, mut over) = watch::channel(());
                let issuers = Arc::clone(self.shared.issuers());
                threads.push(spawn_worker("issuers", move || async move {
                    tokio::select! {
                        () = issuers.watch() => {}
                        // It is never sent anything: an error says that nobody needs the keys any more.
                        _ = over.changed() => {}
                    }
                    Ok(())
                })?);
                self.fetching = Some(Arc::new(ender));
            }
            None => {}
        }
        match before.filter(|before| before.orders_for(&self.shared)) {
            Some(before) => self.ordering.clone_from(&before.ordering),
            None if self.shared.config.server.acme.is_some() => {
                let (ender, over) = watch::channel(());
                threads.push(certificates::order(&self.shared, ground, over)?);
                self.ordering = Some(Arc::new(ender));
            }
            None => {}
        }
        self.keeping = match before.filter(|before| before.keeps_for(&self.shared)) {
            Some(before) => before.keeping.clone(),
            None => {
                let (keeping, thread) = keys::keep(&self.shared, &self.plans, metrics)?;
                threads.push(thread);
                Some(keeping)
            }
        };
        match before.filter(|before| before.shared.standings().are(self.shared.standings())) {
            Some(before) => self.checking.clone_from(&before.checking),
            None => {
                let (ender, over) = watch::channel(());
                threads.extend(upstreams::check(&self.shared, over)?);
                self.checking = Some(Arc::new(ender));
            }
        }
        Ok(threads)
    }

    /// Puts the plans of stores that stay what they are in the place of new ones; says for each whether it is a new one. What is
    /// tracked is told to one cache, so a store goes on only with that.
    fn hand_on(&self, next: &Shared, leased: &[StoreId], plans: &mut [StorePlan]) -> Vec<bool> {
        let same_cache = Arc::ptr_eq(self.shared.cache(), next.cache());
        let is_leased = |list: &[StoreId], at| list.contains(&StoreId(at));
        let hand_on = |(at, plan): (usize, &mut StorePlan)| match self.plans.get(at) {
            Some(old) if same_cache && is_leased(&self.leased, at) == is_leased(leased, at) => {
                *plan = old.clone();
                false
            }
            Some(_) | None => true,
        };
        plans.iter_mut().enumerate().map(hand_on).collect()
    }

    /// Whether who orders certificates here would order the same for `next`.
    fn orders_for(&self, next: &Shared) -> bool {
        let (old, new) = (&self.shared.config, &next.config);
        new.marks.same_table("server", "acme", &old.marks)
    }

    /// Whether who keeps the key ring here would keep it for `next` in the same way.
    fn keeps_for(&self, next: &Shared) -> bool {
        let (old, new) = (&self.shared.config, &next.config);
        Arc::ptr_eq(self.shared.ring(), next.ring())
            && Arc::ptr_eq(self.shared.issuers(), next.issuers())
            && self.shared.minter().templates().longest() == next.minter().templates().longest()
            && old.tokens.issuer == new.tokens.issuer
            && old.tokens.rotation == new.tokens.rotation
            && old.same_state(new)
            && new.marks.same_table("tokens", "keys", &old.marks)
            && new.marks.same("stores", &old.marks)
    }

    /// Where orders for the key ring are given, once it is kept.
    pub(super) fn desk(&self) -> Option<KeyDesk> {
        self.keeping.as_ref().map(|keeping| keeping.desk.clone())
    }

    /// Takes the place of `before`: what is known of stores that both have stays known, and the others fall silent.
    pub(super) fn succeed(&self, before: &Self) {
        for (name, plan) in before.named() {
            let Some(old) = plan.watch() else { continue };
            let same = self.named().find(|(its, _)| *its == name).and_then(|(_, plan)| plan.watch());
            if !same.as_ref().is_some_and(|same| Arc::ptr_eq(same, &old)) {
                old.retire(same.as_deref());
            }
        }
    }

    /// The store named `name`, if it is one inside the process.
    pub(super) fn memory_store(&self, name: &str) -> Option<MemoryStore> {
        self.named().find(|(its, _)| *its == name)?.1.memory()
    }

    /// What is known of each store.
    pub(super) fn watches(&self) -> Vec<Arc<StoreWatch>> {
        self.plans.iter().filter_map(StorePlan::watch).collect()
    }

    fn named(&self) -> impl Iterator<Item = (&str, &StorePlan)> {
        self.shared.config.stores.iter().map(|store| store.name.as_str()).zip(&self.plans)
    }
}

/// Both, or the mistakes of both.
pub(super) fn both<A, B>(
    a: Result<A, Vec<ConfigError>>,
    b: Result<B, Vec<ConfigError>>,
) -> Result<(A, B), Vec<ConfigError>> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(a), Err(b)) => Err([a, b].concat()),
        (Err(errors), Ok(_)) | (Ok(_), Err(errors)) => Err(errors),
    }
}

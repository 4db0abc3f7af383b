//! What goes on from one configuration to the next, so that a reload asks no store, issuer or upstream anything that is known.
//!
//! The rule: what was learnt goes on only where everything that it was learnt under was written alike, in the same place of the order
//! (numbers of stores and profiles are part of what is kept), and read from files that were alike ([`crate::config::Marks`]). Where
//! that is not so, it is learnt anew, and what is held of it ends with the last request that uses it.

use crate::clock::UnixMillis;
use crate::config::{Config, ConfigError, KeySource};
use crate::issuer::Issuers;
use crate::limit::Limiter;
use crate::migration::{Migration, Rollout, RouteMigration};
use crate::pipeline::gateway::Shared;
use crate::route::{Route, RouteTable};
use crate::session::SessionCache;
use crate::state::Endings;
use crate::telemetry::Metrics;
use crate::token::{KeyRing, Slots};
use crate::upstream::Standings;
use std::sync::Arc;

/// Standings of all upstreams; an upstream whose table is the same keeps its own.
pub(super) fn standings(config: &Config, before: Option<&Shared>, metrics: &Metrics) -> Standings {
    let Some(before) = before else { return Standings::new(&config.upstreams, metrics) };
    let same = |name: &str| config.marks.same_table("upstreams", name, &before.config.marks);
    before.standings().succeeded(&config.upstreams, metrics, same)
}

/// The key ring: the one that is kept already, where it is kept in the same place; and, of files, where they hold the same keys.
pub(super) fn ring(config: &Config, before: Option<&Shared>) -> Result<Arc<KeyRing>, Vec<ConfigError>> {
    let same_place = |before: &&Shared| {
        let (old, new) = (&before.config.tokens, &config.tokens);
        let place = match (&old.keys, &new.keys) {
            (KeySource::Directory(old), KeySource::Directory(new)) => old.value == new.value,
            (KeySource::State { .. }, KeySource::State { .. }) => {
                config.same_state(&before.config) && config.marks.same("stores", &before.config.marks)
            }
            _ => false,
        };
        place && old.algorithms() == new.algorithms()
    };
    if let Some(before) = before.filter(same_place) {
        return Ok(Arc::clone(before.ring()));
    }
    let ring = KeyRing::load(&config.tokens)?;
    let files = |keys: &KeySource| matches!(keys, KeySource::Files(_));
    let same_keys = |before: &&Shared| {
        files(&config.tokens.keys)
            && files(&before.config.tokens.keys)
            && ring.now().jwks() == before.ring().now().jwks()
    };
    Ok(before.filter(same_keys).map(|before| Arc::clone(before.ring())).unwrap_or_else(|| Arc::new(ring)))
}

/// All that is known of sessions; nothing yet, where they may be read otherwise from now on.
pub(super) fn cache(
    config: &Config,
    ring: &Arc<KeyRing>,
    before: Option<&Shared>,
) -> Arc<SessionCache<Slots>> {
    let kept = before.filter(|before| {
        let (old, limits) = (&before.config, &config.server.limits);
        let names = |config: &Config| {
            let stores = config.stores.iter().map(|store| store.name.clone());
            stores.chain(config.profiles.iter().map(|profile| profile.name.clone())).collect::<Vec<_>>()
        };
        Arc::ptr_eq(ring, before.ring())
            && names(config) == names(old)
            && config.stores.len() == old.stores.len()
            && config.server.skew == old.server.skew
            && limits.session_memory == old.server.limits.session_memory
            && ["stores", "sessions"].iter().all(|kind| config.marks.same(kind, &old.marks))
    });
    let empty = || Arc::new(SessionCache::new(config.profiles.len(), config.server.limits.session_memory));
    kept.map_or_else(empty, |before| Arc::clone(before.cache()))
}

/// All issuers with their keys, and the tokens of theirs that verified.
pub(super) fn issuers(
    config: &Config,
    ring: &Arc<KeyRing>,
    before: Option<&Shared>,
) -> Option<Arc<Issuers<Slots>>> {
    let before = before.filter(|before| {
        let old = &before.config;
        let names =
            |config: &Config| config.issuers.iter().map(|issuer| issuer.name.clone()).collect::<Vec<_>>();
        Arc::ptr_eq(ring, before.ring())
            && config.tokens.issuer == old.tokens.issuer
            && config.server.skew == old.server.skew
            && names(config) == names(old)
            && config.marks.same("issuers", &old.marks)
    })?;
    Some(Arc::clone(before.issuers()))
}

/// Where each route is on its way to its rules; a rollout of the same plan goes on, or stays where it went back. What was compared of a
/// route goes on where it is judged as before: after a change of that, the comparison is asked for anew.
pub(super) fn migration(
    config: &Config,
    routes: &RouteTable,
    now: UnixMillis,
    before: Option<&Shared>,
) -> Migration {
    let judges = ["stores", "sessions", "issuers"];
    let same_judges =
        |before: &&Shared| judges.iter().all(|kind| config.marks.same(kind, &before.config.marks));
    Migration::new(routes.routes().iter().map(|route| {
        let (rules, label) = (&route.rules, route.label());
        let old = before.and_then(|before| before.routes().routes().iter().find(|old| old.label() == label));
        let rollout = rules.rollout.clone().map(|plan| Rollout::new(plan, &label, now));
        let rollout = rollout
            .map(|new| before.and_then(|before| before.migration().same(&new)).unwrap_or(Arc::new(new)));
        let known = before.zip(old).and_then(|(before, old)| before.migration().of(old.id));
        let judged_alike =
            before.filter(same_judges).is_some() && old.is_some_and(|old| old.judges_as(route));
        let compared = known.filter(|_| judged_alike).and_then(|known| known.comparisons.clone());
        let rest = rules.rollout.as_ref().map(|rollout| rollout.rest);
        let upstreams = std::iter::once(rules.upstream).chain(rest);
        let upstreams = upstreams.filter_map(|id| Some(&*config.upstreams.get(id.0)?.name));
        RouteMigration::new(&upstreams.collect::<Vec<_>>(), (rules.shadow, rollout), known, compared)
    }))
}

/// Which sessions were ended; whoever hears of them goes on to hear.
pub(super) fn endings(config: &Config, before: Option<&Shared>) -> Option<Arc<Endings>> {
    let kept = before.and_then(Shared::endings).cloned();
    let endings = config.notes_sessions().then(|| kept.unwrap_or_default())?;
    endings.set_back_by(config.server.skew);
    Some(endings)
}

/// All rates; a route's have a name that is the same after it has moved in the file.
pub(super) fn limiter(config: &Config, routes: &RouteTable, before: Option<&Limiter>) -> Option<Limiter> {
    let named = |route: &Route| {
        let rules = &route.rules;
        let hosts: Vec<&str> = rules.hosts.iter().map(|host| host.value.as_str()).collect();
        (format!("{hosts:?} {} {:?}", rules.path.value, rules.methods), rules.rates)
    };
    let rates: Vec<_> = routes.routes().iter().map(named).collect();
    Limiter::new(config.rates, &rates, before)
}

//! What the path works with: what the process shares, and what a worker has of its own.

use crate::clients::Desk;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, CsrfMode, Outage, StoreId};
use crate::door::Door;
use crate::guard::TrustedOrigins;
use crate::issuer::Issuers;
use crate::limit::{Exceeded, Limiter};
use crate::migration::Migration;
use crate::pipeline::carried;
use crate::pipeline::keep_alive::Slides;
use crate::pipeline::own_cookies::FlawsTold;
use crate::pipeline::parts;
use crate::pipeline::places::Places;
use crate::pipeline::record::Record;
use crate::pipeline::refusal::Refusal;
use crate::pipeline::rewrite::reserved;
use crate::pipeline::route_state::RouteState;
use crate::pipeline::sharing::Sharing;
use crate::pipeline::streams::Streams;
use crate::pipeline::warnings::Warnings;
use crate::request::{RequestIds, Reserved};
use crate::revocation::Revoker;
use crate::route::{Grant, Route, RouteTable};
use crate::session::{
    Authenticator, FingerprintKey, Policy, Profile, SessionCache, SessionError, StoreRules,
};
use crate::state::{Endings, State};
use crate::store::Store;
use crate::telemetry::{AccessLog, Metrics};
use crate::tls::Callers;
use crate::token::{KeyRing, Minter, Published, Slots, Templates};
use crate::upstream::{Forwarder, Standings, Tunnels};
use http::HeaderValue;
use ipnet::IpNet;
use std::rc::Rc;
use std::sync::Arc;

/// What TLS has to do with hosts.
#[derive(Debug)]
struct HostRules {
    /// Which of them ask for certificates.
    callers: Callers,
    /// Strict-Transport-Security of all.
    hsts: Option<HeaderValue>,
}

impl HostRules {
    fn new(server: &crate::config::Server) -> Self {
        let hsts = server.hsts.as_deref().and_then(|value| HeaderValue::try_from(value).ok());
        Self { callers: Callers::new(&server.client_certificates), hsts }
    }
}

/// One configuration, ready to serve; the same for all workers, and replaced as a whole.
#[derive(Debug)]
pub struct Shared {
    /// What was configured; its routes and profiles live on in the tables below.
    pub config: Config,
    clock: Clock,
    routes: RouteTable,
    states: Vec<RouteState>,
    profiles: Arc<[Profile]>,
    minter: Arc<Minter>,
    cache: Arc<SessionCache<Slots>>,
    fingerprints: FingerprintKey,
    issuers: Arc<Issuers<Slots>>,
    reserved: Reserved,
    hosts: HostRules,
    trusted_origins: TrustedOrigins,
    limiter: Option<Limiter>,
    metrics: Arc<Metrics>,
    tunnels: Tunnels,
    standings: Standings,
    warnings: Warnings,
    flaws_told: FlawsTold,
    slides: Slides,
    /// What was ended at a gateway; `None` where none can.
    pub(super) endings: Option<Arc<Endings>>,
    /// The cookies of all profiles.
    session_cookies: Vec<String>,
    migration: Migration,
    /// The key set and discovery on the public port; only with `publish_jwks`.
    published: Option<Published>,
}

impl Shared {
    /// Makes every part of the path from a configuration. What is known of sessions, issuers, upstreams and who asked how often goes
    /// on from the one `before`, wherever what it was learnt under is the same.
    ///
    /// # Errors
    /// What the rooms object to, all of it.
    pub fn build(
        mut config: Config,
        clock: Clock,
        metrics: Arc<Metrics>,
        before: Option<&Self>,
    ) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let ring = carried::ring(&config, before).map_err(|found| errors.extend(found)).ok();
        let templates = Templates::build(&config);
        let profiles = parts::profiles(&config, &mut errors);
        let routes =
            RouteTable::build(std::mem::take(&mut config.routes)).map_err(|found| errors.extend(found)).ok();
        let tunnels = before.map_or_else(Tunnels::default, |before| before.tunnels.clone());
        let standings = carried::standings(&config, before, &metrics);
        let forwarder = Forwarder::new(&config.upstreams, &standings, tunnels.clone(), None);
        errors.extend(forwarder.err().into_iter().flatten());
        let (Some(ring), Some(routes)) = (ring, routes) else {
            return Err(errors);
        };
        if !errors.is_empty() {
            return Err(errors);
        }
        let fingerprints = ring.fingerprints().clone();
        let issuers = match carried::issuers(&config, &ring, before) {
            Some(issuers) => issuers,
            None => Arc::new(Issuers::build(&config, &ring.now().jwks(), fingerprints.clone(), &metrics)?),
        };
        let cache = carried::cache(&config, &ring, before);
        let endings = carried::endings(&config, before);
        let minter = Arc::new(Minter::new(ring, templates).forgetting(endings.clone()));
        let session_cookies = parts::session_cookies(&profiles);
        let always_kept = parts::always_kept(&config);
        let state = |route: &Route| {
            let of_sessions = if route.rules.forward_cookie { &[] } else { session_cookies.as_slice() };
            let kept_here = [of_sessions, &always_kept].concat();
            RouteState::new(route, &config, &profiles, (kept_here, &always_kept), (&minter, &metrics))
        };
        let states = routes.routes().iter().map(state).collect();
        let reserved = reserved(&config, &routes)?;
        let published = config.tokens.publish_jwks.then(|| parts::published(&config, minter.ring()));
        Ok(Self {
            published,
            states,
            slides: Slides::new(&profiles),
            endings,
            profiles: profiles.into(),
            minter,
            cache,
            fingerprints,
            issuers,
            reserved,
            hosts: HostRules::new(&config.server),
            trusted_origins: TrustedOrigins::new(config.trusted_origins.clone()),
            limiter: carried::limiter(&config, &routes, before.and_then(|before| before.limiter.as_ref())),
            metrics,
            tunnels,
            standings,
            warnings: Warnings::default(),
            flaws_told: FlawsTold::new(config.profiles.len()),
            session_cookies,
            migration: carried::migration(&config, &routes, clock.now(), before),
            routes,
            config,
            clock,
        })
    }

    /// The keys.
    pub fn ring(&self) -> &Arc<KeyRing> {
        self.minter.ring()
    }

    /// The routes.
    pub const fn routes(&self) -> &RouteTable {
        &self.routes
    }

    /// The profiles.
    pub fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    /// The minter.
    pub const fn minter(&self) -> &Arc<Minter> {
        &self.minter
    }

    /// What a route does while this store cannot be asked.
    pub fn outage_of(&self, route: &Route, store: StoreId) -> Outage {
        let of_store = || self.config.stores.get(store.0).map(|store| store.outage);
        route.rules.outage.or_else(of_store).unwrap_or(Outage::Deny)
    }

    /// What a route says of stores.
    pub fn policy_of(&self, route: &Route) -> Policy {
        self.states.get(route.id.0).map(|state| state.policy).unwrap_or_default()
    }

    /// What was made ready for a route.
    pub(super) fn state_of(&self, route: crate::config::RouteId) -> Option<&RouteState> {
        self.states.get(route.0)
    }

    /// How apps send their cookies again.
    pub(super) const fn slides(&self) -> &Slides {
        &self.slides
    }

    /// The sessions that are held.
    pub const fn cache(&self) -> &Arc<SessionCache<Slots>> {
        &self.cache
    }

    /// The names of all profiles' cookies.
    pub(super) fn session_cookies(&self) -> &[String] {
        &self.session_cookies
    }

    /// What is counted.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Where each route is on its way to its rules.
    pub const fn migration(&self) -> &Migration {
        &self.migration
    }

    /// Whose pages count as our own.
    pub const fn trusted_origins(&self) -> &TrustedOrigins {
        &self.trusted_origins
    }

    /// The time that the gateway goes by.
    pub fn now(&self) -> crate::clock::UnixMillis {
        self.clock.now()
    }

    /// The same, for who asks it often.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The running tunnels.
    pub const fn tunnels(&self) -> &Tunnels {
        &self.tunnels
    }

    /// How the upstreams' endpoints are.
    pub const fn standings(&self) -> &Standings {
        &self.standings
    }

    /// How many decoded sessions are held.
    pub fn sessions_held(&self) -> u64 {
        self.cache.len()
    }

    /// Whose bearers are accepted.
    pub const fn issuers(&self) -> &Arc<Issuers<Slots>> {
        &self.issuers
    }

    /// The key of fingerprints.
    pub const fn fingerprints(&self) -> &FingerprintKey {
        &self.fingerprints
    }
}

/// A worker's gateway: the process's configuration and the worker's own connections. Clones share both.
#[derive(Clone)]
pub struct Gateway(Rc<Worker>);

/// What a worker has of its own.
pub struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) authenticator: Authenticator<Slots>,
    pub(super) forwarder: Forwarder,
    pub(super) ids: Rc<RequestIds>,
    pub(super) log: Rc<AccessLog>,
    pub(super) streams: Streams,
    pub(super) places: Places,
    /// Where rates are counted, if all gateways do together.
    pub(super) sharing: Option<Sharing>,
    /// Who knows which sessions there are, and ends them, if that is kept.
    pub(super) revoker: Option<Rc<Revoker>>,
    /// Where services ask.
    pub(super) desk: Desk,
    /// Who answers below `/.cloakroom/`, if there is anywhere to keep what that takes.
    pub(super) door: Option<Door>,
}

impl std::ops::Deref for Gateway {
    type Target = Worker;

    fn deref(&self) -> &Worker {
        &self.0
    }
}

impl Gateway {
    /// A worker's gateway. `stores` are the worker's own, indexed by [`crate::config::StoreId`]; so is `state`. Connections to
    /// upstreams go on from `before`, where those stay what they were.
    ///
    /// # Errors
    /// As [`Forwarder::new`]; not if `shared` was built.
    pub fn new(
        shared: Arc<Shared>,
        stores: Vec<Store>,
        (ids, log): (Rc<RequestIds>, Rc<AccessLog>),
        state: Option<State>,
        before: Option<&Self>,
    ) -> Result<Self, Vec<ConfigError>> {
        let tunnels = shared.tunnels.clone();
        let before = before.map(|before| &before.forwarder);
        let forwarder = Forwarder::new(&shared.config.upstreams, &shared.standings, tunnels, before)?;
        let rules = shared.config.stores.iter();
        let rules = rules.map(|store| StoreRules { freshness: store.freshness, outage: store.outage });
        let authenticator = Authenticator::new(
            Arc::clone(&shared.profiles),
            stores,
            rules.collect(),
            Arc::clone(&shared.cache),
            shared.fingerprints.clone(),
        );
        let authenticator = authenticator.refusing(shared.endings.clone());
        let revoker = shared.revoker(state.as_ref());
        let sharing = state.clone().filter(|_| shared.config.rates.shared);
        let sharing = sharing.map(|state| Sharing::new(state, shared.metrics.shared_rates.clone()));
        let streams = Streams::default();
        let places = Places::new(shared.config.server.limits.requests);
        let (door, desk) = (state.map(Door::new), Desk::new(&shared.config.tokens.issuer));
        Ok(Self(Rc::new(Worker {
            shared,
            authenticator,
            forwarder,
            ids,
            log,
            streams,
            places,
            sharing,
            revoker,
            desk,
            door,
        })))
    }
}

impl Gateway {
    /// Whether no request, answer or stream needs it any more, `others` clones of it apart.
    pub fn is_idle(&self, others: usize) -> bool {
        Rc::strong_count(&self.0) <= others + 1 && self.streams.is_empty()
    }
}

impl Worker {
    /// The process's configuration, ready to serve.
    pub const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The worker's reader of sessions.
    pub const fn authenticator(&self) -> &Authenticator<Slots> {
        &self.authenticator
    }

    /// The access log, to be flushed by the worker's timer.
    pub fn log(&self) -> &AccessLog {
        &self.log
    }

    pub(super) fn trusted_proxies(&self) -> &[IpNet] {
        &self.shared.config.server.trusted_proxies
    }

    pub(super) fn now(&self) -> crate::clock::UnixMillis {
        self.shared.clock.now()
    }

    pub(super) fn routes(&self) -> &RouteTable {
        &self.shared.routes
    }

    pub(super) fn state(&self, route: &Route) -> Option<&RouteState> {
        self.shared.states.get(route.id.0)
    }

    pub(super) fn metrics(&self) -> &Metrics {
        self.shared.metrics()
    }

    pub(super) fn minter(&self) -> &Minter {
        &self.shared.minter
    }

    pub(super) fn reserved(&self) -> &Reserved {
        &self.shared.reserved
    }

    pub(super) fn callers(&self) -> &Callers {
        &self.shared.hosts.callers
    }

    pub(super) fn hsts(&self) -> Option<&HeaderValue> {
        self.shared.hosts.hsts.as_ref()
    }

    pub(super) fn trusted_origins(&self) -> &TrustedOrigins {
        &self.shared.trusted_origins
    }

    pub(super) fn limiter(&self) -> Option<&Limiter> {
        self.shared.limiter.as_ref()
    }

    /// Counts that somebody asked too often.
    pub(super) fn limited(&self, route: &Route, exceeded: Exceeded) -> Refusal {
        self.shared.metrics.count_limited(&route.rules.path.value, exceeded.limit);
        exceeded.into()
    }

    pub(super) fn published(&self) -> Option<&Published> {
        self.shared.published.as_ref()
    }

    pub(super) fn flaws_told(&self) -> &FlawsTold {
        &self.shared.flaws_told
    }

    pub(super) fn warnings(&self) -> &Warnings {
        &self.shared.warnings
    }

    /// What the route does about a store that could not be asked; an anonymous passage is counted.
    pub(super) fn outage(&self, route: &Route, error: &SessionError, record: &mut Record) -> Outage {
        let outage = self.shared.outage_of(route, error.store);
        if outage == Outage::Anonymous && matches!(route.grant(), Grant::Optional(_)) {
            record.outage = Some(outage.word());
            if let Some(metrics) = self.authenticator.store(error.store).and_then(Store::metrics) {
                metrics.served_anonymous.inc();
            }
        }
        outage
    }

    /// Notes that a session passed as it was known before its store could not be asked.
    pub(super) fn bridged(&self, store: StoreId, record: &mut Record) {
        record.outage = Some("serve_known");
        if let Some(metrics) = self.authenticator.store(store).and_then(Store::metrics) {
            metrics.served_known.inc();
        }
    }

    /// Whether a cross-site request is refused, or only counted.
    pub(super) fn cross_site(&self, mode: CsrfMode, record: &mut Record) -> bool {
        if mode == CsrfMode::Log {
            self.shared.metrics.cross_site_logged.inc();
            record.cross_site_logged = true;
        }
        mode == CsrfMode::FetchMetadata
    }
}

//! Prometheus metrics. Handles are resolved when the configuration is loaded, so that a request pays for an atomic
//! increment and no look-up; label sets are bounded by the configuration and by closed enums.

mod streams;

use crate::config::TokenProfile;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use crate::clock::UnixMillis;
use crate::telemetry::endpoints::{EndpointMetrics, Endpoints, UpstreamMetrics};
use crate::telemetry::issuers::{IssuerFamilies, IssuerMetrics};
use crate::telemetry::memory::MemoryMetrics;
use crate::telemetry::migration::MigrationMetrics;
use crate::telemetry::reloads::Reloads;
use crate::telemetry::shared_rates::SharedRates;

/// Labels of [`Metrics::requests`]'s kind.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteDecision {
    route: String,
    decision: &'static str,
    /// What the upstream got to know who is calling.
    credential: &'static str,
}

/// Labels of a refusal.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteCode {
    route: String,
    code: &'static str,
}

/// Labels of a request that came too soon.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLimit {
    route: String,
    limit: &'static str,
}

/// Labels of a request to an endpoint of our own.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OwnOutcome {
    endpoint: &'static str,
    outcome: &'static str,
}

/// Labels of a session that was not accepted.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ProfileReject {
    profile: String,
    reject: &'static str,
}

/// Labels of a store's reads.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StoreOutcome {
    #[prometheus(flatten)]
    of: OfStore,
    outcome: &'static str,
}

/// Label of what is counted by store, and in a Cluster by primary.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct OfStore {
    store: String,
    primary: Option<String>,
}

impl EncodeLabelSet for OfStore {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        ("store", self.store.as_str()).encode(encoder.encode_label())?;
        match &self.primary {
            Some(primary) => ("primary", primary.as_str()).encode(encoder.encode_label()),
            None => Ok(()),
        }
    }
}

/// Label of a connection that came to nothing.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfCause {
    cause: &'static str,
}

/// Label of what is counted by route.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfRoute {
    route: String,
}

/// Label of what is counted by kind of token.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfTokenProfile {
    profile: &'static str,
}

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<RouteDecision, Counter>,
    refusals: Family<RouteCode, Counter>,
    rate_limited: Family<RouteLimit, Counter>,
    rejects: Family<ProfileReject, Counter>,
    signatures: Family<OfTokenProfile, Gauge>,
    sessions_held: Gauge,
    store_reads: Family<StoreOutcome, Counter>,
    cache_lookups: Family<StoreOutcome, Counter>,
    invalidations: Family<OfStore, Counter>,
    leases_lost: Family<OfStore, Counter>,
    epochs: Family<OfStore, Counter>,
    outages_bridged: Family<StoreOutcome, Counter>,
    touches: Family<StoreOutcome, Counter>,
    issuers: IssuerFamilies,
    key_ring_split: Gauge,
    /// The memory budget.
    pub memory: MemoryMetrics,
    /// Rates that gateways share.
    pub shared_rates: SharedRates,
    reloads: Reloads,
    /// Cross-site requests seen where `csrf = "log"`.
    pub cross_site_logged: Counter,
    disagreements: Family<OfRoute, Counter>,
    /// Of routes on their way from the app's sessions to our tokens.
    pub migration: MigrationMetrics,
    own: Family<OwnOutcome, Counter>,
    connections: Gauge,
    turned_away: Family<OfCause, Counter>,
    /// Streams that are looked after.
    pub streams_open: Gauge,
    streams_closed: Family<RouteCode, Counter>,
    durations: Family<OfRoute, Histogram, fn() -> Histogram>,
    endpoints: Endpoints,
}

/// What one route counts.
#[derive(Clone, Debug)]
pub struct RouteMetrics {
    /// Requests forwarded with a token.
    pub with_token: Counter,
    /// Requests forwarded with a session cookie and no token.
    pub with_cookie: Counter,
    /// Requests forwarded with neither.
    pub with_neither: Counter,
    /// Requests refused.
    pub refused: Counter,
    /// Upstream 401s to requests that carried our token.
    pub disagreed: Counter,
    /// Seconds from the parsed head to the head of the answer.
    pub duration: Histogram,
}

/// What one store counts.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    /// Reads that the store answered.
    pub answered: Counter,
    /// Reads that it did not.
    pub failed: Counter,
    /// Replies that belonged to another question: one is one too many.
    pub crossed: Counter,
    /// Requests answered from memory within the lease.
    pub hits: Counter,
    /// Requests for which the store was asked, or another's question waited for.
    pub misses: Counter,
    /// Messages from the store that a key, or everything, changed.
    pub invalidations: Counter,
    /// Times that the lease ended before its next heartbeat: a connection lost, a silent server, one that is no primary.
    pub leases_lost: Counter,
    /// Times that everything read so far became unusable.
    pub epochs: Counter,
    /// Requests that passed as known during an outage, where the route says `serve_known`.
    pub served_known: Counter,
    /// Requests that passed as anonymous during an outage, where the route says `anonymous`.
    pub served_anonymous: Counter,
    /// Sessions kept alive, where the profile says `idle_touch = "gateway"`.
    pub touched: Counter,
    /// Sessions that were gone or changed by then, and left alone.
    pub touch_left: Counter,
    /// Sessions that could not be kept alive.
    pub touch_failed: Counter,
}

impl Metrics {
    /// A fresh registry.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("cloakroom");
        let durations: Family<OfRoute, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.000_25, 2.0, 17)));
        let metrics = Self {
            requests: Family::default(),
            refusals: Family::default(),
            rate_limited: Family::default(),
            rejects: Family::default(),
            signatures: Family::default(),
            sessions_held: Gauge::default(),
            store_reads: Family::default(),
            cache_lookups: Family::default(),
            invalidations: Family::default(),
            leases_lost: Family::default(),
            epochs: Family::default(),
            outages_bridged: Family::default(),
            touches: Family::default(),
            issuers: IssuerFamilies::default(),
            key_ring_split: Gauge::default(),
            memory: MemoryMetrics::default(),
            shared_rates: SharedRates::default(),
            reloads: Reloads::default(),
            cross_site_logged: Counter::default(),
            disagreements: Family::default(),
            migration: MigrationMetrics::default(),
            own: Family::default(),
            connections: Gauge::default(),
            turned_away: Family::default(),
            streams_open: Gauge::default(),
            streams_closed: Family::default(),
            durations,
            endpoints: Endpoints::default(),
            registry: Mutex::new(Registry::default()),
        };
        registry.register("requests", "Requests by route and decision", metrics.requests.clone());
        registry.register("refusals", "Refusals by route and code", metrics.refusals.clone());
        registry.register(
            "rate_limited",
            "Requests that exceeded a rate, by route and limit",
            metrics.rate_limited.clone(),
        );
        registry.register(
            "session_rejects",
            "Sessions not accepted, by profile and reject",
            metrics.rejects.clone(),
        );
        registry.register("token_signatures", "Tokens signed, by kind", metrics.signatures.clone());
        registry.register("sessions_held", "Decoded sessions in memory", metrics.sessions_held.clone());
        registry.register("store_reads", "Session reads by store and outcome", metrics.store_reads.clone());
        metrics.register_cache(&mut registry);
        metrics.endpoints.register(&mut registry);
        metrics.issuers.register(&mut registry);
        metrics.register_tokens(&mut registry);
        metrics.migration.register(&mut registry);
        metrics.register_connections(&mut registry);
        metrics.register_streams(&mut registry);
        registry.register_with_unit(
            "response_head",
            "Time from the parsed head to the head of the answer, by route",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        Self { registry: Mutex::new(registry), ..metrics }
    }

    fn register_connections(&self, registry: &mut Registry) {
        self.reloads.register(registry);
        self.memory.register(registry);
        self.shared_rates.register(registry);
        registry.register(
            "cross_site_logged",
            "Cross-site requests let through by csrf = log",
            self.cross_site_logged.clone(),
        );
        registry.register("connections", "Client connections now open", self.connections.clone());
        registry.register(
            "connections_turned_away",
            "Client connections closed before their first request, by cause",
            self.turned_away.clone(),
        );
    }

    fn register_cache(&self, registry: &mut Registry) {
        registry.register(
            "cache_lookups",
            "Requests by store and whether its session came from memory",
            self.cache_lookups.clone(),
        );
        registry.register(
            "cache_invalidations",
            "Messages from the store that sessions changed",
            self.invalidations.clone(),
        );
        registry.register(
            "leases_lost",
            "Times that a store's lease ended unrenewed",
            self.leases_lost.clone(),
        );
        registry.register(
            "cache_epochs",
            "Times that all that was read from a store became unusable",
            self.epochs.clone(),
        );
        registry.register(
            "session_touches",
            "Sessions kept alive for their app, by store and outcome",
            self.touches.clone(),
        );
        registry.register(
            "outages_bridged",
            "Requests that passed while their store could not be asked, by policy",
            self.outages_bridged.clone(),
        );
    }

    /// The handles of a route.
    pub fn route(&self, pattern: &str) -> RouteMetrics {
        let decided =
            |decision, credential| RouteDecision { route: pattern.to_owned(), decision, credential };
        let forwarded = |credential| self.requests.get_or_create_owned(&decided("forwarded", credential));
        let route = OfRoute { route: pattern.to_owned() };
        RouteMetrics {
            with_token: forwarded("token"),
            with_cookie: forwarded("cookie"),
            with_neither: forwarded("none"),
            refused: self.requests.get_or_create_owned(&decided("refused", "none")),
            disagreed: self.disagreements.get_or_create_owned(&route),
            duration: self.durations.get_or_create_owned(&route),
        }
    }

    /// The handles of an endpoint, which is in one of these states at a time.
    pub fn endpoint(
        &self,
        upstream: &str,
        endpoint: &str,
        states: &'static [&'static str],
    ) -> EndpointMetrics {
        self.endpoints.endpoint(upstream, endpoint, states)
    }

    /// Counts a reload, if it was one, and notes when the configuration in force was taken.
    pub fn count_configuration(&self, now: UnixMillis, reloaded: Option<bool>) {
        if reloaded != Some(false) {
            self.reloads.taken(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        }
        if let Some(done) = reloaded {
            self.reloads.count(if done { "done" } else { "refused" });
        }
    }

    /// Counts an order of a certificate.
    pub fn count_order(&self, done: bool) {
        self.reloads.count_order(if done { "done" } else { "failed" });
    }

    /// Says which certificates are shown from now on, by their first name, and when they end.
    pub fn show_certificates<'a>(&self, certificates: impl Iterator<Item = (&'a str, UnixMillis)>) {
        let secs = |end: UnixMillis| i64::try_from(end.as_secs()).unwrap_or(i64::MAX);
        self.reloads.shown(certificates.map(|(name, end)| (name, secs(end))));
    }

    /// The handles of an issuer.
    pub fn issuer(&self, name: &str) -> IssuerMetrics {
        self.issuers.issuer(name)
    }

    /// The handles of an upstream.
    pub fn upstream(&self, upstream: &str) -> UpstreamMetrics {
        self.endpoints.upstream(upstream)
    }

    /// The handles of a store.
    pub fn store(&self, name: &str) -> StoreMetrics {
        self.store_of(OfStore { store: name.to_owned(), primary: None })
    }

    /// The handles of one primary of a Cluster.
    pub fn store_at(&self, name: &str, primary: &str) -> StoreMetrics {
        self.store_of(OfStore { store: name.to_owned(), primary: Some(primary.to_owned()) })
    }

    fn store_of(&self, store: OfStore) -> StoreMetrics {
        let labels = |outcome| StoreOutcome { of: store.clone(), outcome };
        StoreMetrics {
            answered: self.store_reads.get_or_create_owned(&labels("answered")),
            failed: self.store_reads.get_or_create_owned(&labels("failed")),
            crossed: self.store_reads.get_or_create_owned(&labels("crossed")),
            hits: self.cache_lookups.get_or_create_owned(&labels("hit")),
            misses: self.cache_lookups.get_or_create_owned(&labels("miss")),
            invalidations: self.invalidations.get_or_create_owned(&store),
            leases_lost: self.leases_lost.get_or_create_owned(&store),
            epochs: self.epochs.get_or_create_owned(&store),
            served_known: self.outages_bridged.get_or_create_owned(&labels("serve_known")),
            served_anonymous: self.outages_bridged.get_or_create_owned(&labels("anonymous")),
            touched: self.touches.get_or_create_owned(&labels("extended")),
            touch_left: self.touches.get_or_create_owned(&labels("left")),
            touch_failed: self.touches.get_or_create_owned(&labels("failed")),
        }
    }

    /// How many decoded sessions are held now.
    pub fn set_sessions_held(&self, held: u64) {
        self.sessions_held.set(i64::try_from(held).unwrap_or(i64::MAX));
    }

    fn register_tokens(&self, registry: &mut Registry) {
        let help = "Upstream 401s to requests that carried our token";
        registry.register("token_disagreements", help, self.disagreements.clone());
        let help = "Whether another gateway of our issuer signs with keys that we do not publish, or the other way round";
        registry.register("key_ring_split", help, self.key_ring_split.clone());
    }

    /// Whether gateways of our issuer have different key rings.
    pub fn set_key_ring_split(&self, split: bool) {
        self.key_ring_split.set(i64::from(split));
    }

    /// How many client connections are open.
    pub fn set_connections(&self, open: usize) {
        self.connections.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// How many connections were closed before their first request; `cause` is one of a closed list.
    pub fn set_turned_away(&self, cause: &'static str, count: u64) {
        self.turned_away.get_or_create_owned(&OfCause { cause }).inner().store(count, Ordering::Relaxed);
    }

    /// How many signatures were made so far for tokens of a kind; one that is not in use has no line.
    pub fn set_signatures(&self, profile: TokenProfile, made: u64) {
        if made > 0 {
            let of = OfTokenProfile { profile: profile.word() };
            self.signatures.get_or_create(&of).set(i64::try_from(made).unwrap_or(i64::MAX));
        }
    }

    /// Counts a refusal; `code` is one of the closed table's.
    pub fn count_refusal(&self, route: &str, code: &'static str) {
        self.refusals.get_or_create_owned(&RouteCode { route: route.to_owned(), code }).inc();
    }

    /// Counts a request that exceeded a rate.
    pub fn count_limited(&self, route: &str, limit: &'static str) {
        self.rate_limited.get_or_create_owned(&RouteLimit { route: route.to_owned(), limit }).inc();
    }

    /// Counts a request to an endpoint of our own; both are of closed lists.
    pub fn count_own(&self, endpoint: &'static str, outcome: &'static str) {
        self.own.get_or_create_owned(&OwnOutcome { endpoint, outcome }).inc();
    }

    /// Counts a stream that ended with its session; `code` is one of a closed list.
    pub fn count_stream_closed(&self, route: &str, code: &'static str) {
        self.streams_closed.get_or_create_owned(&RouteCode { route: route.to_owned(), code }).inc();
    }

    /// Counts a session that was not accepted.
    pub fn count_reject(&self, profile: &str, reject: &'static str) {
        self.rejects.get_or_create_owned(&ProfileReject { profile: profile.to_owned(), reject }).inc();
    }

    /// The whole page in Prometheus's text format.
    pub fn page(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut page, &registry);
        page
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;

//! What is counted of upstreams and their endpoints.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Label of what is counted by endpoint.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfEndpoint {
    upstream: String,
    endpoint: String,
}

/// Labels of an endpoint's state.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EndpointState {
    upstream: String,
    endpoint: String,
    state: &'static str,
}

/// Label of what is counted by upstream.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfUpstream {
    upstream: String,
}

/// The families; one set for the process.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    failures: Family<OfEndpoint, Counter>,
    ejections: Family<OfEndpoint, Counter>,
    states: Family<EndpointState, Gauge>,
    connections: Family<OfEndpoint, Gauge>,
    waiting: Family<OfUpstream, Gauge>,
    repeats: Family<OfUpstream, Counter>,
}

/// What one endpoint counts.
#[derive(Clone, Debug)]
pub struct EndpointMetrics {
    /// Requests that it did not answer, and connections that it did not take.
    pub failures: Counter,
    /// Times that it was left alone for its failures.
    pub ejections: Counter,
    /// Connections to it now.
    pub connections: Gauge,
    states: Vec<(&'static str, Gauge)>,
}

/// What one upstream counts.
#[derive(Clone, Debug)]
pub struct UpstreamMetrics {
    /// Requests that wait for a connection now.
    pub waiting: Gauge,
    /// Requests that were sent a second time.
    pub repeats: Counter,
}

impl Endpoints {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "endpoint_failures",
            "Requests that an endpoint did not answer, and connections that it did not take",
            self.failures.clone(),
        );
        registry.register(
            "endpoint_ejections",
            "Times that an endpoint was left alone for its failures",
            self.ejections.clone(),
        );
        registry.register(
            "endpoint_state",
            "1 for the state that an endpoint is in, 0 for the others",
            self.states.clone(),
        );
        registry.register(
            "endpoint_connections",
            "Connections to an endpoint now open",
            self.connections.clone(),
        );
        registry.register(
            "upstream_waiting",
            "Requests that wait for a connection to their upstream",
            self.waiting.clone(),
        );
        registry.register(
            "upstream_repeats",
            "Requests that were sent again after the connection died",
            self.repeats.clone(),
        );
    }

    pub(super) fn endpoint(
        &self,
        upstream: &str,
        endpoint: &str,
        states: &'static [&'static str],
    ) -> EndpointMetrics {
        let labels = OfEndpoint { upstream: upstream.to_owned(), endpoint: endpoint.to_owned() };
        let state = |state: &'static str| {
            let OfEndpoint { upstream, endpoint } = labels.clone();
            (state, self.states.get_or_create_owned(&EndpointState { upstream, endpoint, state }))
        };
        EndpointMetrics {
            failures: self.failures.get_or_create_owned(&labels),
            ejections: self.ejections.get_or_create_owned(&labels),
            connections: self.connections.get_or_create_owned(&labels),
            states: states.iter().copied().map(state).collect(),
        }
    }

    pub(super) fn upstream(&self, upstream: &str) -> UpstreamMetrics {
        let labels = OfUpstream { upstream: upstream.to_owned() };
        UpstreamMetrics {
            waiting: self.waiting.get_or_create_owned(&labels),
            repeats: self.repeats.get_or_create_owned(&labels),
        }
    }
}

impl EndpointMetrics {
    /// Shows this state; it must be one of those it was made with.
    pub fn set_state(&self, now: &str) {
        for (state, gauge) in &self.states {
            gauge.set(i64::from(*state == now));
        }
    }
}

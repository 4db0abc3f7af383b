//! What is registered of streams, and of the gateway's own endpoints.

use prometheus_client::registry::Registry;

use crate::telemetry::metrics::Metrics;

impl Metrics {
    pub(super) fn register_streams(&self, registry: &mut Registry) {
        registry.register(
            "own_endpoints",
            "Requests to the gateway's own endpoints, by endpoint and outcome",
            self.own.clone(),
        );
        registry.register(
            "streams_open",
            "WebSockets, event streams and other long answers that end with their session",
            self.streams_open.clone(),
        );
        registry.register(
            "streams_closed",
            "Streams that ended with their session, by route and reason",
            self.streams_closed.clone(),
        );
    }
}

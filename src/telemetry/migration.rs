//! What is counted of routes on their way from the app's sessions to our tokens.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

/// Labels of what was decided beside what the app did.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteComparison {
    route: String,
    agreement: &'static str,
    cause: &'static str,
}

/// Label of a rollout.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfRollout {
    route: String,
}

/// Comparisons and rollouts, by route.
#[derive(Debug, Default)]
pub struct MigrationMetrics {
    comparisons: Family<RouteComparison, Counter>,
    rollout_shares: Family<OfRollout, Gauge<f64, AtomicU64>>,
}

impl MigrationMetrics {
    /// Counts a comparison of what would have been with what was.
    pub fn count_comparison(&self, route: &str, agreement: &'static str, cause: &'static str) {
        let labels = RouteComparison { route: route.to_owned(), agreement, cause };
        self.comparisons.get_or_create(&labels).inc();
    }

    /// Shows how many of a route's users have been moved.
    pub fn set_rollout_share(&self, route: &str, share: f64) {
        self.rollout_shares.get_or_create(&OfRollout { route: route.to_owned() }).set(share);
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "comparisons",
            "What a route's rules would have made of a request, compared with what the app made of it",
            self.comparisons.clone(),
        );
        registry.register(
            "rollout_share",
            "Share of the users for whom a route's rules count already, from 0 to 1",
            self.rollout_shares.clone(),
        );
    }
}

//! What is counted of reloads.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Labels of what is counted by outcome.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// All reloads of the process.
#[derive(Debug, Default)]
pub(super) struct Reloads {
    outcomes: Family<Outcome, Counter>,
    last: Gauge,
}

impl Reloads {
    pub(super) fn register(&self, registry: &mut Registry) {
        for outcome in ["done", "refused"] {
            drop(self.outcomes.get_or_create_owned(&Outcome { outcome }));
        }
        let outcomes = "Reloads of the configuration by outcome: done, or refused and nothing changed";
        registry.register("reloads", outcomes, self.outcomes.clone());
        let last = "When the configuration in force was taken, in seconds since 1970";
        registry.register("configuration_taken_seconds", last, self.last.clone());
    }

    /// A configuration is in force.
    pub(super) fn taken(&self, at_secs: i64) {
        self.last.set(at_secs);
    }

    pub(super) fn count(&self, outcome: &'static str) {
        self.outcomes.get_or_create_owned(&Outcome { outcome }).inc();
    }
}

//! What is counted of reloads, and of certificates that come in by them.

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
    orders: Family<Outcome, Counter>,
    ends: Family<OfName, Gauge>,
}

/// Labels of what is said of a certificate.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfName {
    name: String,
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
        let orders = "Orders of certificates by outcome: done, or failed and to be tried again";
        registry.register("certificate_orders", orders, self.orders.clone());
        let ends = "When the certificates that are shown end, by their first name, in seconds since 1970";
        registry.register("certificate_end_seconds", ends, self.ends.clone());
    }

    /// A configuration is in force.
    pub(super) fn taken(&self, at_secs: i64) {
        self.last.set(at_secs);
    }

    pub(super) fn count_order(&self, outcome: &'static str) {
        self.orders.get_or_create_owned(&Outcome { outcome }).inc();
    }

    /// These certificates are shown from now on, and no others.
    pub(super) fn shown<'a>(&self, certificates: impl Iterator<Item = (&'a str, i64)>) {
        self.ends.clear();
        for (name, end) in certificates {
            self.ends.get_or_create_owned(&OfName { name: name.to_owned() }).set(end);
        }
    }

    pub(super) fn count(&self, outcome: &'static str) {
        self.outcomes.get_or_create_owned(&Outcome { outcome }).inc();
    }
}

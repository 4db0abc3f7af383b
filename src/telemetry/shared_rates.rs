//! Who counts the rates that gateways share.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Counted {
    counted: &'static str,
}

/// Both counters; clones are the same.
#[derive(Clone, Debug)]
pub struct SharedRates {
    counted: Family<Counted, Counter>,
    /// By all.
    pub together: Counter,
    /// By this gateway for itself: `[state]` could not be asked.
    pub alone: Counter,
}

impl Default for SharedRates {
    fn default() -> Self {
        let counted = Family::default();
        let counter = |word| Family::get_or_create_owned(&counted, &Counted { counted: word });
        let (together, alone) = (counter("together"), counter("alone"));
        Self { counted, together, alone }
    }
}

impl SharedRates {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Counts of shared rates: together in [state], or alone";
        registry.register("shared_rates", help, self.counted.clone());
    }
}

//! What is counted of issuers and their bearers.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Labels of what is counted by issuer.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct IssuerOutcome {
    issuer: String,
    outcome: &'static str,
}

/// The families of all issuers.
#[derive(Debug, Default)]
pub(super) struct IssuerFamilies {
    bearers: Family<IssuerOutcome, Counter>,
    fetches: Family<IssuerOutcome, Counter>,
}

/// What one issuer counts.
#[derive(Clone, Debug)]
pub struct IssuerMetrics {
    /// Its keys came.
    pub fetched: Counter,
    /// They did not.
    pub failed: Counter,
    name: String,
    bearers: Family<IssuerOutcome, Counter>,
}

impl IssuerMetrics {
    /// Counts a token of its; `outcome` is one of a closed list.
    pub fn count(&self, outcome: &'static str) {
        self.bearers.get_or_create_owned(&IssuerOutcome { issuer: self.name.clone(), outcome }).inc();
    }
}

impl IssuerFamilies {
    pub(super) fn register(&self, registry: &mut Registry) {
        let bearers = "Bearer tokens judged, by issuer and outcome";
        registry.register("bearers", bearers, self.bearers.clone());
        let fetches = "Fetches of issuers' keys, by issuer and outcome";
        registry.register("issuer_fetches", fetches, self.fetches.clone());
    }

    pub(super) fn issuer(&self, name: &str) -> IssuerMetrics {
        let fetches =
            |outcome| self.fetches.get_or_create_owned(&IssuerOutcome { issuer: name.to_owned(), outcome });
        let (fetched, failed) = (fetches("fetched"), fetches("failed"));
        IssuerMetrics { fetched, failed, name: name.to_owned(), bearers: self.bearers.clone() }
    }
}

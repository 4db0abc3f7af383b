//! Which certificate answers which name.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::tls::identity::Identity;
use crate::tls::names::Names;

/// All certificates, by the names in them.
#[derive(Debug)]
pub(crate) struct Chosen {
    first: Vec<Arc<CertifiedKey>>,
    /// Several under one name differ in their kind of key. Wildcards begin with `*.`.
    by_name: Names<Vec<Arc<CertifiedKey>>>,
}

impl Chosen {
    /// The first of `identities` answers where no name does.
    pub(crate) fn of(identities: &[Identity]) -> Self {
        let mut by_name: HashMap<String, Vec<Arc<CertifiedKey>>> = HashMap::new();
        for identity in identities {
            for name in &identity.names {
                by_name.entry(name.clone()).or_default().push(Arc::clone(&identity.key));
            }
        }
        let first = identities.iter().take(1).map(|identity| Arc::clone(&identity.key)).collect();
        Self { first, by_name: Names::new(by_name) }
    }

    /// The certificates for `name`: its own, else those for all names beside it, else the first.
    fn under(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        name.and_then(|name| self.by_name.find(name)).unwrap_or(&self.first)
    }

    /// Whether a certificate names it.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.by_name.find(name).is_some()
    }
}

impl ResolvesServerCert for Chosen {
    /// Of several under one name, the first whose signature the client can check.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let candidates = self.under(hello.server_name());
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        candidates.iter().find(fits).or(candidates.first()).cloned()
    }
}

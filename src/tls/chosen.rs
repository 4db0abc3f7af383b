//! Which certificate answers which name.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::tls::identity::Identity;

/// All certificates, by the names in them.
#[derive(Debug)]
pub(crate) struct Chosen {
    first: Vec<Arc<CertifiedKey>>,
    /// Several under one name differ in their kind of key. Wildcards begin with `*.`.
    by_name: HashMap<String, Vec<Arc<CertifiedKey>>>,
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
        Self { first: identities.iter().take(1).map(|identity| Arc::clone(&identity.key)).collect(), by_name }
    }

    /// The certificates for `name`: its own, else those for all names beside it, else the first.
    fn under(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        let named = name.and_then(|name| {
            let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            self.by_name.get(&name).or_else(|| {
                let (_, parent) = name.split_once('.')?;
                self.by_name.get(&format!("*.{parent}"))
            })
        });
        named.unwrap_or(&self.first)
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

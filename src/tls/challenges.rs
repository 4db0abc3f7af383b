//! Proofs for an ACME authority that a name leads here, while an order for it is on its way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::ClientHello;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

/// The protocol that an authority offers, and no other beside it (RFC 8737 section 3).
const PROTOCOL: &[u8] = b"acme-tls/1";

/// The proofs that may be asked for now: one set a process, so that a reload in the middle of an order loses none.
#[derive(Clone, Debug, Default)]
pub struct Challenges(Arc<Mutex<HashMap<String, Proof>>>);

#[derive(Debug)]
enum Proof {
    /// For a handshake under the name.
    Handshake(Arc<ServerConfig>),
    /// For a request with the token.
    Text(String),
}

/// A proof that may be asked for until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Posed {
    challenges: Challenges,
    under: String,
}

impl Challenges {
    /// Shows `digest`, the hash of the key authorization, in a certificate for `name` (RFC 8737). `None` if the system makes no key.
    pub fn show(&self, name: &str, digest: &[u8]) -> Option<Posed> {
        let key = KeyPair::generate().ok()?;
        let mut params = CertificateParams::new([name.to_owned()]).ok()?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let certificate = params.self_signed(&key).ok()?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).ok()?;
        let key = any_supported_type(&key).ok()?;
        // Not checked as a pair: the extension is critical, and no library but an authority's knows it.
        let pair = CertifiedKey::new(vec![certificate.der().clone()], key);
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .ok()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Some(self.pose(name.to_ascii_lowercase(), Proof::Handshake(Arc::new(config))))
    }

    /// Answers the token with `text`, the key authorization (RFC 8555 section 8.3).
    pub fn tell(&self, token: &str, text: &str) -> Posed {
        self.pose(token.to_owned(), Proof::Text(text.to_owned()))
    }

    /// What the token is answered with.
    pub fn told(&self, token: &str) -> Option<String> {
        match self.held().get(token)? {
            Proof::Text(text) => Some(text.clone()),
            Proof::Handshake(_) => None,
        }
    }

    /// The proof that this handshake is for, if it is an authority's.
    pub(crate) fn shown(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let mut protocols = hello.alpn()?;
        if protocols.next() != Some(PROTOCOL) || protocols.next().is_some() {
            return None;
        }
        match self.held().get(&hello.server_name()?.to_ascii_lowercase())? {
            Proof::Handshake(config) => Some(Arc::clone(config)),
            Proof::Text(_) => None,
        }
    }

    fn pose(&self, under: String, proof: Proof) -> Posed {
        self.held().insert(under.clone(), proof);
        Posed { challenges: self.clone(), under }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<String, Proof>> {
        // A map of whole values is whole whenever somebody panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Posed {
    fn drop(&mut self) {
        self.challenges.held().remove(&self.under);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_gone_with_its_order() {
        let challenges = Challenges::default();
        let posed = challenges.tell("token", "authorization");
        assert_eq!(challenges.told("token").as_deref(), Some("authorization"));
        assert_eq!(challenges.told("another"), None);
        drop(posed);
        assert_eq!(challenges.told("token"), None);
    }

    #[test]
    fn what_is_for_a_handshake_is_told_to_nobody() {
        let challenges = Challenges::default();
        let _posed = challenges.show("a.test", &[7; 32]).unwrap();
        assert_eq!(challenges.told("a.test"), None);
    }
}

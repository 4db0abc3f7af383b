//! Which clients are asked for a certificate, whose are good, and what is known of one that was shown.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use crate::clock::UnixMillis;
use crate::config::{ClientCertificates, ConfigError};
use crate::tls::names::Names;

const CA: &str = "server.client_certificates.ca";
const CRL: &str = "server.client_certificates.crl";

/// One entry of `[[server.client_certificates]]`. Only [`Callers`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerId {
    at: usize,
    /// A print of the entry: after a reload another may have its place.
    entry: u64,
}

/// Which entry a name falls under.
#[derive(Clone, Debug)]
pub struct Callers {
    ids: Vec<CallerId>,
    by_name: Names<CallerId>,
    others: Option<CallerId>,
}

impl Callers {
    /// Those of the configuration.
    pub fn new(entries: &[ClientCertificates]) -> Self {
        let numbered =
            || entries.iter().enumerate().map(|(at, entry)| (CallerId { at, entry: print_of(entry) }, entry));
        let named = numbered().flat_map(|(id, entry)| entry.hosts.iter().map(move |host| (host.clone(), id)));
        Self {
            by_name: Names::new(named.collect::<HashMap<_, _>>()),
            others: numbered().find(|(_, entry)| entry.hosts.is_empty()).map(|(id, _)| id),
            ids: numbered().map(|(id, _)| id).collect(),
        }
    }

    /// Whether nobody is ever asked.
    pub const fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether it is one of these entries: a connection may be older than the configuration.
    pub fn know(&self, id: CallerId) -> bool {
        self.ids.contains(&id)
    }

    /// The entry for a name; without one, that for all others.
    pub fn under(&self, name: Option<&str>) -> Option<CallerId> {
        name.and_then(|name| self.by_name.find(name)).copied().or(self.others)
    }
}

/// What an entry asks for and believes, its place apart.
fn print_of(entry: &ClientCertificates) -> u64 {
    let mut hasher = DefaultHasher::new();
    let crl = entry.crl.as_ref().map(|crl| &crl.value);
    (&entry.hosts, entry.required, &entry.ca.value, crl, entry.forward).hash(&mut hasher);
    hasher.finish()
}

impl CallerId {
    pub(crate) const fn index(self) -> usize {
        self.at
    }
}

/// What a handshake showed of a client. Empty without TLS, and where no certificate was asked for.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Under which entry it was asked.
    pub asked_by: Option<CallerId>,
    /// What it showed; it was good.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// A client's certificate, which one of the entry's authorities vouches for.
#[derive(Debug)]
pub struct ClientCertificate {
    thumbprint: String,
    field: Option<HeaderValue>,
}

impl ClientCertificate {
    pub(crate) fn of(certificate: &CertificateDer<'_>, forward: bool) -> Self {
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, certificate));
        let field = || HeaderValue::try_from(format!(":{}:", STANDARD.encode(certificate))).ok();
        Self { thumbprint, field: forward.then(field).flatten() }
    }

    /// The `x5t#S256` of RFC 8705: SHA-256 over all of it, in base64url.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// The value of `Client-Cert` (RFC 9440), where the entry says that services get it.
    pub const fn field(&self) -> Option<&HeaderValue> {
        self.field.as_ref()
    }
}

/// When the next list is due, at the latest; rustls takes none that does not say so.
fn next_update(list: &CertificateRevocationListDer<'_>) -> Option<UnixMillis> {
    let (_, list) = CertificateRevocationList::from_der(list).ok()?;
    let seconds = list.next_update()?.timestamp();
    Some(UnixMillis::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// When the first of an entry's lists has to be replaced.
pub(crate) fn lists_until(entry: &ClientCertificates) -> Option<UnixMillis> {
    let lists = CertificateRevocationListDer::pem_slice_iter(&entry.crl.as_ref()?.value);
    lists.filter_map(|list| next_update(&list.ok()?)).min()
}

/// Who judges certificates under an entry.
///
/// # Errors
/// Authorities or lists that cannot be read, and lists that are out of date `now`; once they are, no certificate is good (RFC 5280
/// §6.3.3).
pub(crate) fn verifier(
    entry: &ClientCertificates,
    provider: &Arc<CryptoProvider>,
    now: UnixMillis,
) -> Result<Arc<dyn ClientCertVerifier>, ConfigError> {
    let refuse =
        |found: String| ConfigError::new(entry.ca.at, CA, found, "certificates of authorities, in PEM");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&entry.ca.value) {
        let certificate = certificate.map_err(|error| refuse(format!("not all of it is PEM: {error}")))?;
        roots.add(certificate).map_err(|error| refuse(format!("one of them is no authority: {error}")))?;
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    if let Some(crl) = &entry.crl {
        let refuse = |found: String| ConfigError::new(crl.at, CRL, found, "revocation lists in PEM");
        let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(&crl.value)
            .collect::<Result<_, _>>()
            .map_err(|error| refuse(format!("not all of it is PEM: {error}")))?;
        if lists.is_empty() {
            return Err(refuse("it holds no revocation list".to_owned()));
        }
        if let Some(past) = lists.iter().filter_map(|list| next_update(list)).find(|next| *next <= now) {
            let found = format!("one of its lists was to be replaced by {}", past.rfc3339());
            return Err(
                refuse(found).hint("a list that is out of date says nothing of what was revoked since")
            );
        }
        builder = builder.with_crls(lists).enforce_revocation_expiration();
    }
    if !entry.required {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map_err(|error| match &entry.crl {
        Some(crl) => {
            ConfigError::new(crl.at, CRL, format!("it cannot be used: {error}"), "revocation lists in PEM")
        }
        None => refuse(format!("it cannot be used: {error}")),
    })
}

//! TLS to `https://` endpoints: whom an upstream trusts, what it shows, and what is offered.

use std::cell::OnceCell;
use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::config::{self, ConfigError};

/// The system's certificate authorities, read once they are needed.
#[derive(Default)]
pub(crate) struct System(OnceCell<Arc<RootCertStore>>);

/// The client's side of TLS for one upstream.
#[derive(Clone)]
pub(crate) struct Tls {
    /// HTTP/2 is offered before HTTP/1.1, unless the upstream is not to have it.
    any: TlsConnector,
    /// HTTP/1.1 alone, for a handshake that HTTP/2 does not take there.
    http1: TlsConnector,
    /// Whose certificate it must be, if not the endpoint's.
    name: Option<ServerName<'static>>,
    pub(crate) offers_http2: bool,
}

impl Tls {
    /// For the `https://` endpoints of `upstream`; `None` if it has none.
    ///
    /// # Errors
    /// Certificates, a key or a name that cannot be used; a system without root certificates, where `ca` is not given.
    pub(crate) fn of(upstream: &config::Upstream, system: &System) -> Result<Option<Self>, ConfigError> {
        if !upstream.endpoints.iter().any(|endpoint| endpoint.tls) {
            return Ok(None);
        }
        let given = &upstream.tls;
        let roots = match &given.ca {
            Some(pem) => authorities(upstream, pem)?,
            None => system.roots(upstream)?,
        };
        let config = client(upstream, roots)?;
        let with = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            TlsConnector::from(Arc::new(config))
        };
        let http1 = with(&[b"http/1.1"]);
        let name = given.server_name.as_ref().map(|name| name_of(upstream, "server_name", name));
        Ok(Some(Self {
            any: if given.http2 { with(&[b"h2", b"http/1.1"]) } else { http1.clone() },
            http1,
            name: name.transpose()?,
            offers_http2: given.http2,
        }))
    }

    /// Whose certificate the endpoint at `host` must show.
    ///
    /// # Errors
    /// If the host cannot be a TLS server's name.
    pub(crate) fn name(
        &self,
        upstream: &config::Upstream,
        host: &str,
    ) -> Result<ServerName<'static>, ConfigError> {
        self.name.clone().map_or_else(|| name_of(upstream, "endpoints", host), Ok)
    }

    /// What shakes hands: offering all that is spoken, or HTTP/1.1 alone.
    pub(crate) const fn connector(&self, http1: bool) -> &TlsConnector {
        if http1 { &self.http1 } else { &self.any }
    }
}

impl System {
    fn roots(&self, upstream: &config::Upstream) -> Result<Arc<RootCertStore>, ConfigError> {
        let roots = self.0.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Arc::new(roots)
        });
        if roots.is_empty() {
            let found = "an https:// endpoint, but the system has no root certificates";
            let accepted = "certificates where the system keeps them, or `ca`";
            return Err(ConfigError::new(upstream.at, key(upstream, "endpoints"), found, accepted)
                .hint("install the package `ca-certificates`, or set SSL_CERT_FILE"));
        }
        Ok(Arc::clone(roots))
    }
}

fn authorities(upstream: &config::Upstream, pem: &[u8]) -> Result<Arc<RootCertStore>, ConfigError> {
    let mut roots = RootCertStore::empty();
    let (added, _) =
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).filter_map(Result::ok));
    if added == 0 {
        let found = "none of its certificates can be read";
        return Err(ConfigError::new(upstream.at, key(upstream, "ca"), found, "certificates in PEM"));
    }
    Ok(Arc::new(roots))
}

/// Says in words what rustls says in a name of its own.
pub(crate) fn explained(error: io::Error) -> io::Error {
    let found = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match found {
        // webpki's errors are no part of rustls' interface, but by their names.
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(other)))
            if format!("{other:?}").contains("CaUsedAsEndEntity") =>
        {
            io::Error::new(error.kind(), AuthorityShown)
        }
        _ => error,
    }
}

/// A service's certificate is one of an authority, as `openssl req -x509` makes them unless it is told otherwise.
#[derive(Debug)]
struct AuthorityShown;

impl std::fmt::Display for AuthorityShown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "the service shows the certificate of an authority (`CA:TRUE`), which counts for no service: have it show one that the \
             authority issued, or make it with `openssl req -x509 -addext basicConstraints=critical,CA:FALSE`",
        )
    }
}

impl std::error::Error for AuthorityShown {}

/// Under these roots, with the upstream's own certificate if it has one.
fn client(upstream: &config::Upstream, roots: Arc<RootCertStore>) -> Result<ClientConfig, ConfigError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
    let verifier = verifier.expect("there are roots, and no revocation lists");
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has ciphers for TLS 1.2 and 1.3")
        .with_webpki_verifier(verifier);
    let Some((chain, private)) = &upstream.tls.client else { return Ok(builder.with_no_client_auth()) };
    let refuse = |found: &str| {
        let accepted = "a certificate with its chain, and its key beside it";
        ConfigError::new(upstream.at, key(upstream, "client_key"), found.to_owned(), accepted)
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain).filter_map(Result::ok).collect();
    let private =
        PrivateKeyDer::from_pem_slice(private.expose()).map_err(|_| refuse("it holds no private key"))?;
    builder.with_client_auth_cert(chain, private).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            refuse("this key belongs to another certificate than `client_cert`")
        }
        _ => refuse("this certificate or this kind of key cannot be used"),
    })
}

fn name_of(upstream: &config::Upstream, at: &str, name: &str) -> Result<ServerName<'static>, ConfigError> {
    ServerName::try_from(name.to_owned()).map_err(|_| {
        ConfigError::new(upstream.at, key(upstream, at), format!("`{name}`"), "a DNS name or an address")
    })
}

fn key(upstream: &config::Upstream, key: &str) -> String {
    format!("upstreams.{}.{key}", upstream.name)
}

//! From a TCP connection to a stream that nobody else can read.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::{Acceptor, NoServerSessionStorage, ProducesTickets};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::clock::UnixMillis;
use crate::config::{Certificate, ConfigError};
use crate::tls::chosen::Chosen;
use crate::tls::identity::{CERT, Identity};

/// The protocols that are offered, the best one first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The keys of session tickets: one set a process, so that a reload ends no session. They are made anew every six hours.
#[derive(Clone, Debug)]
pub struct Tickets(Arc<dyn ProducesTickets>);

impl Tickets {
    /// New keys.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn new() -> io::Result<Self> {
        Ticketer::new().map(Self).map_err(io::Error::other)
    }
}

/// The server's side of TLS, under some certificates.
#[derive(Debug)]
pub struct Server {
    config: Arc<ServerConfig>,
    identities: Vec<Identity>,
}

impl Server {
    /// TLS as configured; `None` without certificates. Without `tickets` no session is resumed.
    ///
    /// # Errors
    /// Every certificate that cannot work.
    pub fn build(
        certificates: &[Certificate],
        tickets: Option<&Tickets>,
    ) -> Result<Option<Self>, Vec<ConfigError>> {
        if certificates.is_empty() {
            return Ok(None);
        }
        let provider = Arc::new(default_provider());
        let mut mistakes = Vec::new();
        let mut identities = Vec::new();
        for (at, certificate) in certificates.iter().enumerate() {
            match Identity::read(certificate, &provider) {
                Ok(identity) if at > 0 && identity.names.is_empty() => mistakes.push(ConfigError::new(
                    identity.at,
                    CERT,
                    "it has no DNS name, so it would never be chosen",
                    "a certificate with subjectAltName, or a place as the first of them",
                )),
                Ok(identity) => identities.push(identity),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the provider has ciphers for both versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Chosen::of(&identities)));
        config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
        if let Some(tickets) = tickets {
            config.ticketer = Arc::clone(&tickets.0);
        }
        // Tickets carry all that resumption needs; what the server kept itself would be lost in a reload.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_early_data_size = 0;
        Ok(Some(Self { config: Arc::new(config), identities }))
    }

    /// What is wrong with certificates that can be shown all the same.
    pub fn warnings(&self, now: UnixMillis) -> impl Iterator<Item = String> {
        self.identities
            .iter()
            .filter_map(move |identity| Some(format!("{} {}", identity.title(), identity.complaint(now)?)))
    }

    /// Shakes hands with a client. There is no deadline in here.
    ///
    /// # Errors
    /// What the client did wrong, after it was told by an alert; or its end.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<Box<TlsStream<TcpStream>>> {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        Ok(Box::new(hello.into_stream(Arc::clone(&self.config)).await?))
    }
}

//! From a TCP connection to a stream that nobody else can read.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    Acceptor, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, WebPkiClientVerifier,
};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::clock::UnixMillis;
use crate::config::{Certificate, ClientCertificates, ConfigError, Located};
use crate::tls::callers::{Callers, ClientCertificate, Shown, lists_until, verifier};
use crate::tls::challenges::Challenges;
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

/// What is said of certificates that the gateway orders itself.
#[derive(Clone, Copy, Debug)]
pub struct Ordered<'a> {
    /// For which names.
    pub names: &'a [Located<String>],
    /// Where the proofs are.
    pub challenges: &'a Challenges,
}

/// The server's side of TLS, under some certificates.
#[derive(Debug)]
pub struct Server {
    config: Arc<ServerConfig>,
    /// For those who are asked for a certificate; [`crate::tls::CallerId`] indexes it, with whether services get it.
    asking: Vec<(Arc<ServerConfig>, bool)>,
    callers: Callers,
    chosen: Arc<Chosen>,
    identities: Vec<Identity>,
    /// Names that are ordered for.
    ordered: Vec<String>,
    challenges: Challenges,
    /// When the first list of revoked certificates has to be replaced.
    lists_until: Option<UnixMillis>,
}

/// So long before its end a list of revoked certificates is warned of: most are made anew every day.
const LIST_ENDS_SOON: Duration = Duration::from_secs(6 * 3600);

impl Server {
    /// TLS as configured; `None` without certificates and orders for some. Without `tickets` no session is resumed.
    ///
    /// # Errors
    /// Every certificate that cannot work, and authorities of `clients` that cannot judge, or not any more at `now`.
    pub fn build(
        certificates: &[Certificate],
        clients: &[ClientCertificates],
        tickets: Option<&Tickets>,
        ordered: Option<Ordered<'_>>,
        now: UnixMillis,
    ) -> Result<Option<Self>, Vec<ConfigError>> {
        if certificates.is_empty() && ordered.is_none() {
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
        let mut verifiers = Vec::new();
        for entry in clients {
            match verifier(entry, &provider, now) {
                Ok(verifier) => verifiers.push((verifier, entry.forward)),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let chosen = Arc::new(Chosen::of(&identities));
        let asking = verifiers.into_iter();
        Ok(Some(Self {
            config: Arc::new(config(&provider, WebPkiClientVerifier::no_client_auth(), &chosen, tickets)),
            asking: asking
                .map(|(verifier, forward)| (Arc::new(config(&provider, verifier, &chosen, None)), forward))
                .collect(),
            callers: Callers::new(clients),
            chosen,
            identities,
            ordered: ordered
                .iter()
                .flat_map(|ordered| ordered.names.iter().map(|name| name.value.clone()))
                .collect(),
            challenges: ordered.map(|ordered| ordered.challenges.clone()).unwrap_or_default(),
            lists_until: clients.iter().filter_map(lists_until).min(),
        }))
    }

    /// Whether a certificate names this host.
    pub fn names(&self, host: &str) -> bool {
        self.chosen.knows(host)
    }

    /// What is wrong with certificates that can be shown all the same.
    pub fn warnings(&self, now: UnixMillis) -> impl Iterator<Item = String> {
        let lacking = self.ordered.iter().filter(|name| !self.chosen.knows(name));
        let lacking = lacking.map(|name| {
            format!("there is no certificate for `{name}` yet; it is ordered by a gateway that runs")
        });
        self.identities
            .iter()
            .filter_map(move |identity| Some(format!("{} {}", identity.title(), identity.complaint(now)?)))
            .chain(lacking)
            .chain(self.lists_until.filter(|until| now.until(*until) < LIST_ENDS_SOON).map(|until| {
                format!(
                    "a list in `crl` has to be replaced by {}; then no client certificate is good",
                    until.rfc3339()
                )
            }))
    }

    /// The first name of each certificate, and its end.
    pub fn ends(&self) -> impl Iterator<Item = (&str, UnixMillis)> {
        self.identities
            .iter()
            .map(|identity| (identity.names.first().map_or("", String::as_str), identity.until))
    }

    /// Shakes hands with a client; `None` if it was an authority that wanted a proof and has it. There is no deadline in here.
    ///
    /// # Errors
    /// What the client did wrong, after it was told by an alert; or its end.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<Option<(Box<TlsStream<TcpStream>>, Shown)>> {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        if let Some(proof) = self.challenges.shown(&hello.client_hello()) {
            hello.into_stream(proof).await?.shutdown().await?;
            return Ok(None);
        }
        let asked_by = self.callers.under(hello.client_hello().server_name());
        let Some((config, forward)) = asked_by.and_then(|id| self.asking.get(id.index())) else {
            let stream = Box::new(hello.into_stream(Arc::clone(&self.config)).await?);
            return Ok(Some((stream, Shown::default())));
        };
        let stream = Box::new(hello.into_stream(Arc::clone(config)).await?);
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let certificate = shown.map(|first| Arc::new(ClientCertificate::of(first, *forward)));
        Ok(Some((stream, Shown { asked_by, certificate })))
    }
}

fn config(
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ClientCertVerifier>,
    chosen: &Arc<Chosen>,
    tickets: Option<&Tickets>,
) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider has ciphers for both versions")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::clone(chosen) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
    match tickets {
        Some(tickets) => config.ticketer = Arc::clone(&tickets.0),
        None => config.send_tls13_tickets = 0,
    }
    // Tickets carry all that resumption needs; what the server kept itself would be lost in a reload.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    // Ours begins with the strongest; a client's may begin with anything.
    config.ignore_client_order = true;
    config
}

//! New connections to an endpoint.

use std::cell::Cell;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::config::{self, At, ConfigError, ProxyVersion};
use crate::upstream::error::UpstreamError;
use crate::upstream::introduction::Introduction;
use crate::upstream::pool::Link;
use crate::upstream::resolve::Resolver;
use crate::upstream::sender::Multiplexed;
use crate::upstream::slots::Slot;
use crate::upstream::wire::{Stream, Turn, Wire};

/// Largest response head, and most that hyper holds of a body. Its own default would let one upstream pin 400 KiB a
/// connection; nginx takes 4 to 8 KiB of head.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Bytes of one answer, and of all of an HTTP/2 connection, that may wait for clients.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const WINDOW_BYTES: u32 = 1024 * 1024;
/// While streams are open, an upstream that has gone without a word is found out in this time and a bit.
const PING_AFTER: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// How to reach one endpoint.
pub(crate) struct Connector {
    place: Place,
    http2: bool,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
    /// How it wants to be told on whose behalf a connection is made.
    introduces: Option<ProxyVersion>,
}

/// Where it listens.
enum Place {
    Tcp(Resolver),
    Unix(PathBuf),
}

impl Connector {
    /// # Errors
    /// If the host cannot be a TLS server's name.
    pub(crate) fn new(
        upstream: &config::Upstream,
        endpoint: &config::Endpoint,
        tls: Option<&Arc<rustls::ClientConfig>>,
    ) -> Result<Self, ConfigError> {
        let host = endpoint.host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = match tls.filter(|_| endpoint.tls) {
            None => None,
            Some(tls) => {
                let name = ServerName::try_from(host.clone()).map_err(|_| {
                    let key = format!("upstreams.{}.endpoints", upstream.name);
                    ConfigError::new(upstream.at, key, format!("`{host}`"), "a DNS name or an address")
                })?;
                Some((TlsConnector::from(Arc::clone(tls)), name))
            }
        };
        let place = match &endpoint.socket {
            Some(path) => Place::Unix(path.clone()),
            None => Place::Tcp(Resolver::new(&host, endpoint.port)),
        };
        let (timeout, introduces) = (upstream.connect_timeout, upstream.proxy_protocol);
        Ok(Self { place, http2: endpoint.http2, tls, timeout, introduces })
    }

    /// How long a connection may serve.
    pub(crate) fn age_max(&self) -> Option<Duration> {
        match &self.place {
            Place::Tcp(resolver) => resolver.age_max(),
            Place::Unix(_) => None,
        }
    }

    /// Whether one connection carries many requests.
    pub(crate) const fn is_http2(&self) -> bool {
        self.http2
    }

    /// Whether a connection says on whose behalf it is made.
    pub(crate) const fn introduces(&self) -> bool {
        self.introduces.is_some()
    }

    /// Connects, TLS included, and starts the connection's driver. The connection keeps `slot` until its socket closes.
    pub(crate) async fn connect(
        &self,
        slot: Slot,
        introduction: Option<&Rc<Introduction>>,
    ) -> Result<Link, UpstreamError> {
        let end = Instant::now() + self.timeout;
        let opening = timeout_at(end, self.open(end, introduction)).await;
        let stream = opening.unwrap_or(Err(UpstreamError::ConnectTimedOut))?;
        let turn = Turn::new();
        let wire = TokioIo::new(Wire::new(stream, Arc::clone(&turn), slot));
        if self.http2 {
            return multiplex(wire, introduction).await;
        }
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER_BYTES_MAX)
            .max_header_size(BUFFER_BYTES_MAX)
            .handshake(wire)
            .await
            .map_err(|error| UpstreamError::ConnectFailed { source: io::Error::other(error) })?;
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "upstream connection broke");
            }
        });
        Ok(Link::new(sender, turn, introduction.cloned()))
    }

    async fn open(
        &self,
        end: Instant,
        introduction: Option<&Rc<Introduction>>,
    ) -> Result<Stream, UpstreamError> {
        let mut stream = match &self.place {
            Place::Tcp(resolver) => dial(resolver, end).await?,
            Place::Unix(path) => {
                let stream = UnixStream::connect(path).await;
                let mut stream = stream.map_err(|source| UpstreamError::ConnectFailed { source })?;
                self.introduce(&mut stream, introduction).await?;
                return Ok(Stream::Unix(stream));
            }
        };
        // Heads and bodies leave in separate writes; a delayed one would cost a round trip.
        stream.set_nodelay(true).map_err(|source| UpstreamError::ConnectFailed { source })?;
        self.introduce(&mut stream, introduction).await?;
        let Some((tls, name)) = &self.tls else { return Ok(Stream::Plain(stream)) };
        let stream =
            tls.connect(name.clone(), stream).await.map_err(|source| UpstreamError::TlsFailed { source })?;
        Ok(Stream::Tls(Box::new(stream)))
    }

    /// Says, where that is wanted, on whose behalf `stream` was opened: before anything else, TLS included.
    async fn introduce(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        introduction: Option<&Rc<Introduction>>,
    ) -> Result<(), UpstreamError> {
        let Some(version) = self.introduces else { return Ok(()) };
        let header = Introduction::header(introduction.map(Rc::as_ref), version);
        stream.write_all(&header).await.map_err(|source| UpstreamError::ConnectFailed { source })
    }
}

/// Tries the name's addresses in order, each with an equal share of the time left, so that one black hole among them
/// does not use it up.
async fn dial(resolver: &Resolver, end: Instant) -> Result<TcpStream, UpstreamError> {
    let found = resolver.addresses().await;
    let addresses = found.map_err(|source| UpstreamError::ConnectFailed { source })?;
    let mut failure = UpstreamError::ConnectFailed { source: io::ErrorKind::NotFound.into() };
    for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let share = end.saturating_duration_since(Instant::now()) / u32::try_from(left).unwrap_or(u32::MAX);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(source)) => failure = UpstreamError::ConnectFailed { source },
            Err(_) => failure = UpstreamError::ConnectTimedOut,
        }
    }
    Err(failure)
}

/// The trust in upstreams' certificates, if one of them has any.
///
/// # Errors
/// As [`system_tls`].
pub(crate) fn tls_for(
    upstreams: &[config::Upstream],
) -> Result<Option<Arc<rustls::ClientConfig>>, ConfigError> {
    let first = upstreams.iter().find(|upstream| upstream.endpoints.iter().any(|endpoint| endpoint.tls));
    first.map(|upstream| system_tls(upstream.at)).transpose()
}

/// Begins HTTP/2 by prior knowledge.
async fn multiplex(
    wire: TokioIo<Wire>,
    introduction: Option<&Rc<Introduction>>,
) -> Result<Link, UpstreamError> {
    let (sender, connection) = http2::Builder::new(Local)
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_send_buf_size(BUFFER_BYTES_MAX)
        .max_header_list_size(u32::try_from(BUFFER_BYTES_MAX).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PONG_WITHIN)
        .handshake(wire)
        .await
        .map_err(|error| UpstreamError::ConnectFailed { source: io::Error::other(error) })?;
    let streams_max = Rc::new(Cell::new(connection.current_max_send_streams()));
    let shared = Multiplexed::new(sender, Rc::clone(&streams_max), introduction.cloned());
    tokio::task::spawn_local(async move {
        let mut connection = pin!(connection);
        let ended = std::future::poll_fn(|cx| {
            let polled = connection.as_mut().poll(cx);
            streams_max.set(connection.current_max_send_streams());
            polled
        })
        .await;
        if let Err(error) = ended {
            tracing::debug!(%error, "upstream connection broke");
        }
    });
    Ok(Link::stream(shared))
}

/// Runs what hyper makes of a connection's streams on this worker.
#[derive(Clone)]
struct Local;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, stream: F) {
        tokio::task::spawn_local(stream);
    }
}

/// Trusts the system's certificate authorities, offers HTTP/1.1 only.
///
/// # Errors
/// If the system has none: then no `https://` upstream could ever be reached.
fn system_tls(at: At) -> Result<Arc<rustls::ClientConfig>, ConfigError> {
    let mut roots = rustls::RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        let found = "an https:// endpoint, but the system has no root certificates";
        return Err(ConfigError::new(at, "upstreams", found, "certificates where the system keeps them")
            .hint("install the package `ca-certificates`, or set SSL_CERT_FILE"));
    }
    Ok(Arc::new(client_tls(roots)))
}

/// A TLS client for upstreams under these roots.
pub(crate) fn client_tls(roots: rustls::RootCertStore) -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has ciphers for TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    tls
}

//! New connections to an endpoint.

use std::cell::Cell;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Scheme;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::{self, ConfigError, ProxyVersion};
use crate::upstream::error::UpstreamError;
use crate::upstream::introduction::Introduction;
use crate::upstream::pool::Link;
use crate::upstream::resolve::Resolver;
use crate::upstream::sender::{Multiplexed, Terms};
use crate::upstream::slots::Slot;
use crate::upstream::tls::{Tls, explained};
use crate::upstream::wire::{Stream, Turn, Wire};

/// Largest response head, and most that hyper holds of a body. Its own default would let one upstream pin 400 KiB a
/// connection; nginx takes 4 to 8 KiB of head.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Bytes of one answer by HTTP/2 that may wait for its client.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// The same of all of a connection, which many clients share: more than their streams are, or those who read nothing would stop the
/// others. What they hold of it counts against the memory budget like everything else, and for a minute at most.
const WINDOW_BYTES: u32 = 1024 * 1024 * 1024;
/// While streams are open, an upstream that has gone without a word is found out in this time and a bit.
const PING_AFTER: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// How to reach one endpoint.
pub(crate) struct Connector {
    place: Place,
    http2: bool,
    tls: Option<(Tls, ServerName<'static>)>,
    timeout: Duration,
    /// How it wants to be told on whose behalf a connection is made.
    introduces: Option<ProxyVersion>,
    /// Whether it chose HTTP/1.1 the last time that it had the choice.
    chose_http1: Cell<bool>,
    /// Whether it said, in HTTP/2, that it makes no tunnels, the last time that one was wanted.
    no_tunnels: Cell<bool>,
}

/// What a connection is wanted for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// On whose behalf, where the upstream wants to be told.
    pub(crate) introduction: Option<&'a Rc<Introduction>>,
    /// Whether it must be able to become a tunnel.
    pub(crate) tunnel: bool,
}

impl Wanted<'_> {
    /// For ourselves, in whatever the endpoint speaks.
    pub(crate) const OURS: Self = Self { introduction: None, tunnel: false };
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
        tls: Option<&Tls>,
    ) -> Result<Self, ConfigError> {
        let host = endpoint.host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = match tls.filter(|_| endpoint.tls) {
            None => None,
            Some(tls) => Some((tls.clone(), tls.name(upstream, &host)?)),
        };
        let place = match &endpoint.socket {
            Some(path) => Place::Unix(path.clone()),
            None => Place::Tcp(Resolver::new(&host, endpoint.port)),
        };
        let (timeout, introduces) = (upstream.connect_timeout, upstream.proxy_protocol);
        let (chose_http1, no_tunnels) = Default::default();
        let http2 = endpoint.http2;
        Ok(Self { place, http2, tls, timeout, introduces, chose_http1, no_tunnels })
    }

    /// How long a connection may serve.
    pub(crate) fn age_max(&self) -> Option<Duration> {
        match &self.place {
            Place::Tcp(resolver) => resolver.age_max(),
            Place::Unix(_) => None,
        }
    }

    /// Whether it speaks nothing but HTTP/2.
    pub(crate) const fn is_http2(&self) -> bool {
        self.http2
    }

    /// Whether a connection says on whose behalf it is made.
    pub(crate) const fn introduces(&self) -> bool {
        self.introduces.is_some()
    }

    /// Whether one connection may carry many requests.
    pub(crate) fn may_be_http2(&self) -> bool {
        self.http2 || self.tls.as_ref().is_some_and(|(tls, _)| tls.offers_http2)
    }

    /// Whether a new one will, as far as is known: then one is opened at a time.
    pub(crate) fn is_likely_http2(&self) -> bool {
        self.http2 || self.may_be_http2() && !self.chose_http1.get()
    }

    /// Whether HTTP/1.1 has to be asked for.
    pub(crate) fn must_be_http1(&self, wanted: Wanted<'_>) -> bool {
        wanted.tunnel && self.tls.is_some() && self.no_tunnels.get()
    }

    /// Connects, TLS included, and starts the connection's driver. The connection keeps `slot` until its socket closes.
    /// Where a tunnel is wanted, a connection of HTTP/2 is returned once it is known whether it makes them.
    pub(crate) async fn connect(&self, slot: Slot, wanted: Wanted<'_>) -> Result<Link, UpstreamError> {
        let end = Instant::now() + self.timeout;
        let http1_only = self.must_be_http1(wanted);
        let opened = timeout_at(end, self.open(end, wanted.introduction, http1_only)).await;
        let opened = opened.unwrap_or(Err(UpstreamError::ConnectTimedOut));
        if http1_only && opened.is_err() {
            // It may be another server by now, which makes tunnels in HTTP/2 alone.
            self.no_tunnels.set(false);
        }
        let stream = opened?;
        let agreed = stream.is_http2();
        if !http1_only {
            self.chose_http1.set(!agreed);
        }
        let turn = Turn::new();
        if self.http2 || agreed {
            let scheme = if self.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
            let wire = TokioIo::new(Wire::of_frames(stream, Arc::clone(&turn), slot));
            let shared = multiplex(wire, turn, scheme, wanted.introduction).await?;
            if wanted.tunnel {
                let said = timeout_at(end, shared.tunnels_said()).await;
                self.no_tunnels.set(!said.map_err(|_| UpstreamError::ConnectTimedOut)?);
            }
            return Ok(Link::stream(shared));
        }
        let wire = TokioIo::new(Wire::new(stream, Arc::clone(&turn), slot));
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
        Ok(Link::new(sender, turn, wanted.introduction.cloned()))
    }

    async fn open(
        &self,
        end: Instant,
        introduction: Option<&Rc<Introduction>>,
        http1_only: bool,
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
        let connector = tls.connector(http1_only);
        let shaken = connector.connect(name.clone(), stream).await;
        let stream = shaken.map_err(|source| UpstreamError::TlsFailed { source: explained(source) })?;
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

/// Begins HTTP/2, by prior knowledge or as was agreed.
async fn multiplex(
    wire: TokioIo<Wire>,
    turn: Arc<Turn>,
    scheme: Scheme,
    introduction: Option<&Rc<Introduction>>,
) -> Result<Rc<Multiplexed>, UpstreamError> {
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
    let terms = Rc::<Terms>::default();
    terms.set(connection.current_max_send_streams(), None);
    let shared = Multiplexed::new(sender, Rc::clone(&terms), scheme, introduction.cloned());
    tokio::task::spawn_local(async move {
        let mut connection = pin!(connection);
        let ended = std::future::poll_fn(|cx| {
            let polled = connection.as_mut().poll(cx);
            let tunnels = turn.is_settled(cx).then(|| connection.is_extended_connect_protocol_enabled());
            terms.set(connection.current_max_send_streams(), tunnels);
            polled
        })
        .await;
        terms.set(0, Some(false));
        if let Err(error) = ended {
            tracing::debug!(%error, "upstream connection broke");
        }
    });
    Ok(shared)
}

/// Runs what hyper makes of a connection's streams on this worker.
#[derive(Clone)]
struct Local;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, stream: F) {
        tokio::task::spawn_local(stream);
    }
}

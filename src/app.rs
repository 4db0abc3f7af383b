//! From a configuration to a running gateway, to the next configuration, and to its orderly end.
//!
//! The only place, beside `listen`, where threads and long-lived tasks start: one worker per core with a runtime, listener,
//! store connections and upstream pool of its own, one thread per store that tells us of changes, one that fetches issuers' keys, one for
//! the internal listener, one for operators, one that keeps the key ring, one that writes the access log. Nothing
//! waits for a store or an upstream to be up: the gateway serves what it can, says what it cannot, and `/ready` tells when every
//! store has been reached.
//!
//! A reload makes a whole `Generation` beside the old one, which takes over what is known under settings that stay the same, and only
//! when all of it stands is it put in force: for new connections by one atomic load ([`Terms`]), for new requests by each worker's own
//! cell, which costs them nothing. What runs keeps what it began with, and the old generation's connections and threads end with the last
//! that needs them. What a generation does not hold cannot change without a restart: the sockets and the threads that serve them.

mod admin;
mod check;
mod desk;
mod generation;
mod health;
mod inside;
mod keys;
mod opened;
mod redirect;
mod rehearsal;
mod reload;
mod state;
mod stores;
mod upstreams;
mod worker;

pub use check::{Bound, Checked, CheckedIssuer, CheckedRoute, check};
pub use rehearsal::{Rehearsal, Stage};
pub use reload::Reload;

use crate::clock::Clock;
use crate::config::{self, Config, ConfigError};
use crate::listen::{BindError, Connections, Listener, Terms, serve, spawn_worker};
use crate::pipeline::Shared;
use crate::store::MemoryStore;
use crate::telemetry::{AccessSink, Metrics};
use crate::tls::{self, Tickets};
use arc_swap::ArcSwap;
use generation::{Generation, Ground};
use inside::Inside;
use redirect::Redirect;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tokio::sync::watch;
use worker::Post;

/// A thread of the gateway.
type Thread = JoinHandle<std::io::Result<()>>;

/// Connections that are being told where TLS is: each asks once.
const REDIRECT_CONNECTIONS: usize = 1024;

/// What a gateway is started with beside its configuration.
pub struct Start {
    /// The time it goes by.
    pub clock: Clock,
    /// Where access lines go.
    pub access: AccessSink,
}

/// Why a gateway did not start.
#[derive(Debug)]
pub enum StartError {
    /// The configuration is wrong; all mistakes at once.
    Config(Vec<ConfigError>),
    /// An address cannot be listened on.
    Bind(BindError),
    /// The system gave no thread, socket or random bytes.
    System(std::io::Error),
}

/// A gateway that runs.
pub struct Running {
    /// Public addresses, with the ports that were bound.
    pub addresses: Vec<SocketAddr>,
    /// Whether they speak TLS.
    pub secure: bool,
    /// Addresses of the listener that sends clients to TLS.
    pub redirecting: Vec<SocketAddr>,
    /// Address of the internal listener.
    pub internal: Option<SocketAddr>,
    /// Address of the listener for operators.
    pub admin: Option<SocketAddr>,
    ground: Ground,
    sockets: Sockets,
    connections: Arc<Connections>,
    terms: Arc<ArcSwap<Terms>>,
    inside: Arc<ArcSwap<Terms>>,
    /// Of the listener that sends clients to TLS.
    plain: Arc<ArcSwap<Terms>>,
    generation: Arc<Generation>,
    generations: watch::Sender<Arc<Generation>>,
    drain: watch::Sender<bool>,
    draining: Arc<AtomicBool>,
    threads: Vec<Thread>,
}

/// What was configured when the sockets were bound.
struct Sockets {
    listen: Vec<SocketAddr>,
    workers: usize,
    internal: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    redirect: Option<(Vec<SocketAddr>, u16)>,
}

/// Starts a gateway.
///
/// # Errors
/// [`StartError`]; nothing keeps running then.
pub fn start(config: Config, start: Start) -> Result<Running, StartError> {
    let Start { clock, access } = start;
    let tickets = Tickets::new().map_err(StartError::System)?;
    let ground = Ground { clock, metrics: Arc::new(Metrics::new()), tickets };
    let (mut generation, tls) = Generation::prepare(config, &ground, None).map_err(StartError::Config)?;
    let shared = Arc::clone(&generation.shared);
    let (server, secure) = (&shared.config.server, tls.is_some());
    let sockets = Sockets::of(&shared.config);
    let listener = Listener::bind(&sockets.listen, sockets.workers).map_err(StartError::Bind)?;
    let internal = sockets.internal.map(|address| Listener::bind(&[address], 1));
    let internal = internal.transpose().map_err(StartError::Bind)?;
    let redirect = sockets.redirect.as_ref().map(|(addresses, _)| Listener::bind(addresses, 1));
    let redirect = redirect.transpose().map_err(StartError::Bind)?;
    let threads = generation.launch(&ground.metrics, None).map_err(StartError::System)?;
    ground.metrics.count_configuration(ground.clock.now(), None);
    let generation = Arc::new(generation);
    let mut running = Running {
        addresses: listener.addresses().to_vec(),
        secure,
        redirecting: redirect.iter().flat_map(|bound| bound.addresses().to_vec()).collect(),
        internal: internal.as_ref().and_then(|internal| internal.addresses().first().copied()),
        admin: None,
        ground,
        sockets,
        connections: Connections::new(server.limits.connections),
        terms: public_terms(server, tls.map(Arc::new)).posted(),
        inside: Terms::new(server.limits.clone(), None).posted(),
        plain: public_terms(server, None).posted(),
        generations: watch::Sender::new(Arc::clone(&generation)),
        generation,
        drain: watch::Sender::new(false),
        draining: Arc::default(),
        threads,
    };
    running.serve_operators()?;
    if let Some(internal) = internal {
        running.serve_internal(internal).map_err(StartError::System)?;
    }
    if let Some(redirect) = redirect {
        running.redirect(redirect).map_err(StartError::System)?;
    }
    running.serve(listener, &access).map_err(StartError::System)?;
    Ok(running)
}

impl Running {
    /// The store named `name`, if it is one inside the process.
    pub fn memory_store(&self, name: &str) -> Option<MemoryStore> {
        self.generation.memory_store(name)
    }

    /// What it serves.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.generation.shared
    }

    /// Puts another configuration in force, all of it or nothing; returns the keys that take a restart, and have changed.
    ///
    /// # Errors
    /// [`StartError`]; then the configuration before goes on.
    pub fn reload(&mut self, config: Config) -> Result<Vec<&'static str>, StartError> {
        let before = Arc::clone(&self.generation);
        let prepared = Generation::prepare(config, &self.ground, Some(&before));
        let (mut generation, tls) = prepared.map_err(StartError::Config)?;
        let threads = generation.launch(&self.ground.metrics, Some(&before)).map_err(StartError::System)?;
        let shared = Arc::clone(&generation.shared);
        let mut left = self.sockets.differences(&Sockets::of(&shared.config));
        if tls.is_some() != self.secure {
            left.push("server.certificates");
        }
        // A port does not change from one protocol to the other under clients that know only one of them.
        let tls = self.terms.load().tls().map(|old| tls.map_or_else(|| Arc::clone(old), Arc::new));
        let server = &shared.config.server;
        self.connections.limit(server.limits.connections);
        self.terms.store(Arc::new(public_terms(server, tls)));
        self.inside.store(Arc::new(Terms::new(server.limits.clone(), None)));
        self.plain.store(Arc::new(public_terms(server, None)));
        generation.succeed(&before);
        self.generation = Arc::new(generation);
        self.generations.send_replace(Arc::clone(&self.generation));
        self.threads.retain(|thread| !thread.is_finished());
        self.threads.extend(threads);
        Ok(left)
    }

    /// Counts a reload: done now, or refused.
    pub fn count_reload(&self, done: bool) {
        self.ground.metrics.count_configuration(self.ground.clock.now(), Some(done));
    }

    /// Stops accepting, lets running requests and tunnels end within `drain_timeout`, and returns when all threads did.
    pub fn stop(self) {
        let Self { draining, drain, threads, generation, generations, .. } = self;
        draining.store(true, Ordering::Relaxed);
        drain.send_replace(true);
        drop((generation, generations));
        for thread in threads {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a worker ended early"),
                Err(_) => tracing::error!("a worker panicked"),
            }
        }
    }

    fn serve(&mut self, listener: Listener, access: &AccessSink) -> std::io::Result<()> {
        for (at, sockets) in listener.into_workers().into_iter().enumerate() {
            let post = Post {
                sockets,
                terms: Arc::clone(&self.terms),
                connections: Arc::clone(&self.connections),
                generations: self.generations.subscribe(),
                metrics: Arc::clone(&self.ground.metrics),
                access: access.clone(),
                drain: self.drain.subscribe(),
                is_first: at == 0,
            };
            self.threads.push(spawn_worker(&format!("worker-{at}"), move || post.work())?);
        }
        Ok(())
    }

    /// Starts the listener without TLS, which only sends clients to where there is.
    fn redirect(&mut self, listener: Listener) -> std::io::Result<()> {
        let Some((_, port)) = self.sockets.redirect else { return Ok(()) };
        let (public, plain, drain) =
            (Arc::clone(&self.terms), Arc::clone(&self.plain), self.drain.subscribe());
        let sockets = listener.into_workers().into_iter().flatten().collect();
        let ids = worker::request_ids()?;
        self.threads.push(spawn_worker("redirect", move || async move {
            let connections = Connections::new(REDIRECT_CONNECTIONS);
            serve(sockets, plain, connections, Redirect::new(public, port, ids), drain).await
        })?);
        Ok(())
    }

    fn serve_internal(&mut self, listener: Listener) -> std::io::Result<()> {
        let Some(address) = self.internal else { return Ok(()) };
        let inside = Inside {
            sockets: listener.into_workers().into_iter().flatten().collect(),
            address,
            terms: Arc::clone(&self.inside),
            generations: self.generations.subscribe(),
            metrics: Arc::clone(&self.ground.metrics),
            clients: Arc::clone(&self.connections),
            draining: Arc::clone(&self.draining),
            drain: self.drain.subscribe(),
        };
        self.threads.push(spawn_worker("internal", move || inside.work())?);
        Ok(())
    }
}

/// On what terms the public listener receives clients.
fn public_terms(server: &config::Server, tls: Option<Arc<tls::Server>>) -> Terms {
    let terms = Terms::new(server.limits.clone(), tls);
    if server.proxy_protocol { terms.behind(server.trusted_proxies.clone()) } else { terms }
}

impl Sockets {
    fn of(config: &Config) -> Self {
        let internal = config.internal.as_ref().map(|internal| internal.listen);
        let admin = config.admin.as_ref().map(|admin| admin.listen);
        let server = &config.server;
        let redirect = server.redirect_http.as_ref().map(|redirect| (redirect.listen.clone(), redirect.port));
        Self { listen: server.listen.clone(), workers: server.workers, internal, admin, redirect }
    }

    /// The keys that `other` says otherwise.
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let keys = [
            ("server.listen", self.listen != other.listen),
            ("server.workers", self.workers != other.workers),
            ("internal.listen", self.internal != other.internal),
            ("admin.listen", self.admin != other.admin),
            ("server.redirect_http", self.redirect != other.redirect),
        ];
        keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Config(errors) => write!(f, "the configuration has {} mistakes", errors.len()),
            Self::Bind(error) => error.fmt(f),
            Self::System(_) => f.write_str("the system gave no thread, socket or random bytes"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(_) => None,
            Self::Bind(error) => error.source(),
            Self::System(error) => Some(error),
        }
    }
}

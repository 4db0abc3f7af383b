//! From a configuration to a running gateway, to the next configuration, and to its orderly end.
//!
//! The only place, beside `listen`, where threads and long-lived tasks start: one worker per core with a runtime, listener,
//! store connections and upstream pool of its own, one thread per store that tells us of changes, one that fetches issuers' keys, one for
//! the internal listener, one for operators, one that keeps the key ring, one that orders certificates, one that writes the access log. Nothing
//! waits for a store or an upstream to be up: the gateway serves what it can, says what it cannot, and `/ready` tells when every
//! store has been reached.
//!
//! A reload makes a whole `Generation` beside the old one, which takes over what is known under settings that stay the same, and only
//! when all of it stands is it put in force: for new connections by one atomic load ([`Terms`]), for new requests by each worker's own
//! cell, which costs them nothing. What runs keeps what it began with, and the old generation's connections and threads end with the last
//! that needs them. What a generation does not hold cannot change without a restart: the sockets and the threads that serve them.

mod admin;
mod certificates;
mod check;
mod desk;
mod generation;
mod health;
mod inside;
mod kept_ring;
mod keys;
mod listeners;
mod memory;
mod opened;
mod redirect;
mod rehearsal;
mod reload;
mod state;
mod stores;
mod succession;
mod supervisor;
mod upstreams;
mod worker;

pub use check::{Bound, Checked, CheckedIssuer, CheckedRoute, check};
pub use kept_ring::kept_ring;
pub use rehearsal::{Rehearsal, Stage};
pub use reload::Reload;
pub use succession::{Lineage, SuccessionError};
pub use supervisor::Supervisor;

use crate::clock::Clock;
use crate::config::{self, Config, ConfigError};
use crate::listen::{BindError, Connections, Inherited, Listener, Terms, serve, spawn_worker};
use crate::pipeline::Shared;
use crate::store::MemoryStore;
use crate::telemetry::{AccessSink, Metrics};
use crate::tls::{self, Challenges, Tickets};
use arc_swap::ArcSwap;
use generation::{Generation, Ground};
use inside::Inside;
use listeners::{Listeners, Sockets};
use redirect::Redirect;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use worker::Post;

/// How long workers that take over may take until they are ready: their stores have two seconds to be connected.
const START_MAX: Duration = Duration::from_secs(10);

/// What the internal listener gets at least to finish its answers in, though the drain of the public ones took all its time.
const PARTING_MIN: Duration = Duration::from_secs(1);

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
    /// Sockets that listen already.
    pub inherited: Inherited,
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
    /// Of the listener that sends clients to TLS.
    redirected: Arc<Connections>,
    terms: Arc<ArcSwap<Terms>>,
    inside: Arc<ArcSwap<Terms>>,
    /// Of the listener that sends clients to TLS.
    plain: Arc<ArcSwap<Terms>>,
    generation: Arc<Generation>,
    generations: watch::Sender<Arc<Generation>>,
    /// Whether connections are accepted, or wait in their queues yet.
    opened: watch::Sender<bool>,
    drain: watch::Sender<bool>,
    /// Of the internal listener, which tells how the drain goes.
    inside_drain: watch::Sender<bool>,
    draining: Arc<AtomicBool>,
    /// Draining, or making way for another process.
    ending: Arc<AtomicBool>,
    /// Those of the public listeners: what they have to finish is what a drain is for.
    clients: Vec<Thread>,
    threads: Vec<Thread>,
    /// Every listening socket once more, to be handed over.
    named: Vec<(String, TcpListener)>,
}

/// Starts a gateway. One whose sockets another process handed over is ready when this returns, and accepts nobody before
/// [`Running::open`].
///
/// # Errors
/// [`StartError`]; nothing keeps running then.
pub fn start(config: Config, start: Start) -> Result<Running, StartError> {
    let Start { clock, access, inherited } = start;
    let succeeds = inherited.is_handed_over();
    let tickets = Tickets::new().map_err(StartError::System)?;
    let ground =
        Ground { clock, metrics: Arc::new(Metrics::new()), tickets, challenges: Challenges::default() };
    let (mut generation, tls) = Generation::prepare(config, &ground, None).map_err(StartError::Config)?;
    let shared = Arc::clone(&generation.shared);
    let (server, secure) = (&shared.config.server, tls.is_some());
    let sockets = Sockets::of(&shared.config);
    let mut listeners = Listeners::open(&sockets, inherited).map_err(StartError::Bind)?;
    let threads = generation.launch(&ground, None).map_err(StartError::System)?;
    ground.metrics.count_configuration(ground.clock.now(), None);
    let generation = Arc::new(generation);
    let connections = Connections::new(server.limits.connections);
    connections.pressure().limit(memory::budget(server.limits.memory));
    let mut running = Running {
        addresses: listeners.public.addresses().to_vec(),
        secure,
        redirecting: listeners.redirect.iter().flat_map(|bound| bound.addresses().to_vec()).collect(),
        internal: listeners.internal.as_ref().and_then(|internal| internal.addresses().first().copied()),
        admin: None,
        ground,
        sockets,
        connections,
        redirected: Connections::new(REDIRECT_CONNECTIONS),
        terms: public_terms(server, tls.map(Arc::new)).posted(),
        inside: Terms::new(server.limits.clone(), None).posted(),
        plain: public_terms(server, None).posted(),
        generations: watch::Sender::new(Arc::clone(&generation)),
        generation,
        opened: watch::Sender::new(!succeeds),
        drain: watch::Sender::new(false),
        inside_drain: watch::Sender::new(false),
        draining: Arc::default(),
        ending: Arc::default(),
        clients: Vec::new(),
        threads,
        named: std::mem::take(&mut listeners.named),
    };
    let watch =
        memory::watch(running.connections.pressure(), &running.ground.metrics, running.drain.subscribe());
    running.threads.extend(watch.map_err(StartError::System)?);
    running.serve(listeners.public, &access, succeeds).map_err(StartError::System)?;
    if let Some(internal) = listeners.internal {
        running.serve_internal(internal).map_err(StartError::System)?;
    }
    if let Some(redirect) = listeners.redirect.take() {
        running.redirect(redirect).map_err(StartError::System)?;
    }
    if let Some(admin) = listeners.admin.take() {
        running.serve_operators(admin).map_err(StartError::System)?;
    }
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
        let threads = generation.launch(&self.ground, Some(&before)).map_err(StartError::System)?;
        let shared = Arc::clone(&generation.shared);
        let mut left = self.sockets.differences(&Sockets::of(&shared.config));
        if tls.is_some() != self.secure {
            left.push("server.certificates");
        }
        // A port does not change from one protocol to the other under clients that know only one of them.
        let tls = self.terms.load().tls().map(|old| tls.map_or_else(|| Arc::clone(old), Arc::new));
        let server = &shared.config.server;
        self.connections.limit(server.limits.connections);
        self.connections.pressure().limit(memory::budget(server.limits.memory));
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

    /// Accepts clients, if it does not yet.
    pub fn open(&self) {
        self.opened.send_replace(true);
    }

    /// Every listening socket, by the name of what it is for.
    pub fn sockets(&self) -> &[(String, TcpListener)] {
        &self.named
    }

    /// Stops accepting, lets running requests and tunnels end within `drain_timeout`, and returns when all threads did. The internal listener
    /// goes last: until then it says that this gateway drains.
    pub fn stop(self) {
        self.draining.store(true, Ordering::Relaxed);
        self.end();
    }

    /// The same where another process serves on the same sockets: nobody is to look for another gateway, and who is idle is told before
    /// it is closed.
    pub fn make_way(self) {
        for terms in [&self.terms, &self.inside, &self.plain] {
            let parting = terms.load().with_last_call();
            terms.store(Arc::new(parting));
        }
        // Who asks there is to hear from the other.
        self.inside_drain.send_replace(true);
        self.end();
    }

    fn end(self) {
        self.open();
        self.ending.store(true, Ordering::Relaxed);
        let began = Instant::now();
        let Self { drain, inside_drain, inside, clients, threads, generation, generations, named, .. } = self;
        drop((named, generation, generations));
        drain.send_replace(true);
        join(clients);
        let terms = inside.load();
        let left = terms.drain_timeout().saturating_sub(began.elapsed()).max(PARTING_MIN);
        inside.store(Arc::new(terms.with_drain_timeout(left)));
        inside_drain.send_replace(true);
        join(threads);
    }

    /// Starts the workers. Where sockets were handed over, this returns when all are ready: another process serves until then.
    fn serve(&mut self, listener: Listener, access: &AccessSink, succeeds: bool) -> std::io::Result<()> {
        let (ready, told) = sync_channel(self.sockets.workers);
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
                ready: succeeds.then(|| ready.clone()),
                opened: self.opened.subscribe(),
            };
            self.clients.push(spawn_worker(&format!("worker-{at}"), move || post.work())?);
        }
        drop(ready);
        if succeeds && (0..self.sockets.workers).any(|_| told.recv_timeout(START_MAX).is_err()) {
            return Err(std::io::Error::other("a worker did not come up"));
        }
        Ok(())
    }

    /// Starts the listener without TLS, which only sends clients to where there is.
    fn redirect(&mut self, listener: Listener) -> std::io::Result<()> {
        let Some((_, port)) = self.sockets.redirect else { return Ok(()) };
        let (public, plain, drain) =
            (Arc::clone(&self.terms), Arc::clone(&self.plain), self.drain.subscribe());
        let sockets = listener.into_workers().into_iter().flatten().collect();
        let (ids, ground) = (worker::request_ids()?, &self.ground);
        let told = (Arc::clone(&ground.metrics), ground.challenges.clone());
        let (connections, opened) = (Arc::clone(&self.redirected), self.opened.subscribe());
        self.clients.push(spawn_worker("redirect", move || async move {
            accepting(opened).await;
            serve(sockets, plain, connections, Redirect::new((public, port), ids, told), drain).await
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
            clients: [Arc::clone(&self.connections), Arc::clone(&self.redirected)],
            opened: self.opened.subscribe(),
            draining: Arc::clone(&self.draining),
            ending: Arc::clone(&self.ending),
            drain: self.inside_drain.subscribe(),
        };
        self.threads.push(spawn_worker("internal", move || inside.work())?);
        Ok(())
    }
}

/// Waits for threads to end.
fn join(threads: Vec<Thread>) {
    for thread in threads {
        match thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "a worker ended early"),
            Err(_) => tracing::error!("a worker panicked"),
        }
    }
}

/// Waits until connections may be accepted.
async fn accepting(mut opened: watch::Receiver<bool>) {
    // It fails only when the gateway has ended before it began.
    let _ = opened.wait_for(|opened| *opened).await;
}

/// On what terms the public listener receives clients.
fn public_terms(server: &config::Server, tls: Option<Arc<tls::Server>>) -> Terms {
    let terms = Terms::new(server.limits.clone(), tls);
    if server.proxy_protocol { terms.behind(server.trusted_proxies.clone()) } else { terms }
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

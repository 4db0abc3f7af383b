//! From a configuration to a running gateway, and to its orderly end.
//!
//! The only place, beside `listen`, where threads and long-lived tasks start: one worker per core with a runtime, listener,
//! store connections and upstream pool of its own, one thread per store that tells us of changes, one that fetches issuers' keys, one for
//! the internal listener, one for operators, one that keeps the key ring, one that writes the access log. Nothing
//! waits for a store or an upstream to be up: the gateway serves what it can, says what it cannot, and `/ready` tells when every
//! store has been reached.

mod admin;
mod check;
mod desk;
mod health;
mod keys;
mod prepared;
mod redirect;
mod rehearsal;
mod state;
mod stores;
mod upstreams;

pub use check::{Bound, Checked, CheckedIssuer, CheckedRoute, check};
pub use rehearsal::{Rehearsal, Stage};

use crate::clock::Clock;
use crate::config::{self, Config, ConfigError, Limits, StoreId};
use crate::internal::{Events, Feed, Internal, Readiness};
use crate::listen::{BindError, Connections, Handler, Listener, Terms, serve, spawn_worker};
use crate::pipeline::{Gateway, Shared};
use crate::request::{Conn, ParseError, RequestIds};
use crate::store::{Cluster, MemoryStore, RedisOptions, Sentinels, Tracked};
use crate::telemetry::{AccessLog, AccessSink, Metrics};
use crate::tls;
use crate::token::Published;
use arc_swap::ArcSwap;
use bytes::Bytes;
use desk::DeskPlan;
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use redirect::Redirect;
use state::StateWatch;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use stores::{StorePlan, leased_stores, open_stores, plan_stores, record_kinds, surveyor};
use tokio::sync::watch;

/// How often a worker hands its access lines over when they do not fill a buffer.
const LOG_FLUSH: Duration = Duration::from_millis(200);
/// Connections that the internal listener holds at once: services and scrapers, not browsers.
const INTERNAL_CONNECTIONS: usize = 1024;

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
    shared: Arc<Shared>,
    memory: Vec<Option<MemoryStore>>,
    drain: watch::Sender<bool>,
    draining: Arc<AtomicBool>,
    threads: Vec<JoinHandle<std::io::Result<()>>>,
}

/// Starts a gateway.
///
/// # Errors
/// [`StartError`]; nothing keeps running then.
pub fn start(config: Config, start: Start) -> Result<Running, StartError> {
    let metrics = Arc::new(Metrics::new());
    let mut plans = plan_stores(&config, &start.clock).map_err(StartError::Config)?;
    let leased = leased_stores(&config);
    let (shared, tls) = prepared::prepare(config, start.clock, &metrics)?;
    let (server, secure) = (&shared.config.server, tls.is_some());
    let listener = Listener::bind(&server.listen, server.workers).map_err(StartError::Bind)?;
    let (internal, redirecting) = bind_others(&shared.config).map_err(StartError::Bind)?;
    let (drain, draining_seen) = watch::channel(false);
    let mut running = Running {
        addresses: listener.addresses().to_vec(),
        secure,
        redirecting: redirecting.iter().flat_map(|bound| bound.addresses().to_vec()).collect(),
        internal: internal.as_ref().and_then(|internal| internal.addresses().first().copied()),
        admin: None,
        memory: plans.iter().map(StorePlan::memory).collect(),
        shared: Arc::clone(&shared),
        drain,
        draining: Arc::default(),
        threads: Vec::new(),
    };
    running.track(&mut plans, &leased, &metrics).map_err(StartError::System)?;
    running.find_primaries(&mut plans, &leased, &metrics).map_err(StartError::System)?;
    running.ask_others(&draining_seen).map_err(StartError::System)?;
    running.keep_keys(&plans, &metrics, &draining_seen)?;
    let connections = Connections::new(server.limits.connections);
    let state_watch = StateWatch::new(&shared.config);
    let terms = public_terms(server, server.limits.clone(), tls).posted();
    if let Some(internal) = internal {
        let seen = (Arc::clone(&metrics), Arc::clone(&connections));
        let watched = (plans.as_slice(), state_watch.clone());
        running.serve_internal(internal, watched, seen, &draining_seen).map_err(StartError::System)?;
    }
    running.redirect(redirecting, &terms, &draining_seen).map_err(StartError::System)?;
    for (at, sockets) in listener.into_workers().into_iter().enumerate() {
        let (shared, plans, access) = (Arc::clone(&shared), plans.clone(), start.access.clone());
        let (connections, drain) = (Arc::clone(&connections), draining_seen.clone());
        let (metrics, ids) = (Arc::clone(&metrics), request_ids().map_err(StartError::System)?);
        let (terms, state_watch) = (Arc::clone(&terms), state_watch.clone());
        let worker = spawn_worker(&format!("worker-{at}"), move || async move {
            let stores = open_stores(&shared.config, &plans, &metrics);
            let state = state::open(&shared.config, &plans, &metrics);
            let gateway = Gateway::new(shared, stores, ids(), AccessLog::new(access), state.clone())
                .map_err(|_| std::io::Error::other("the configuration built once and not again"))?;
            let flusher = tokio::task::spawn_local(flush_log(gateway.clone()));
            let watched = gateway.clone();
            if at == 0 {
                if let Some((watch, state)) = state_watch.zip(state.clone()) {
                    tokio::task::spawn_local(watch.look(state));
                }
                if gateway.shared().migration().moves() {
                    let (shared, state) = (Arc::clone(gateway.shared()), state.clone());
                    tokio::task::spawn_local(async move { shared.tend_rollouts(state.as_ref()).await });
                }
                let following = gateway.clone();
                tokio::task::spawn_local(async move { following.follow_endings().await });
                let trying = gateway.clone();
                tokio::task::spawn_local(async move { trying.try_touches().await });
            }
            let watcher = tokio::task::spawn_local(async move { watched.watch_streams().await });
            let served = serve(sockets, terms, connections, gateway.clone(), drain).await;
            flusher.abort();
            watcher.abort();
            gateway.log().flush();
            served
        });
        running.threads.push(worker.map_err(StartError::System)?);
    }
    Ok(running)
}

impl Running {
    /// The store named `name`, if it is one inside the process.
    pub fn memory_store(&self, name: &str) -> Option<MemoryStore> {
        let at = self.shared.config.stores.iter().position(|store| store.name == name)?;
        self.memory.get(at)?.clone()
    }

    /// What it serves.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Stops accepting, lets running requests and tunnels end within `drain_timeout`, and returns when all threads did.
    pub fn stop(self) {
        self.draining.store(true, Ordering::Relaxed);
        self.drain.send_replace(true);
        for thread in self.threads {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a worker ended early"),
                Err(_) => tracing::error!("a worker panicked"),
            }
        }
    }

    /// Starts the tracked connections of the stores that some route reads under a lease, each on a thread of its own.
    fn track(
        &mut self,
        plans: &mut [StorePlan],
        leased: &[StoreId],
        metrics: &Metrics,
    ) -> std::io::Result<()> {
        for (at, plan) in plans.iter_mut().enumerate().filter(|(at, _)| leased.contains(&StoreId(*at))) {
            let (StorePlan::Redis(options, watch, tracked), Some(store)) =
                (plan, self.shared.config.stores.get(at))
            else {
                continue;
            };
            let options = RedisOptions::clone(options);
            let (handle, link) = Tracked::new(options, store.revocation_bound, metrics.store(&store.name));
            let kinds = record_kinds(&self.shared, StoreId(at));
            let follower = self.shared.cache().follower(StoreId(at), kinds, Arc::clone(link.lease()));
            let watch = Arc::clone(watch);
            self.threads.push(spawn_worker(&format!("store-{}", store.name), move || async move {
                link.run(follower, move |event| watch.note(&event)).await;
                Ok(())
            })?);
            *tracked = Some(Arc::new(handle));
        }
        Ok(())
    }

    /// Starts a thread for each store whose primaries are found by sentinels or are those of a Cluster; the connections to these are
    /// tracked there too.
    fn find_primaries(
        &mut self,
        plans: &mut [StorePlan],
        leased: &[StoreId],
        metrics: &Arc<Metrics>,
    ) -> std::io::Result<()> {
        for (at, plan) in plans.iter_mut().enumerate() {
            let id = StoreId(at);
            self.threads.extend(match plan {
                StorePlan::Memory(_) => None,
                StorePlan::Redis(options, watch, _) => match options.sentinels().map(Arc::downgrade) {
                    None => None,
                    Some(sentinels) => {
                        let watch = Arc::clone(watch);
                        Some(spawn_worker(&format!("sentinels-{}", watch.name()), move || async move {
                            Sentinels::watch(sentinels, |event| watch.note(&event)).await;
                            Ok(())
                        })?)
                    }
                },
                StorePlan::Cluster(options, watch, cluster) => match Cluster::new(options) {
                    None => None,
                    Some((handle, survey)) => {
                        *cluster = Some(handle);
                        let shared = leased.contains(&id).then(|| Arc::clone(&self.shared));
                        let (watch, metrics) = (Arc::clone(watch), Arc::clone(metrics));
                        Some(spawn_worker(&format!("store-{}", watch.name()), move || async move {
                            survey.run(surveyor(shared, id, watch, metrics)).await;
                            Ok(())
                        })?)
                    }
                },
            });
        }
        Ok(())
    }

    /// Starts the threads that ask issuers for their keys and endpoints whether they work, if any are asked.
    fn ask_others(&mut self, drain: &watch::Receiver<bool>) -> std::io::Result<()> {
        self.threads.extend(upstreams::check(&self.shared, drain)?);
        if self.shared.issuers().fetch() {
            let (shared, mut drain) = (Arc::clone(&self.shared), drain.clone());
            self.threads.push(spawn_worker("issuers", move || async move {
                tokio::select! {
                    () = shared.issuers().watch() => {}
                    // An error: the sender is gone, and so is the gateway.
                    _ = drain.wait_for(|draining| *draining) => {}
                }
                Ok(())
            })?);
        }
        Ok(())
    }

    /// Starts the listener without TLS, which only sends clients to where there is.
    fn redirect(
        &mut self,
        listener: Option<Listener>,
        public: &Arc<ArcSwap<Terms>>,
        drain: &watch::Receiver<bool>,
    ) -> std::io::Result<()> {
        let server = &self.shared.config.server;
        let (Some(listener), Some(redirect)) = (listener, &server.redirect_http) else { return Ok(()) };
        let limits = Limits { connections: REDIRECT_CONNECTIONS, ..server.limits.clone() };
        let terms = public_terms(server, limits, None).posted();
        let (public, port, ids, drain) = (Arc::clone(public), redirect.port, request_ids()?, drain.clone());
        let sockets = listener.into_workers().into_iter().flatten().collect();
        self.threads.push(spawn_worker("redirect", move || async move {
            let connections = Connections::new(REDIRECT_CONNECTIONS);
            serve(sockets, terms, connections, Redirect::new(public, port, ids()), drain).await
        })?);
        Ok(())
    }

    fn serve_internal(
        &mut self,
        listener: Listener,
        (plans, state): (&[StorePlan], Option<Arc<StateWatch>>),
        (metrics, clients): (Arc<Metrics>, Arc<Connections>),
        drain: &watch::Receiver<bool>,
    ) -> std::io::Result<()> {
        let Some(address) = self.internal else { return Ok(()) };
        let tokens = &self.shared.config.tokens;
        let jwks_uri = tokens.jwks_uri.clone().unwrap_or_else(|| Published::jwks_uri(address));
        let published = Published::new(Arc::clone(self.shared.ring()), &tokens.issuer, &jwks_uri);
        let watches: Vec<_> = plans.iter().filter_map(StorePlan::watch).collect();
        let desk = DeskPlan::new(&self.shared, plans, &metrics);
        let draining = Arc::clone(&self.draining);
        let asked = Arc::clone(&self.shared);
        let readiness = move || {
            let mut waiting_for = health::waiting_for(&watches, draining.load(Ordering::Relaxed));
            waiting_for.extend(state.iter().filter_map(|state| state.waits()));
            waiting_for
                .extend((!asked.ring().is_ready()).then(|| "the key ring was not read yet".to_owned()));
            let stores = watches.iter().map(|watch| watch.health());
            Readiness {
                waiting_for,
                stores: stores.chain(state.iter().map(|state| state.health())).collect(),
                upstreams: asked.standings().health(),
            }
        };
        let shared = Arc::clone(&self.shared);
        let page = move || {
            metrics.set_connections(clients.open());
            clients.turned_away().for_each(|(cause, count)| metrics.set_turned_away(cause.word(), count));
            metrics.set_sessions_held(shared.sessions_held());
            for (profile, made) in shared.minter().signatures() {
                metrics.set_signatures(profile, made);
            }
            shared.standings().show();
            shared.show_rollouts();
            metrics.page()
        };
        let feed = self.shared.endings().map(|endings| Feed {
            endings: Arc::clone(endings),
            longest: self.shared.minter().templates().longest(),
            clock: self.shared.clock().clone(),
            draining: Arc::clone(&self.draining),
        });
        let shared = Arc::clone(&self.shared);
        let internal = Internal::new(published, Box::new(readiness), Box::new(page)).with_feed(feed);
        let limits = Limits { connections: INTERNAL_CONNECTIONS, ..self.shared.config.server.limits.clone() };
        let drain = drain.clone();
        let sockets = listener.into_workers().into_iter().flatten().collect();
        self.threads.push(spawn_worker("internal", move || async move {
            let connections = Connections::new(INTERNAL_CONNECTIONS);
            let desk = desk.map(DeskPlan::open).transpose()?;
            serve(
                sockets,
                Terms::new(limits, None).posted(),
                connections,
                InternalHandler(Rc::new(internal), desk, shared),
                drain,
            )
            .await
        })?);
        Ok(())
    }
}

/// The sockets of the internal listener and of the one without TLS, as far as there are to be any.
fn bind_others(config: &Config) -> Result<(Option<Listener>, Option<Listener>), BindError> {
    let internal = config.internal.as_ref().map(|internal| Listener::bind(&[internal.listen], 1));
    let redirect = config.server.redirect_http.as_ref().map(|redirect| Listener::bind(&redirect.listen, 1));
    Ok((internal.transpose()?, redirect.transpose()?))
}

/// On what terms the public listener receives clients.
fn public_terms(server: &config::Server, limits: Limits, tls: Option<tls::Server>) -> Terms {
    let terms = Terms::new(limits, tls);
    if server.proxy_protocol { terms.behind(server.trusted_proxies.clone()) } else { terms }
}

/// The internal listener's answers.
#[derive(Clone)]
struct InternalHandler(Rc<Internal>, Option<Gateway>, Arc<Shared>);

impl Handler for InternalHandler {
    type Body = Either<Full<Bytes>, Events>;

    async fn handle(
        &self,
        conn: Conn,
        request: Result<Request<Incoming>, ParseError>,
    ) -> Response<Self::Body> {
        let Ok(request) = request else {
            let mut refused = Response::new(Full::from("malformed request\n"));
            *refused.status_mut() = StatusCode::BAD_REQUEST;
            return refused.map(Either::Left);
        };
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        self.0.note(target, request.headers(), conn.peer.ip(), self.2.now());
        if let Some(events) = self.0.events(request.method(), request.uri().path(), request.headers()) {
            return events.map(Either::Right);
        }
        if let Some(desk) = &self.1
            && let Some(counter) = desk.counter(request.uri().path())
        {
            return Box::pin(desk.serve(counter, request, conn.peer.ip())).await.map(Either::Left);
        }
        self.0.answer(request.method(), target, request.headers()).map(Either::Left)
    }
}

async fn flush_log(gateway: Gateway) {
    loop {
        tokio::time::sleep(LOG_FLUSH).await;
        gateway.log().flush();
    }
}

/// Random starts for a worker's request ids.
fn request_ids() -> std::io::Result<impl FnOnce() -> RequestIds + Send> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| std::io::Error::other("no random bytes"))?;
    let value = u128::from_ne_bytes(bytes);
    Ok(move || RequestIds::new((value >> 64) as u64, value as u64))
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

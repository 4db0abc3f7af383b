//! The internal listener, which speaks for the configuration in force.

use crate::app::desk::Desk;
use crate::app::generation::Generation;
use crate::app::{accepting, health};
use crate::clock::Clock;
use crate::internal::{Events, Feed, Internal, Readiness};
use crate::listen::{Connections, Handler, Terms, serve};
use crate::request::{Conn, ParseError};
use crate::telemetry::Metrics;
use crate::token::Published;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;
use tokio::task::spawn_local;

/// Connections that it holds at once: services and scrapers, not browsers.
const INTERNAL_CONNECTIONS: usize = 1024;

/// What the internal listener is given.
pub(super) struct Inside {
    pub(super) sockets: Vec<TcpListener>,
    pub(super) address: SocketAddr,
    pub(super) terms: Arc<ArcSwap<Terms>>,
    pub(super) generations: watch::Receiver<Arc<Generation>>,
    pub(super) metrics: Arc<Metrics>,
    /// Who is counted: of every listener for clients.
    pub(super) clients: [Arc<Connections>; 2],
    pub(super) opened: watch::Receiver<bool>,
    pub(super) draining: Arc<AtomicBool>,
    pub(super) ending: Arc<AtomicBool>,
    pub(super) drain: watch::Receiver<bool>,
}

impl Inside {
    /// Answers services until the drain of those that clients ask is over.
    pub(super) async fn work(mut self) -> std::io::Result<()> {
        let first = Arc::clone(&self.generations.borrow_and_update());
        let current = Current(Rc::new(RefCell::new(Rc::new(self.speaking_for(&first, None)?))));
        drop(first);
        let sockets = std::mem::take(&mut self.sockets);
        let (terms, drain, opened) = (Arc::clone(&self.terms), self.drain.clone(), self.opened.clone());
        let follower = spawn_local(self.follow(current.clone()));
        accepting(opened).await;
        let served = serve(sockets, terms, Connections::new(INTERNAL_CONNECTIONS), current, drain).await;
        follower.abort();
        served
    }

    async fn follow(mut self, current: Current) {
        while self.generations.changed().await.is_ok() {
            let next = Arc::clone(&self.generations.borrow_and_update());
            let before = Rc::clone(&current.0.borrow());
            match self.speaking_for(&next, before.desk.as_ref()) {
                Ok(speaking) => drop(current.0.replace(Rc::new(speaking))),
                Err(error) => tracing::error!(%error, "services are answered by the configuration before"),
            }
        }
    }

    fn speaking_for(&self, generation: &Generation, before: Option<&Desk>) -> std::io::Result<Speaking> {
        let shared = Arc::clone(&generation.shared);
        let tokens = &shared.config.tokens;
        let jwks_uri = tokens.jwks_uri.clone().unwrap_or_else(|| Published::jwks_uri(self.address));
        let published = Published::new(Arc::clone(shared.ring()), &tokens.issuer, &jwks_uri);
        let published = if shared.config.clients.is_empty() { published } else { published.with_desk() };
        let (watches, draining) = (generation.watches(), Arc::clone(&self.draining));
        let (state, asked) = (generation.state.clone(), Arc::clone(&shared));
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
        let feed = shared.endings().map(|endings| Feed {
            endings: Arc::clone(endings),
            longest: shared.minter().templates().longest(),
            clock: shared.clock().clone(),
            draining: Arc::clone(&self.ending),
        });
        let (metrics, clients) = (Arc::clone(&self.metrics), self.clients.clone());
        let page = move || {
            metrics.set_connections(clients.iter().map(|clients| clients.open()).sum());
            let [public, redirected] = &clients;
            for ((cause, count), (_, more)) in public.turned_away().zip(redirected.turned_away()) {
                metrics.set_turned_away(cause.word(), count + more);
            }
            metrics.set_sessions_held(shared.sessions_held());
            for (profile, made) in shared.minter().signatures() {
                metrics.set_signatures(profile, made);
            }
            shared.standings().show();
            shared.show_rollouts();
            metrics.page()
        };
        let internal = Internal::new(published, Box::new(readiness), Box::new(page)).with_feed(feed);
        let desk = Desk::open(generation, &self.metrics, before)?;
        let clock = generation.shared.clock().clone();
        Ok(Speaking { internal, desk, clock })
    }
}

/// What answers under one configuration.
struct Speaking {
    internal: Internal,
    desk: Option<Desk>,
    clock: Clock,
}

/// Its answers.
#[derive(Clone)]
struct Current(Rc<RefCell<Rc<Speaking>>>);

impl Handler for Current {
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
        let speaking = Rc::clone(&self.0.borrow());
        let internal = &speaking.internal;
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        internal.note(target, request.headers(), conn.peer.ip(), speaking.clock.now());
        if let Some(events) = internal.events(request.method(), request.uri().path(), request.headers()) {
            return events.map(Either::Right);
        }
        if let Some(desk) = speaking.desk.as_ref().map(|desk| &desk.gateway)
            && let Some(counter) = desk.counter(request.uri().path())
        {
            return Box::pin(desk.serve(counter, request, conn.peer.ip())).await.map(Either::Left);
        }
        internal.answer(request.method(), target, request.headers()).map(Either::Left)
    }
}

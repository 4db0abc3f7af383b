//! One worker: its gateway, and how it goes over to the next configuration.

use crate::app::accepting;
use crate::app::generation::Generation;
use crate::app::opened::{Opened, OpenedState, Settled, open_state, open_stores};
use crate::listen::{Connections, Excess, Handler, Terms, serve};
use crate::pipeline::Gateway;
use crate::request::{Conn, ParseError, RequestIds};
use crate::respond::ResponseBody;
use crate::telemetry::{AccessLog, AccessSink, Metrics};
use arc_swap::ArcSwap;
use http::{Request, Response};
use hyper::body::Incoming;
use std::cell::RefCell;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local};

/// How often a worker hands its access lines over when they do not fill a buffer.
const LOG_FLUSH: Duration = Duration::from_millis(200);
/// How long new connections to stores may take before requests come upon them; then they come anyway, and wait themselves.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long before the end of a drain tunnels are ended.
const PARTING: Duration = Duration::from_millis(1500);
/// How often a gateway that was replaced is looked at, whether anybody needs it still.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What a worker is given.
pub(super) struct Post {
    pub(super) sockets: Vec<TcpListener>,
    pub(super) terms: Arc<ArcSwap<Terms>>,
    pub(super) connections: Arc<Connections>,
    pub(super) generations: watch::Receiver<Arc<Generation>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) access: AccessSink,
    pub(super) drain: watch::Receiver<bool>,
    /// Whether it is the one that tries, for all of them, to keep sessions alive, and looks at the place for state.
    pub(super) is_first: bool,
    /// Told when it is ready; its stores have been connected by then, if they could be.
    pub(super) ready: Option<SyncSender<()>>,
    pub(super) opened: watch::Receiver<bool>,
}

impl Post {
    /// Serves until the drain, under one configuration after the other.
    pub(super) async fn work(self) -> std::io::Result<()> {
        let mut generations = self.generations;
        let crew = Rc::new(Crew {
            log: Rc::new(AccessLog::new(self.access)),
            ids: Rc::new(request_ids()?),
            metrics: self.metrics,
            is_first: self.is_first,
        });
        let first = Arc::clone(&generations.borrow_and_update());
        let settled = Rc::default();
        let current = Current(Rc::new(RefCell::new(crew.enlist(&first, &settled, None)?)));
        drop(first);
        if let Some(ready) = self.ready {
            // Late is no error: a store may be down.
            let _ = tokio::time::timeout(WARM_UP, settled.wait()).await;
            let _ = tokio::time::timeout(WARM_UP, keys_are_there(&current)).await;
            let _ = ready.send(());
        }
        let tasks = [
            spawn_local(flush(Rc::clone(&crew.log))),
            spawn_local(follow(generations, current.clone(), Rc::clone(&crew))),
            spawn_local(end_tunnels(self.drain.clone(), Arc::clone(&self.terms), current.clone())),
        ];
        accepting(self.opened).await;
        let served = serve(self.sockets, self.terms, self.connections, current, self.drain).await;
        tasks.iter().for_each(JoinHandle::abort);
        crew.log.flush();
        served
    }
}

/// What a worker keeps from one configuration to the next.
struct Crew {
    log: Rc<AccessLog>,
    ids: Rc<RequestIds>,
    metrics: Arc<Metrics>,
    is_first: bool,
}

/// A gateway with what it works over, and the tasks that look after its streams and its place for state.
struct Enlisted {
    gateway: Gateway,
    stores: Vec<Rc<Opened>>,
    place: Option<Rc<OpenedState>>,
    /// Each holds a clone of the gateway.
    tasks: Vec<JoinHandle<()>>,
    /// Those that do what one worker does for all.
    tending: Vec<JoinHandle<()>>,
}

impl Crew {
    /// A gateway for a configuration, which goes on with what the one `before` has open.
    fn enlist(
        &self,
        generation: &Generation,
        settled: &Rc<Settled>,
        before: Option<&Enlisted>,
    ) -> std::io::Result<Enlisted> {
        let (shared, plans) = (Arc::clone(&generation.shared), &generation.plans);
        let kept = before.map_or(&[][..], |before| &before.stores);
        let opened = open_stores(&shared.config, plans, &self.metrics, settled, kept);
        let kept = before.and_then(|before| before.place.as_ref());
        let place = open_state(&shared.config, plans, &self.metrics, kept);
        let stores = opened.iter().map(|opened| opened.store.clone()).collect();
        let state = place.as_ref().map(|place| place.state.clone());
        let own = (Rc::clone(&self.ids), Rc::clone(&self.log));
        let before = before.map(|before| &before.gateway);
        let gateway = Gateway::new(shared, stores, own, state.clone(), before)
            .map_err(|_| std::io::Error::other("the configuration built once and not again"))?;
        let watched = gateway.clone();
        let mut tasks = vec![spawn_local(async move { watched.watch_streams().await })];
        let mut tending = Vec::new();
        if self.is_first {
            let following = gateway.clone();
            tending.push(spawn_local(async move { following.follow_endings().await }));
            let trying = gateway.clone();
            tasks.push(spawn_local(async move { trying.try_touches().await }));
            let watch = generation.state.clone();
            let looking = watch.zip(state.clone()).map(|(watch, state)| spawn_local(watch.look(state)));
            tending.extend(looking);
            let shared = Arc::clone(gateway.shared());
            if shared.migration().moves() {
                tending.push(spawn_local(async move { shared.tend_rollouts(state.as_ref()).await }));
            }
        }
        Ok(Enlisted { gateway, stores: opened, place, tasks, tending })
    }
}

impl Enlisted {
    /// Whether no request, answer or stream needs it any more.
    fn is_idle(&self) -> bool {
        self.gateway.is_idle(self.tasks.iter().filter(|task| !task.is_finished()).count())
    }
}

impl Drop for Enlisted {
    fn drop(&mut self) {
        self.tasks.iter().chain(&self.tending).for_each(JoinHandle::abort);
    }
}

/// The gateway of the configuration in force. A request takes it when it begins and keeps it to its end; what that costs is a count of
/// this thread's own.
#[derive(Clone)]
struct Current(Rc<RefCell<Enlisted>>);

impl Handler for Current {
    type Body = ResponseBody;

    const REFUSES: bool = true;

    async fn handle(
        &self,
        conn: Conn,
        request: Result<Request<Incoming>, ParseError>,
    ) -> Response<ResponseBody> {
        let gateway = self.0.borrow().gateway.clone();
        gateway.handle(conn, request).await
    }

    fn panicked(&self) -> Option<Response<ResponseBody>> {
        self.0.borrow().gateway.panicked()
    }

    fn overloaded(&self, excess: &Excess<'_>) -> Option<Response<ResponseBody>> {
        self.0.borrow().gateway.overloaded(excess)
    }
}

/// Goes over to each new configuration, once its stores were heard from.
async fn follow(mut generations: watch::Receiver<Arc<Generation>>, current: Current, crew: Rc<Crew>) {
    while generations.changed().await.is_ok() {
        let next = Arc::clone(&generations.borrow_and_update());
        let settled = Rc::default();
        let enlisted = crew.enlist(&next, &settled, Some(&current.0.borrow()));
        match enlisted {
            Ok(enlisted) => {
                drop(next);
                // Late is no error: a store may be down, and requests wait for it as they always do.
                let _ = tokio::time::timeout(WARM_UP, settled.wait()).await;
                spawn_local(wind_down(current.0.replace(enlisted)));
            }
            Err(error) => tracing::error!(%error, "a worker stays with the configuration before"),
        }
    }
}

/// Keeps a gateway that was replaced until its last request and its last stream have ended.
async fn wind_down(mut replaced: Enlisted) {
    // The next does this from now on.
    replaced.tending.drain(..).for_each(|task| task.abort());
    while !replaced.is_idle() {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Waits for a key ring that is read from elsewhere.
async fn keys_are_there(current: &Current) {
    let shared = Arc::clone(current.0.borrow().gateway.shared());
    while !shared.ring().is_ready() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Says goodbye to tunnels that a drain has left, shortly before it is over and they are cut.
async fn end_tunnels(mut drain: watch::Receiver<bool>, terms: Arc<ArcSwap<Terms>>, current: Current) {
    let _ = drain.wait_for(|draining| *draining).await;
    let whole = terms.load().drain_timeout();
    tokio::time::sleep(whole.saturating_sub(PARTING.min(whole / 2))).await;
    let tunnels = current.0.borrow().gateway.shared().tunnels().clone();
    tunnels.close();
}

async fn flush(log: Rc<AccessLog>) {
    loop {
        tokio::time::sleep(LOG_FLUSH).await;
        log.flush();
    }
}

/// A random start for a worker's request ids.
pub(super) fn request_ids() -> std::io::Result<RequestIds> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| std::io::Error::other("no random bytes"))?;
    let value = u128::from_ne_bytes(bytes);
    Ok(RequestIds::new((value >> 64) as u64, value as u64))
}

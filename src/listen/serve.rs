//! One worker: accept, attend, drain.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_local};

use crate::listen::answer::{Answer, Asker};
use crate::listen::connections::{Connections, Permit};
use crate::listen::guard::{Guard, House};
use crate::listen::handler::{Excess, Handler};
use crate::listen::http2;
use crate::listen::ledger::{Exchange, Ledger};
use crate::listen::opening::{Opening, Protocol, open};
use crate::listen::reception;
use crate::listen::roster::{Entry, Roster};
use crate::listen::stream::{Severed, Stream};
use crate::listen::terms::Terms;
use crate::request::{Conn, ParseError};

/// Pauses after a failed accept (no descriptor left, most often): doubled from the first to the last.
const ACCEPT_PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

/// Serves one worker's sockets until `drain` becomes true or its sender is gone, and then until every connection and
/// tunnel of this worker has ended, but no longer than `drain_timeout`. Must run on the worker's own local runtime
/// ([`crate::listen::spawn_worker`]).
///
/// # Errors
/// Only before the first accept: a socket that the runtime cannot register. A failing accept is waited out.
pub async fn serve<H: Handler>(
    sockets: Vec<TcpListener>,
    terms: Arc<ArcSwap<Terms>>,
    connections: Arc<Connections>,
    handler: H,
    mut drain: watch::Receiver<bool>,
) -> io::Result<()> {
    let listeners: Vec<_> =
        sockets.into_iter().map(tokio::net::TcpListener::from_std).collect::<io::Result<_>>()?;
    let (alive, mut gone) = mpsc::channel(1);
    let roster = Rc::new(Roster::new(connections.pressure().clone()));
    let pressed = Rc::clone(&roster);
    let pressed = spawn_local(async move { pressed.follow_pressure().await });
    let (strained, agreed) = (Rc::clone(&roster), Arc::clone(&terms));
    let strained = H::REFUSES
        .then(|| spawn_local(async move { strained.strain().follow(|| agreed.load().limits.delay).await }));
    let port = Port { terms: Arc::clone(&terms), connections, handler, roster: Rc::clone(&roster), alive };
    let port = Rc::new(port);
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|listener| spawn_local(accept_all(listener, Rc::clone(&port), drain.clone())))
        .collect();
    drop(port);
    let _ = drain.wait_for(|draining| *draining).await;
    roster.call_last();
    for task in accepting {
        if task.await.is_err() {
            tracing::error!("an accept loop panicked");
        }
    }
    // Nothing is ever sent: the channel closes with the last connection, which is the news.
    let terms = terms.load_full();
    if !terms.last_call.is_zero() && tokio::time::timeout(terms.last_call, gone.recv()).await.is_ok() {
        return Ok(());
    }
    roster.drain();
    let left = terms.limits.drain_timeout.saturating_sub(terms.last_call);
    if tokio::time::timeout(left, gone.recv()).await.is_err() {
        tracing::warn!("connections were cut after `drain_timeout`");
    }
    pressed.abort();
    strained.iter().for_each(JoinHandle::abort);
    Ok(())
}

/// What every connection of a worker needs.
struct Port<H> {
    terms: Arc<ArcSwap<Terms>>,
    connections: Arc<Connections>,
    handler: H,
    roster: Rc<Roster>,
    alive: mpsc::Sender<Infallible>,
}

/// What lives as long as a client's stream, tunnel or not.
type Tenant = (Permit, mpsc::Sender<Infallible>);

async fn accept_all<H: Handler>(
    listener: tokio::net::TcpListener,
    port: Rc<Port<H>>,
    mut drain: watch::Receiver<bool>,
) {
    let (shortest, longest) = ACCEPT_PAUSES;
    let mut pause = shortest;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = drain.wait_for(|draining| *draining) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = shortest;
                welcome(stream, peer, &port);
            }
            Err(error) => {
                if pause == shortest {
                    tracing::warn!(%error, "a connection could not be accepted");
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        }
    }
    empty_backlog(listener, &port);
}

/// The kernel has already greeted whoever waits here: closing the socket would reset them.
fn empty_backlog<H: Handler>(listener: tokio::net::TcpListener, port: &Rc<Port<H>>) {
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((stream, peer)) = listener.accept() {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            welcome(stream, peer, port);
        }
    }
}

/// Takes a connection in, or closes it at once where the cap is reached: a queue would only hide the overload.
fn welcome<H: Handler>(stream: TcpStream, peer: SocketAddr, port: &Rc<Port<H>>) {
    let Some(permit) = port.connections.admit() else { return };
    let Ok(local) = stream.local_addr() else { return };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "nodelay could not be set");
    }
    let tenant = (permit, port.alive.clone());
    // The one look at what a reload may replace.
    let terms = port.terms.load_full();
    let conn = Conn::new(peer, local, terms.tls.is_some());
    let port = Rc::clone(port);
    if terms.is_formal() {
        spawn_local(async move {
            let received = Box::pin(reception::receive(stream, conn, &terms, &port.connections)).await;
            if let Some((stream, conn)) = received {
                attend(stream, conn, tenant, terms, port).await;
            }
        });
    } else {
        spawn_local(attend(Stream::Plain(stream), conn, tenant, terms, port));
    }
}

/// One connection, from its first byte to its last or to the tunnel that it becomes.
async fn attend<H, I>(mut stream: I, conn: Conn, tenant: Tenant, terms: Arc<Terms>, port: Rc<Port<H>>)
where
    H: Handler,
    I: AsyncRead + AsyncWrite + Severed + Unpin + Send + 'static,
{
    let mut entry = port.roster.join();
    let Some(opening) = open(&mut stream, &mut entry, terms.limits.header_timeout).await else { return };
    match opening.protocol {
        Protocol::Http1 => attend_http1(stream, opening, conn, tenant, (terms, port), entry).await,
        Protocol::Http2 => {
            let (handler, limits) = (port.handler.clone(), Arc::clone(&terms.limits));
            let roster = Rc::clone(&port.roster);
            drop((port, terms));
            // In a task of its own: this one has room for the other kind, which would be kept as long as the connection is.
            entry.moves();
            spawn_local(http2::attend(stream, opening, conn, tenant, (handler, limits, roster), entry));
        }
    }
}

async fn attend_http1<H, I>(
    stream: I,
    opening: Opening,
    conn: Conn,
    tenant: Tenant,
    (terms, port): (Arc<Terms>, Rc<Port<H>>),
    entry: Entry,
) where
    H: Handler,
    I: AsyncRead + AsyncWrite + Severed + Unpin + Send + 'static,
{
    let (ledger, peer) = (Ledger::new(), conn.peer);
    let house = House { limits: Arc::clone(&terms.limits), pressure: port.roster.pressure().clone() };
    let guard = Guard::new(stream, opening, Arc::clone(&ledger), house, tenant);
    let handler = port.handler.clone();
    let service = {
        let ledger = Arc::clone(&ledger);
        let roster = Rc::clone(&port.roster);
        service_fn(move |request| {
            let (exchange, verdict) = ledger.begin();
            answer(handler.clone(), conn.clone(), verdict.map(|()| request), exchange, Rc::clone(&roster))
        })
    };
    let connection = terms.http.serve_connection(guard, service).with_upgrades();
    drop((port, terms));
    match drive(pin!(connection), &ledger, entry).await {
        Ended::Http(Err(error)) => tracing::debug!(%peer, %error, "a connection ended early"),
        Ended::Http(Ok(())) => {}
        Ended::Drawn => tracing::debug!(%peer, "a connection made room"),
        Ended::Panicked => tracing::error!(%peer, "a connection panicked and was closed"),
    }
}

type Upgradable<I, S> = http1::UpgradeableConnection<I, S>;

/// How a connection came to its end.
enum Ended {
    Http(hyper::Result<()>),
    /// There was no room for it.
    Drawn,
    Panicked,
}

/// Polls hyper; on drain tells it once, as soon as nothing would be lost by that.
async fn drive<I, S, B>(
    mut connection: Pin<&mut Upgradable<I, S>>,
    ledger: &Ledger,
    mut entry: Entry,
) -> Ended
where
    S: hyper::service::HttpService<
            Incoming,
            ResBody = B,
            Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        >,
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    let mut told = false;
    std::future::poll_fn(|cx| {
        entry.wake_by(cx.waker());
        if entry.is_drawn() {
            return Poll::Ready(Ended::Drawn);
        }
        loop {
            // Not polled again after a panic, so nobody sees what it left half-done.
            match catch_unwind(AssertUnwindSafe(|| connection.as_mut().poll(cx))) {
                Ok(Poll::Ready(ended)) => return Poll::Ready(Ended::Http(ended)),
                Ok(Poll::Pending) if entry.draining() && !told && !ledger.undecided() => {
                    told = true;
                    connection.as_mut().graceful_shutdown();
                }
                Ok(Poll::Pending) => return Poll::Pending,
                Err(_) => return Poll::Ready(Ended::Panicked),
            }
        }
    })
    .await
}

/// One request. A panic of the handler costs this exchange and, behind its answer, the connection.
async fn answer<H: Handler>(
    handler: H,
    conn: Conn,
    request: Result<Request<Incoming>, ParseError>,
    exchange: Exchange,
    roster: Rc<Roster>,
) -> Result<Response<Answer<H::Body>>, Aborted> {
    let refused = request.is_err();
    let asker = request.as_ref().map(Asker::of).unwrap_or_default();
    let excess = roster.lacks(exchange.switches()).and_then(|scarce| {
        let excess = Excess { conn: &conn, request: request.as_ref().ok(), scarce };
        Some((handler.overloaded(&excess)?, excess.closes()))
    });
    let (mut response, ends) = match excess {
        Some(overloaded) => overloaded,
        None => handled(&handler, conn, request).await?,
    };
    let open_ended = asker.hears_the_end_only(&response);
    let closing = refused || ends || open_ended || exchange.broken() || roster.last_call();
    if closing && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        if asker.is_old {
            // Or hyper says beside it that it keeps the connection alive.
            *response.version_mut() = Version::HTTP_10;
        }
    }
    if !exchange.answered(response.status()) {
        return Err(Aborted::UnaskedUpgrade);
    }
    Ok(response.map(|body| Answer::new(body, roster, exchange, open_ended)))
}

/// The handler's answer, and whether it is the one to a panic.
pub(crate) async fn handled<H: Handler>(
    handler: &H,
    conn: Conn,
    request: Result<Request<Incoming>, ParseError>,
) -> Result<(Response<H::Body>, bool), Aborted> {
    let peer = conn.peer;
    // Boxed: the largest part of what hyper moves, as a whole, several times before it first polls it.
    let mut handling = Box::pin(handler.handle(conn, request));
    let handled =
        std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Some),
            Err(_) => Poll::Ready(None),
        })
        .await;
    let panicked = handled.is_none();
    if panicked {
        tracing::error!(%peer, "a request's handler panicked");
    }
    let response = handled.or_else(|| handler.panicked()).ok_or(Aborted::Panicked)?;
    Ok((response, panicked))
}

/// Why an exchange ends without an answer, and the connection with it.
#[derive(Debug)]
pub(crate) enum Aborted {
    /// The handler panicked and has no answer for that.
    Panicked,
    /// The handler switched protocols where the client's head does not allow it.
    UnaskedUpgrade,
}

impl std::fmt::Display for Aborted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Panicked => "the handler panicked",
            Self::UnaskedUpgrade => "protocols were switched without being asked",
        })
    }
}

impl std::error::Error for Aborted {}

#[cfg(test)]
mod tests;

//! One HTTP/2 connection: hyper's, held to what a client may cost.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{CONNECTION, COOKIE, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::Limits;
use crate::listen::guard::WRITE_STALL;
use crate::listen::handler::{Excess, Handler, Scarce};
use crate::listen::metered::{Metered, Pulse};
use crate::listen::opening::Opening;
use crate::listen::pressure::Pressure;
use crate::listen::roster::{Entry, Roster};
use crate::listen::serve::{Aborted, handled};
use crate::listen::tasks::{Offer, Offered, Tasks};
use crate::request::{Conn, ParseError};

/// Requests of one client at once; a page has less, and each may hold a window of bodies both ways.
const STREAMS_MAX: u32 = 100;
/// Streams that the client has reset before we looked at them (the rapid reset of CVE-2023-44487), and those that it makes us
/// reset; one more ends the connection.
const RESETS_MAX: usize = 20;
const OWN_RESETS_MAX: usize = 100;
/// Bytes of one request body that may wait for the upstream.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// The same of all of a connection: with less, bodies that their upstreams do not read would stop the others, whose clients would then be
/// blamed for the standstill. What that comes to in memory is the budget's business.
const WINDOW_BYTES: u32 = STREAMS_MAX * STREAM_WINDOW_BYTES;
/// Bytes of one answer that may wait for the client.
const SEND_BYTES_MAX: usize = 64 * 1024;
/// A client that has gone without a word is found out in this time and a bit, though its stream waits for hours.
const PING_AFTER: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(20);

fn builder(limits: &Limits, tasks: &Tasks) -> http2::Builder<Tasks> {
    let mut http = http2::Builder::new(tasks.clone());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(OWN_RESETS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_send_buf_size(SEND_BYTES_MAX)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PONG_WITHIN)
        .enable_connect_protocol();
    http
}

/// One connection, from what was read of it to its last stream.
pub(crate) async fn attend<H, I, T>(
    io: I,
    opening: Opening,
    conn: Conn,
    tenant: T,
    (handler, limits, roster): (H, Arc<Limits>, Rc<Roster>),
    mut entry: Entry,
) where
    H: Handler,
    I: AsyncRead + AsyncWrite + Unpin + 'static,
    T: Unpin + 'static,
{
    let pressure = roster.pressure().clone();
    let (tasks, pulse, peer) = (Tasks::new(pressure.clone()), Pulse::new(opening.since), conn.peer);
    let io = TokioIo::new(Metered::new(io, opening.bytes, Rc::clone(&pulse), tasks.clone(), tenant));
    let (streams, fields_max) = (tasks.clone(), limits.headers);
    let service = service_fn(move |request: Request<Incoming>| {
        let offer = streams.begin();
        let fits = fields(request.headers()) <= fields_max;
        let connects = request.method() == Method::CONNECT;
        let request = if fits { Ok(request) } else { Err(ParseError::TooManyHeaders) };
        answer(handler.clone(), conn.clone(), request, (offer, roster.lacks(false), connects))
    });
    let mut connection = pin!(builder(&limits, &tasks).serve_connection(io, service));
    let mut clock = Clock::new(&limits, pressure, tasks, pulse);
    let mut told = false;
    let ended = std::future::poll_fn(|cx| {
        entry.wake_by(cx.waker());
        if entry.is_drawn() {
            return Poll::Ready(Some(None));
        }
        loop {
            // Not polled again after a panic, so nobody sees what it left half-done.
            match catch_unwind(AssertUnwindSafe(|| connection.as_mut().poll(cx))) {
                Ok(Poll::Ready(ended)) => return Poll::Ready(Some(Some(ended))),
                Ok(Poll::Pending) => {}
                Err(_) => return Poll::Ready(None),
            }
            if entry.last_call() && !told {
                told = true;
                clock.told();
                connection.as_mut().graceful_shutdown();
                continue;
            }
            match clock.strikes(cx) {
                Strike::Wait => return Poll::Pending,
                Strike::Again => {}
                Strike::SayGoodbye => {
                    told = true;
                    connection.as_mut().graceful_shutdown();
                }
                Strike::Cut => return Poll::Ready(Some(None)),
            }
        }
    })
    .await;
    match ended {
        Some(Some(Ok(()))) => {}
        Some(Some(Err(error))) => tracing::debug!(%peer, %error, "a connection ended early"),
        Some(None) => tracing::debug!(%peer, "a connection was cut: it stood still, or made room"),
        None => tracing::error!(%peer, "a connection panicked and was closed"),
    }
}

/// Fields of a head; the crumbs of a Cookie are one.
fn fields(headers: &HeaderMap) -> usize {
    let crumbs = headers.get_all(COOKIE).iter().count();
    headers.len() - crumbs.saturating_sub(1)
}

/// One request. What ends here ends its stream: the others have frames of their own. A CONNECT opens a tunnel by whatever
/// success it gets, so it gets one only where protocols were switched (RFC 8441 §5).
async fn answer<H: Handler>(
    handler: H,
    conn: Conn,
    request: Result<Request<Incoming>, ParseError>,
    (offer, scarce, connects): (Rc<Offer>, Option<Scarce>, bool),
) -> Result<Response<Offered<H::Body>>, Aborted> {
    let excess = scarce.and_then(|scarce| {
        handler.overloaded(&Excess { conn: &conn, request: request.as_ref().ok(), scarce })
    });
    let mut response = match excess {
        Some(overloaded) => overloaded,
        None => handled(&handler, conn, request).await?.0,
    };
    match response.status() {
        StatusCode::SWITCHING_PROTOCOLS if connects => {
            *response.status_mut() = StatusCode::OK;
            response.headers_mut().remove(UPGRADE);
            response.headers_mut().remove(SEC_WEBSOCKET_ACCEPT);
        }
        StatusCode::SWITCHING_PROTOCOLS => return Err(Aborted::UnaskedUpgrade),
        status if connects && status.is_success() => *response.status_mut() = StatusCode::NOT_IMPLEMENTED,
        _ => {}
    }
    response.headers_mut().remove(CONNECTION);
    Ok(response.map(|body| Offered::new(body, offer)))
}

/// What time it is for a connection.
enum Strike {
    /// Nothing is due; this task is woken when it may be.
    Wait,
    /// The connection has to be polled once more, and ends by that.
    Again,
    /// It has been idle: a GOAWAY, and it ends when nothing is left.
    SayGoodbye,
    /// It has had its GOAWAY and stands still.
    Cut,
}

/// A connection's deadlines. The timer is only ever moved to an earlier time, or on when it has fired: a busy connection
/// does not touch the timer wheel.
struct Clock {
    header_timeout: Duration,
    idle_timeout: Duration,
    pressure: Pressure,
    tasks: Tasks,
    pulse: Rc<Pulse>,
    told_at: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Clock {
    fn new(limits: &Limits, pressure: Pressure, tasks: Tasks, pulse: Rc<Pulse>) -> Self {
        let Limits { header_timeout, idle_timeout, .. } = *limits;
        let timer = Box::pin(sleep_until(Instant::now() + header_timeout));
        Self { header_timeout, idle_timeout, pressure, tasks, pulse, told_at: None, timer }
    }

    fn told(&mut self) {
        self.told_at = Some(Instant::now());
    }

    fn strikes(&mut self, cx: &mut Context<'_>) -> Strike {
        let (late, quiet) = (self.late_at(), self.quiet_at());
        if let Some(due) = late.into_iter().chain(quiet).min()
            && due < self.timer.deadline()
        {
            self.timer.as_mut().reset(due);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if late.is_some_and(|late| late <= now) {
                self.pulse.condemn();
                return Strike::Again;
            }
            if quiet.is_some_and(|quiet| quiet <= now) {
                if self.told_at.is_some() {
                    return Strike::Cut;
                }
                self.told();
                return Strike::SayGoodbye;
            }
            let due = late.into_iter().chain(quiet).min();
            self.timer.as_mut().reset(due.unwrap_or(now + self.pressure.shorten(self.idle_timeout)));
        }
        Strike::Wait
    }

    /// When a head that is half here, or bytes that nobody takes, have been so for too long.
    fn late_at(&self) -> Option<Instant> {
        let head =
            self.pulse.unfinished_since().map(|since| since + self.pressure.shorten(self.header_timeout));
        let stall = self.pulse.stalled_since().map(|since| since + self.pressure.shorten(WRITE_STALL));
        head.into_iter().chain(stall).min()
    }

    /// When nothing has been asked for too long; behind a GOAWAY, when what is left has not gone out.
    fn quiet_at(&self) -> Option<Instant> {
        let quiet = self.tasks.quiet_since()?;
        Some(match self.told_at {
            Some(told) => told.max(quiet) + self.pressure.shorten(WRITE_STALL),
            None => quiet + self.pressure.shorten(self.idle_timeout),
        })
    }
}

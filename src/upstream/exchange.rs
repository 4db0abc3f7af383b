//! One request on one connection, until the head of its response or a deadline.

use std::pin::pin;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::{Instant, sleep_until};

use crate::upstream::error::UpstreamError;
use crate::upstream::pool::Link;
use crate::upstream::upload::{Progress, Upload};

/// How long a response's head may be waited for.
#[derive(Clone, Copy)]
pub(crate) struct Deadlines {
    /// From the last byte that the client gave us, or from sending if there is no body.
    pub(crate) first_byte: Duration,
    /// The end of the whole exchange.
    pub(crate) total: Option<Instant>,
}

/// Why there is no head.
pub(crate) enum Failure {
    /// Nothing came, or nothing that is HTTP; holds the request if it was not sent.
    Broken(TrySendError<Request<Upload>>),
    /// A deadline passed. Dropping the exchange cuts its connection.
    Late(UpstreamError),
}

/// Sends `request` over `link` and waits.
pub(crate) async fn exchange(
    link: &mut Link,
    request: Request<Upload>,
    deadlines: Deadlines,
) -> Result<Response<Incoming>, Failure> {
    let progress = request.body().progress();
    let sent = Instant::now();
    link.turn.ask();
    let mut answer = pin!(link.sender.try_send_request(request));
    let mut timer = pin!(sleep_until(deadlines.next(sent, progress.as_deref(), sent).map_err(Failure::Late)?));
    loop {
        tokio::select! {
            biased;
            result = &mut answer => return result.map_err(Failure::Broken),
            () = &mut timer => {
                let next = deadlines.next(sent, progress.as_deref(), Instant::now()).map_err(Failure::Late)?;
                timer.as_mut().reset(next);
            }
        }
    }
}

impl Deadlines {
    /// When to look again. While it is the client's turn (its own deadlines are `listen`'s) the clock of the upstream
    /// stands still; it is read again after a full wait, which cannot be later than a wait that begins in the meantime.
    fn next(
        &self,
        sent: Instant,
        progress: Option<&Progress>,
        now: Instant,
    ) -> Result<Instant, UpstreamError> {
        let since = progress.map_or(Some(sent), Progress::upstream_since);
        let due = since.unwrap_or(now) + self.first_byte;
        if self.total.is_some_and(|total| total <= now) {
            return Err(UpstreamError::TotalTimedOut);
        }
        if due <= now {
            return Err(UpstreamError::FirstByteTimedOut);
        }
        Ok(self.total.map_or(due, |total| total.min(due)))
    }
}

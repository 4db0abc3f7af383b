//! One request on one connection, until the head of its response or a deadline.

use std::pin::pin;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::Instant;

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
    Broken(Box<TrySendError<Request<Upload>>>),
    /// A deadline passed. Dropping the exchange cuts its connection.
    Late(UpstreamError),
}

/// Sends `request` over `link`, at `sent`, which is now, and waits. Its head is kept for a second try where `keep` says so.
pub(crate) async fn exchange(
    link: &mut Link,
    (request, keep): (Box<Request<Upload>>, bool),
    deadlines: Deadlines,
    sent: Instant,
) -> Result<Response<Incoming>, Failure> {
    let progress = request.body().progress();
    link.ask(keep);
    let Link { sender, timer, .. } = link;
    let mut answer = pin!(sender.send(request));
    let first = deadlines.next(sent, progress.as_deref(), sent).map_err(Failure::Late)?;
    if timer.deadline() > first {
        timer.as_mut().reset(first);
    }
    loop {
        tokio::select! {
            biased;
            result = &mut answer => return result.map_err(|failed| Failure::Broken(Box::new(failed))),
            () = timer.as_mut() => {
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What the clock says 100 s after sending, with a minute for the first byte.
    fn after_100_s(upstream_since: Option<u64>, total: Option<u64>) -> Result<u64, UpstreamError> {
        let sent = Instant::now();
        let deadlines =
            Deadlines { first_byte: SECOND * 60, total: total.map(|at| sent + SECOND * at as u32) };
        let progress = Progress::at(upstream_since.map(|at| sent + SECOND * at as u32));
        let next = deadlines.next(sent, Some(&progress), sent + SECOND * 100)?;
        Ok((next - sent).as_secs())
    }

    #[test]
    fn a_long_upload_does_not_run_into_the_first_byte_timeout() {
        assert_eq!(after_100_s(None, None).ok(), Some(160));
        assert_eq!(after_100_s(Some(99), None).ok(), Some(159));
    }

    #[test]
    fn an_upstream_that_stops_reading_or_answering_does() {
        assert!(matches!(after_100_s(Some(40), None), Err(UpstreamError::FirstByteTimedOut)));
    }

    #[test]
    fn the_total_runs_even_while_the_client_sends() {
        assert!(matches!(after_100_s(None, Some(100)), Err(UpstreamError::TotalTimedOut)));
        assert_eq!(after_100_s(None, Some(101)).ok(), Some(101));
    }
}

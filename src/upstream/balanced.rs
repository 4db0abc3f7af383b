//! One upstream as one worker sees it: its endpoints, and how a request gets to one of them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::config::{self, ConfigError};
use crate::upstream::balance::{Chooser, Endpoints};
use crate::upstream::connect::{Connector, Wanted};
use crate::upstream::error::UpstreamError;
use crate::upstream::exchange::{Deadlines, Failure, exchange};
use crate::upstream::introduction::Introduction;
use crate::upstream::pool::{Busy, Endpoint, Link, Waiters};
use crate::upstream::repeat::{Budget, is_repeatable};
use crate::upstream::room::Room;
use crate::upstream::standing::Standing;
use crate::upstream::tls::Tls;
use crate::upstream::upload::{Progress, Upload};

/// Endpoints that are tried for a connection: with three of them dead, a fourth would cost the client more than it helps.
const TRIES_MAX: usize = 3;
/// How often one who waits looks again, for a connection that became free between two wake-ups.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// An upstream and its endpoints.
pub(crate) struct Balanced {
    endpoints: Vec<Rc<Endpoint>>,
    chooser: Chooser,
    standing: Arc<Standing>,
    waiters: Rc<Waiters>,
    wait: Duration,
    room: Room,
    budget: Budget,
    pub(crate) host: Option<HeaderValue>,
    pub(crate) first_byte: Duration,
}

/// What a request is held to on its way.
#[derive(Clone, Copy)]
pub(crate) struct Errand<'a> {
    /// Whether it may become a tunnel.
    pub(crate) upgrades: bool,
    /// The session it belongs to.
    pub(crate) session: Option<u64>,
    /// On whose behalf it goes, where the upstream wants to be told.
    pub(crate) introduction: Option<&'a Rc<Introduction>>,
    pub(crate) deadlines: Deadlines,
}

impl<'a> Errand<'a> {
    fn wanted(&self) -> Wanted<'a> {
        Wanted { introduction: self.introduction, tunnel: self.upgrades }
    }
}

/// The head of a response, and what it came by.
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) link: Link,
    pub(crate) busy: Busy,
}

/// A first try that got no answer.
struct Tried {
    failed: Box<TrySendError<Request<Upload>>>,
    link: Link,
    busy: Busy,
    progress: Option<Rc<Progress>>,
}

impl Balanced {
    pub(crate) fn new(
        upstream: &config::Upstream,
        standing: &Arc<Standing>,
        tls: Option<&Tls>,
        mistakes: &mut Vec<ConfigError>,
    ) -> Option<Self> {
        let before = mistakes.len();
        let host = upstream.host.as_ref().map(|host| HeaderValue::try_from(host).map_err(|_| host));
        let host = host.transpose().map_err(|host| {
            let key = format!("upstreams.{}.host", upstream.name);
            let (found, accepted) = (format!("`{host}`"), "a host name, with or without a port");
            mistakes.push(ConfigError::new(upstream.at, key, found, accepted));
        });
        let waiters = Rc::<Waiters>::default();
        let mut endpoints = Vec::new();
        for (at, endpoint) in upstream.endpoints.iter().enumerate() {
            match Connector::new(upstream, endpoint, tls) {
                Ok(connector) => endpoints.push(Endpoint::new(
                    connector,
                    upstream.idle_timeout,
                    &endpoint.to_string(),
                    (at, standing),
                    &waiters,
                )),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        (mistakes.len() == before).then(|| Self {
            endpoints,
            chooser: Chooser::new(upstream.balance),
            standing: Arc::clone(standing),
            waiters,
            wait: upstream.limits.wait,
            room: Room::new(upstream.limits.latency),
            budget: Budget::new(),
            host: host.ok().flatten(),
            first_byte: upstream.first_byte_timeout,
        })
    }

    /// Whether this is its standing.
    pub(crate) fn stands(&self, standing: &Arc<Standing>) -> bool {
        Arc::ptr_eq(&self.standing, standing)
    }

    /// Whether one of its connections may carry many requests.
    pub(crate) fn may_be_http2(&self) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.may_be_http2())
    }

    /// Sends once, and once more where that is safe.
    pub(crate) async fn deliver(
        &self,
        request: Box<Request<Upload>>,
        errand: Errand<'_>,
    ) -> Result<Answer, UpstreamError> {
        let progress = request.body().progress();
        let now = Instant::now();
        let _inside = self.room.enter(now).ok_or(UpstreamError::Late)?;
        self.budget.earn();
        let at = self.choose(errand.session, now, &[]);
        let (mut link, busy, sent) = match self.waiting(at, now, errand.wanted()) {
            Some((link, busy)) => (link, busy, now),
            None => {
                let (link, busy) = Box::pin(self.connect(at, errand)).await?;
                (link, busy, Instant::now())
            }
        };
        let keep = link.reused && !errand.upgrades && is_repeatable(&request);
        match exchange(&mut link, (request, keep), errand.deadlines, sent).await {
            Ok(response) => {
                busy.endpoint().answered(sent);
                if progress.is_none() {
                    self.room.answered(sent);
                }
                Ok(Answer { response, link, busy })
            }
            Err(Failure::Late(error)) => Err(late(error, &busy)),
            Err(Failure::Broken(failed)) => {
                let tried = Tried { failed, link, busy, progress };
                Box::pin(self.deliver_again(tried, errand)).await
            }
        }
    }

    /// All endpoints.
    #[cfg(test)]
    pub(crate) fn endpoints(&self) -> &[Rc<Endpoint>] {
        &self.endpoints
    }

    /// Sends once more on a new connection, if the first try reached nobody or may be repeated. Boxed by its caller, as
    /// connecting is: a request's future is moved as a whole when it starts, and these are its rare and largest parts.
    async fn deliver_again(&self, tried: Tried, errand: Errand<'_>) -> Result<Answer, UpstreamError> {
        let Tried { mut failed, link, busy, progress } = tried;
        if let Some(fault) = progress.as_ref().and_then(|progress| progress.fault()) {
            return Err(UpstreamError::ClientBody(fault));
        }
        let silent = link.turn.is_silent();
        let unsent = failed.take_message().map(Box::new);
        if unsent.is_none() && !(link.reused && silent) {
            // What closes a connection that waited is its keep-alive, and no failure.
            busy.endpoint().failed();
        }
        let request = unsent.or_else(|| {
            let request = link.turn.kept().filter(|_| self.budget.spend())?;
            self.standing.metrics.repeats.inc();
            Some(Box::new(request))
        });
        let Some(request) = request else { return Err(UpstreamError::from_exchange(failed.into_error())) };
        drop((link, busy));
        let at = self.choose(errand.session, Instant::now(), &[]);
        let (mut link, busy) = self.connect(at, errand).await?;
        let sent = Instant::now();
        match exchange(&mut link, (request, false), errand.deadlines, sent).await {
            Ok(response) => {
                busy.endpoint().answered(sent);
                Ok(Answer { response, link, busy })
            }
            Err(Failure::Late(error)) => Err(late(error, &busy)),
            Err(Failure::Broken(failed)) => Err(match progress.and_then(|progress| progress.fault()) {
                Some(fault) => UpstreamError::ClientBody(fault),
                None => {
                    busy.endpoint().failed();
                    UpstreamError::from_exchange(failed.into_error())
                }
            }),
        }
    }

    /// The endpoint for a request, without those that were `tried`.
    fn choose(&self, session: Option<u64>, now: Instant, tried: &[usize]) -> Option<usize> {
        if self.endpoints.len() == 1 && tried.is_empty() {
            return Some(0);
        }
        self.chooser.choose(&Choice { endpoints: &self.endpoints, tried, now }, session)
    }

    /// A connection of this endpoint that waits for its next request, unless others wait for one.
    fn waiting(&self, at: Option<usize>, now: Instant, wanted: Wanted<'_>) -> Option<(Link, Busy)> {
        let endpoint = self.endpoints.get(at?)?;
        if self.waiters.count.get() > 0 {
            return None;
        }
        Some((endpoint.checkout(now, wanted)?, Busy::with(endpoint)))
    }

    /// Connects, to the endpoint at `first` or to another, or waits until there may be one more connection.
    async fn connect(&self, first: Option<usize>, errand: Errand<'_>) -> Result<(Link, Busy), UpstreamError> {
        let connecting = self.connect_or_wait(first, errand);
        match errand.deadlines.total {
            None => connecting.await,
            Some(total) => timeout_at(total, connecting).await.unwrap_or(Err(UpstreamError::TotalTimedOut)),
        }
    }

    async fn connect_or_wait(
        &self,
        first: Option<usize>,
        errand: Errand<'_>,
    ) -> Result<(Link, Busy), UpstreamError> {
        if self.waiters.count.get() == 0
            && let Some(connected) = self.try_each(first, errand).await
        {
            return connected;
        }
        self.stand_in_line(errand).await
    }

    /// Connects to `first`; if that fails or has no place left, the next one gets its chance. `None`: no place anywhere.
    async fn try_each(
        &self,
        first: Option<usize>,
        errand: Errand<'_>,
    ) -> Option<Result<(Link, Busy), UpstreamError>> {
        let (mut failure, mut failures) = (None, 0);
        let (mut tried, mut next) = (Vec::new(), first);
        while let Some((at, endpoint)) = next.and_then(|at| Some((at, self.endpoints.get(at)?))) {
            tried.push(at);
            if let Some(slot) = endpoint.slot() {
                let busy = Busy::with(endpoint);
                match endpoint.connect(slot, errand.wanted()).await {
                    Ok(link) => return Some(Ok((link, busy))),
                    Err(failed) => (failure, failures) = (Some(failed), failures + 1),
                }
            }
            if failures == TRIES_MAX {
                break;
            }
            next = self.choose(errand.session, Instant::now(), &tried);
        }
        failure.map(Err)
    }

    /// Waits until a connection is free or one more may be made.
    async fn stand_in_line(&self, errand: Errand<'_>) -> Result<(Link, Busy), UpstreamError> {
        let line = &self.standing.line;
        let _place = line.join().ok_or(UpstreamError::Busy)?;
        let _waiter = Waiter::among(&self.waiters);
        let mut now = Instant::now();
        let joined = now;
        loop {
            let mut tried = Vec::new();
            while let Some((at, endpoint)) =
                self.choose(errand.session, now, &tried).and_then(|at| Some((at, self.endpoints.get(at)?)))
            {
                tried.push(at);
                if let Some(link) = endpoint.checkout(now, errand.wanted()) {
                    return Ok((link, Busy::with(endpoint)));
                }
                if let Some(slot) = endpoint.slot() {
                    let busy = Busy::with(endpoint);
                    return Ok((endpoint.connect(slot, errand.wanted()).await?, busy));
                }
            }
            let end = joined + line.patience(self.wait);
            if now >= end {
                return Err(UpstreamError::Busy);
            }
            line.wanted.notify_waiters();
            tokio::select! {
                () = self.waiters.freed.notified() => {}
                () = line.freed.notified() => {}
                () = sleep_until(end.min(now + LOOK_AGAIN)) => {}
            }
            now = Instant::now();
        }
    }
}

/// A deadline that passed: the endpoint's fault, unless the route's own time was over.
fn late(error: UpstreamError, busy: &Busy) -> UpstreamError {
    if matches!(error, UpstreamError::FirstByteTimedOut) {
        busy.endpoint().failed();
    }
    error
}

/// The endpoints at one moment.
struct Choice<'a> {
    endpoints: &'a [Rc<Endpoint>],
    tried: &'a [usize],
    now: Instant,
}

impl Endpoints for Choice<'_> {
    fn count(&self) -> usize {
        self.endpoints.len()
    }

    fn admits(&self, at: usize) -> bool {
        !self.tried.contains(&at)
    }

    fn share(&self, at: usize) -> u64 {
        self.endpoints.get(at).map_or(0, |endpoint| endpoint.share(self.now))
    }

    fn busy(&self, at: usize) -> u32 {
        self.endpoints.get(at).map_or(u32::MAX, |endpoint| endpoint.busy())
    }

    fn seed(&self, at: usize) -> u64 {
        self.endpoints.get(at).map_or(0, |endpoint| endpoint.seed)
    }
}

/// One who waits, counted.
struct Waiter<'a>(&'a Waiters);

impl<'a> Waiter<'a> {
    fn among(waiters: &'a Waiters) -> Self {
        waiters.count.set(waiters.count.get() + 1);
        Self(waiters)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get().saturating_sub(1));
        // A wake-up that came too late for this one is for the next.
        self.0.freed.notify_one();
    }
}

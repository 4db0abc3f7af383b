//! Answers that go on after their request, each held to what a new request with the same cookie would be held to.
//!
//! A stream is a request that is asked again and again: the same cookie, the same profiles, the same conditions, the same policy for
//! outages. It ends when the answer is no longer the same person with the right to be there. One task of the worker looks after
//! all of the worker's streams ([`Gateway::watch_streams`]), so nothing here is shared and a plain request costs nothing.
//!
//! When it is asked again: *at once* when the store says that a record changed ([`Bell`]); at its own end; and otherwise so often
//! that a revocation is acted on within `revocation_bound` = L even if no message ever comes. *Argument.* Let a check be made at c
//! and the next at c + L/8, each answered within L/8 or counted as failed. Memory is enough at c only if the lease holds
//! until c + 3L/8, so a stream that passed is asked again, and cut if the store does not answer, by c + L/8 + 2L/8: before that lease
//! ends, and a lease that holds at t proves that the session was not revoked before t − L ([`crate::session`]). Where the store itself was
//! asked, at g, the next check is made by g + L/2 and ends by g + 3L/4; the revocation came after g.
//!
//! A stream that a bearer began ends with the bearer: its issuer tells of nothing before. One that a token of ours began ends also with
//! what is behind that token: it is held to the cookies of the session that the token was made of.
//!
//! Where the policy is `serve_known`, its time is added as for requests; where it is `deny` or `anonymous`, a store that cannot be
//! asked ends the stream: it went out in a user's name, and nobody can say any more that it is theirs.

use crate::config::{Freshness, Outage, ProfileId, RouteId, StoreId};
use crate::format::Reject;
use crate::guard::meets_conditions;
use crate::pipeline::gateway::Gateway;
use crate::pipeline::record::Record;
use crate::request::{Cookies, RequestId};
use crate::respond::Stream;
use crate::route::Route;
use crate::session::{Authenticated, Bell, Policy, Source, Verdict, VerifiedSession, Voucher, Watch};
use crate::state::Endings;
use crate::telemetry::AccessLine;
use crate::token::Slots;
use crate::upstream::Goodbye;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long an answer must go on before it counts as a stream: most that do not say how long they are end sooner, and cost no more than this wait.
const SETTLING: Duration = Duration::from_millis(50);
/// How often a stream whose session is in no store is looked at.
const UNSTORED: Duration = Duration::from_secs(10);
/// Shares of the bound; see the argument above.
const EIGHTHS: u32 = 8;
/// Streams that are asked about at once.
const ASKED_AT_ONCE: usize = 256;

/// One worker's streams that have just begun, for its task to take in.
#[derive(Debug, Default)]
pub(super) struct Streams {
    begun: RefCell<Vec<Begun>>,
    bell: Arc<Bell>,
    numbers: Cell<u64>,
    /// How many the task looks after.
    held: Cell<usize>,
}

/// An answer that may be a stream.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) stream: Stream,
    pub(super) cookies: Cookies,
    pub(super) session: VerifiedSession<Slots>,
    pub(super) route: RouteId,
    pub(super) request: Asked,
}

/// What its access line says of the request.
#[derive(Debug)]
pub(super) struct Asked {
    id: RequestId,
    at: crate::clock::UnixMillis,
    method: Option<Method>,
    target: Option<PathAndQuery>,
    status: StatusCode,
}

/// A stream that is looked after.
struct Held {
    begun: Begun,
    _watch: Watch,
    limits: Limits,
    due: Instant,
}

/// How soon things must happen for a stream.
#[derive(Clone, Copy)]
struct Limits {
    /// The shortest `revocation_bound` of its stores.
    bound: Duration,
    /// How long a store may take to answer.
    wait: Duration,
}

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// It is another's session now, or one that the route's rule does not admit.
    Changed,
    Expired,
    Revoked,
    StoreUnavailable,
}

/// All streams of a worker.
#[derive(Default)]
struct Table {
    held: HashMap<u64, Held>,
    due: BTreeSet<(Instant, u64)>,
}

impl Asked {
    pub(super) fn of(record: &Record, status: StatusCode) -> Self {
        let (method, target) = (record.method.clone(), record.target.clone());
        Self { id: record.id, at: record.now, method, target, status }
    }
}

impl Begun {
    /// What it is held to: the cookies it came with and the route's profiles, or what is behind a token of ours.
    fn asks<'a>(&'a self, route: &'a Route) -> (&'a Cookies, &'a [ProfileId]) {
        match self.session.behind() {
            Some(behind) => (&behind.cookies, std::slice::from_ref(&behind.profile)),
            None => (&self.cookies, &route.rules.sessions),
        }
    }
}

impl Streams {
    /// Whether there is none to look after.
    pub(super) fn is_empty(&self) -> bool {
        self.held.get() == 0 && self.begun.borrow().is_empty()
    }

    /// Has the worker's task look after an answer.
    pub(super) fn begin(&self, begun: Begun) {
        let mut list = self.begun.borrow_mut();
        list.push(begun);
        if list.len() == 1 {
            self.bell.wake();
        }
    }
}

impl Why {
    const fn code(self) -> &'static str {
        match self {
            Self::Changed => "session-changed",
            Self::Expired => "session-expired",
            Self::Revoked => "session-revoked",
            Self::StoreUnavailable => "store-unavailable",
        }
    }

    /// RFC 6455 §7.4.1: 1008 is a policy's, 1013 (IANA's registry) asks to come again later.
    const fn goodbye(self) -> Goodbye {
        match self {
            Self::Changed | Self::Expired | Self::Revoked => {
                Goodbye { code: 1008, reason: "the session is over" }
            }
            Self::StoreUnavailable => Goodbye { code: 1013, reason: "sessions cannot be checked right now" },
        }
    }
}

impl Gateway {
    /// Looks after the worker's streams for as long as it is polled.
    pub async fn watch_streams(&self) {
        let (mut table, mut settled) = (Table::default(), None);
        loop {
            let next = table.due.first().map(|(due, _)| *due).into_iter().chain(settled).min();
            tokio::select! {
                biased;
                () = self.streams.bell.wait() => {}
                () = until(next) => {}
            }
            let now = Instant::now();
            if settled.is_none() && !self.streams.begun.borrow().is_empty() {
                settled = Some(now + SETTLING);
            }
            if settled.is_some_and(|settled| settled <= now) {
                settled = None;
                self.take_in(&mut table, now);
                self.streams.held.set(table.held.len());
            }
            self.check_due(&mut table, now).await;
            self.streams.held.set(table.held.len());
        }
    }

    /// Takes in what has begun and still goes on; it is checked at once.
    fn take_in(&self, table: &mut Table, now: Instant) {
        let begun = std::mem::take(&mut *self.streams.begun.borrow_mut());
        for begun in begun.into_iter().filter(|begun| !begun.stream.is_over()) {
            let Some(route) = self.routes().routes().get(begun.route.0) else { continue };
            let number = self.streams.numbers.get();
            self.streams.numbers.set(number + 1);
            let (cookies, profiles) = begun.asks(route);
            let watch = self.authenticator.watch(cookies, profiles, number, &self.streams.bell);
            let limits = self.limits(profiles, route);
            table.put(number, Held { begun, _watch: watch, limits, due: now });
            self.metrics().streams_open.inc();
        }
    }

    /// Checks every stream whose turn it is.
    async fn check_due(&self, table: &mut Table, now: Instant) {
        let mut numbers = self.streams.bell.take();
        numbers.extend(table.due.iter().take_while(|(due, _)| *due <= now).map(|(_, number)| *number));
        let (mut checked, mut asked) = (Vec::with_capacity(numbers.len()), Vec::new());
        for number in numbers {
            let Some(held) = table.held.get(&number) else { continue };
            if held.begun.stream.is_over() {
                checked.push((number, None));
                continue;
            }
            match self.check(held) {
                Some(outcome) => checked.push((number, Some(outcome))),
                None => asked.push((number, held)),
            }
        }
        let mut asked = asked.into_iter();
        let ask = |(number, held)| async move { (number, Some(self.ask(held).await)) };
        let mut asking: FuturesUnordered<_> = asked.by_ref().take(ASKED_AT_ONCE).map(ask).collect();
        while let Some(outcome) = asking.next().await {
            checked.push(outcome);
            asking.extend(asked.next().map(ask));
        }
        drop(asking);
        for (number, outcome) in checked {
            self.conclude_check(table, number, outcome);
        }
    }

    /// What memory and the cookies alone say; `None`: the store has to be asked.
    fn check(&self, held: &Held) -> Option<Result<Passed, Why>> {
        let route = self.routes().routes().get(held.begun.route.0)?;
        if matches!(held.begun.session.session().by, Voucher::Issuer(_)) {
            let over = self.judge_end(held);
            if over.is_err() || held.begun.session.behind().is_none() {
                return Some(over);
            }
        }
        let (cookies, profiles) = held.begun.asks(route);
        let judged = self.authenticator.recall(cookies, profiles, self.policy(held), self.now())?;
        Some(self.judge(held, route, judged))
    }

    async fn ask(&self, held: &Held) -> Result<Passed, Why> {
        let route = self.routes().routes().get(held.begun.route.0).ok_or(Why::Changed)?;
        let (cookies, profiles) = held.begun.asks(route);
        let asking = self.authenticator.authenticate(cookies, profiles, self.policy(held), self.now());
        // Boxed: hundreds of these may wait, and most streams need none.
        match tokio::time::timeout(held.limits.wait, Box::pin(asking)).await {
            Ok(Ok(judged)) => self.judge(held, route, judged),
            Ok(Err(_)) | Err(_) => Err(Why::StoreUnavailable),
        }
    }

    /// Whether a verdict is still the one under which the stream began.
    fn judge(&self, held: &Held, route: &Route, judged: Authenticated<Slots>) -> Result<Passed, Why> {
        let (was, now) = (&held.begun.session, self.now());
        match judged.verdict {
            Verdict::Verified(session) => {
                let (then, is) = (was.session(), session.session());
                let behind = was.behind();
                let by = behind.map_or(then.by, |behind| Voucher::Profile(behind.profile));
                let same = by == is.by && then.sub == is.sub && then.subject == is.subject;
                if !same || meets_conditions(&route.rules, is).is_err() {
                    return Err(Why::Changed);
                }
                let session = match behind {
                    Some(behind) => session.shown_by(was, Some(was.kept()), Arc::clone(behind)),
                    None => session,
                };
                Ok(Passed { session, source: judged.source })
            }
            Verdict::Rejected(Reject::Expired) => Err(Why::Expired),
            Verdict::Rejected(Reject::Revoked) => Err(Why::Revoked),
            Verdict::Rejected(Reject::UnknownSession) => {
                let ended = was.ends_at().is_some_and(|end| end <= now);
                Err(if ended { Why::Expired } else { Why::Revoked })
            }
            Verdict::Rejected(_) | Verdict::Absent => Err(Why::Changed),
        }
    }

    /// A bearer was verified once and for all; only its end is ahead, and that of a token of ours may be told of.
    fn judge_end(&self, held: &Held) -> Result<Passed, Why> {
        let session = held.begun.session.clone();
        let jti = session.behind().and_then(|behind| behind.jti.as_deref());
        let has_ended = |endings: &Arc<Endings>| jti.is_some_and(|jti| endings.has_token(jti, self.now()));
        if self.shared().endings().is_some_and(has_ended) {
            return Err(Why::Revoked);
        }
        match session.ends_at().is_some_and(|end| end <= self.now()) {
            true => Err(Why::Expired),
            false => Ok(Passed { session, source: Source::Cookie }),
        }
    }

    fn conclude_check(&self, table: &mut Table, number: u64, outcome: Option<Result<Passed, Why>>) {
        let Some(mut held) = table.take(number) else { return };
        match outcome {
            Some(Ok(Passed { session, source })) => {
                let route = self.routes().routes().get(held.begun.route.0);
                if let Some(due) = session.due_touch()
                    && route.is_some_and(|route| !route.rules.forward_cookie)
                {
                    self.authenticator.touch(due);
                }
                let bound = held.limits.bound;
                let pause = match source {
                    Source::Cookie => UNSTORED,
                    Source::Cache | Source::Known(_) => bound / EIGHTHS,
                    Source::Store => bound / 2,
                };
                let left = session.ends_at().map(|end| self.now().until(end));
                held.due = Instant::now() + left.map_or(pause, |left| left.min(pause));
                held.begun.session = session;
                table.put(number, held);
            }
            Some(Err(why)) => {
                self.metrics().streams_open.dec();
                held.begun.stream.close(why.goodbye());
                self.tell_of_end(&held, why);
            }
            None => {
                self.metrics().streams_open.dec();
            }
        }
    }

    /// Streams may use the lease also where requests ask every time: they are promised the bound. A lease that ends soon is none.
    fn policy(&self, held: &Held) -> Policy {
        let route = self.routes().routes().get(held.begun.route.0);
        let policy = route.and_then(|route| self.state(route)).map(|state| state.policy);
        let ahead = held.limits.bound / EIGHTHS * 3;
        Policy { freshness: Some(Freshness::Lease), outage: policy.and_then(|policy| policy.outage), ahead }
    }

    fn limits(&self, profiles: &[ProfileId], route: &Route) -> Limits {
        let config = &self.shared().config;
        let profiles = profiles.iter().filter_map(|id| config.profiles.get(id.0));
        let ids: Vec<StoreId> = profiles.flat_map(crate::config::Profile::stores).collect();
        let stores = || ids.iter().filter_map(|id| config.stores.get(id.0));
        let bound = stores().map(|store| store.revocation_bound).min().unwrap_or(UNSTORED);
        let timeout = stores().map(|store| store.timeout).max().unwrap_or(bound);
        let known = ids.iter().any(|id| matches!(self.shared().outage_of(route, *id), Outage::ServeKnown(_)));
        // What is known is looked up only once the store has not answered in time.
        let wait = if known { timeout + timeout / 4 } else { timeout.min(bound / EIGHTHS) };
        Limits { bound, wait }
    }

    fn tell_of_end(&self, held: &Held, why: Why) {
        let Begun { session, route, request, .. } = &held.begun;
        let shared = self.shared();
        let pattern = self.routes().routes().get(route.0).map(|route| route.rules.path.value.as_str());
        self.metrics().count_stream_closed(pattern.unwrap_or("none"), why.code());
        if !self.log.is_on() {
            return;
        }
        let session = session.session();
        let now = self.now();
        let state = shared.state_of(*route);
        self.log.write(&AccessLine {
            time: now,
            request_id: request.id.as_str(),
            client_request_id: None,
            client: "",
            method: request.method.as_ref().map_or("", |method| AccessLine::clip(method.as_str())),
            host: "",
            path: AccessLine::clip(request.target.as_ref().map_or("", |target| target.path())),
            route: pattern,
            decision: "closed",
            own: None,
            verdict: None,
            refusal: None,
            reason: Some(why.code()),
            outage: None,
            would: None,
            session_from: None,
            cross_site: None,
            profile: matches!(session.by, Voucher::Profile(_)).then_some(&*session.client_id),
            issuer: matches!(session.by, Voucher::Issuer(_)).then_some(&*session.client_id),
            sid: Some(session.sid.as_str()),
            kid: None,
            jti: None,
            txn: false,
            upstream: state.map(|state| state.passage.name.as_str()),
            status: request.status.as_u16(),
            micros: u64::try_from(request.at.until(now).as_micros()).unwrap_or(u64::MAX),
        });
    }
}

/// A stream that goes on, and until when it was found to.
struct Passed {
    session: VerifiedSession<Slots>,
    source: Source,
}

impl Table {
    fn put(&mut self, number: u64, held: Held) {
        self.due.insert((held.due, number));
        self.held.insert(number, held);
    }

    fn take(&mut self, number: u64) -> Option<Held> {
        let held = self.held.remove(&number)?;
        self.due.remove(&(held.due, number));
        Some(held)
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

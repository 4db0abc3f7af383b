//! What all workers know of an upstream's endpoints: who fails, who is left alone, how much is going on.
//!
//! Passive ejection: so many failures in a row, over all workers, take an endpoint out for a while, twice as long each
//! time it fails on its return. A return is slow: its share of the requests grows, so that a process that has just
//! started is not buried, and one that is still broken costs few. Never more than half of the endpoints are out by it:
//! when many fail at once the cause is likelier a load or a network that they share, and the rest would only be the
//! next to fall. Health checks know better, and may take out more; but if nobody is left, all are asked.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::{self, Ejection};
use crate::telemetry::{EndpointMetrics, Metrics, UpstreamMetrics};
use crate::upstream::slots::{Line, Slots};

/// Longest time that an endpoint is left alone.
const EJECTION_MAX: Duration = Duration::from_secs(300);
/// Of 256: what an endpoint gets at the very beginning of its return.
const SHARE_MIN: u64 = 13;

/// All upstreams, as all workers see them; [`config::UpstreamId`] indexes it.
#[derive(Clone, Debug)]
pub struct Standings(Arc<[Arc<Standing>]>);

/// An upstream, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamHealth {
    /// Its name in the configuration.
    pub name: String,
    /// Its endpoints, in the order of the configuration.
    pub endpoints: Vec<EndpointHealth>,
}

/// An endpoint, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointHealth {
    /// Its URL.
    pub endpoint: String,
    /// Whether requests go to it.
    pub serves: bool,
    /// The word of metrics.
    pub state: &'static str,
    /// Why its health checks fail.
    pub detail: Option<String>,
}

/// How an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It takes part.
    Serving,
    /// It failed, and is left alone.
    Ejected,
    /// It was, and its share grows.
    Returning,
    /// Its health checks fail.
    Unhealthy,
}

impl State {
    const WORDS: [&str; 4] = ["serving", "ejected", "returning", "unhealthy"];

    /// The word in metrics.
    pub(crate) const fn word(self) -> &'static str {
        let [serving, ejected, returning, unhealthy] = Self::WORDS;
        match self {
            Self::Serving => serving,
            Self::Ejected => ejected,
            Self::Returning => returning,
            Self::Unhealthy => unhealthy,
        }
    }
}

/// One upstream.
#[derive(Debug)]
pub(crate) struct Standing {
    name: String,
    endpoints: Vec<EndpointStanding>,
    ejection: Ejection,
    /// Times are milliseconds from here.
    start: Instant,
    /// Held while somebody decides whether one more may go.
    ejecting: Mutex<()>,
    pub(crate) line: Arc<Line>,
    pub(crate) metrics: UpstreamMetrics,
}

#[derive(Debug)]
struct EndpointStanding {
    label: String,
    /// In a row.
    failures: AtomicU32,
    /// When it is asked again; 0: it was never left alone, or has returned.
    out_until: AtomicU64,
    /// Times it was left alone since it last returned.
    spells: AtomicU32,
    unhealthy: AtomicBool,
    /// Why its health checks fail.
    trouble: Mutex<Option<String>>,
    slots: Arc<Slots>,
    metrics: EndpointMetrics,
}

impl Standings {
    /// Nothing is known yet, and everybody takes part.
    pub fn new(upstreams: &[config::Upstream], metrics: &Metrics) -> Self {
        Self(upstreams.iter().map(|upstream| Arc::new(Standing::new(upstream, metrics))).collect())
    }

    /// Those of the `upstreams` that come next: where `same` says so of a name, what is known goes on.
    #[must_use]
    pub fn succeeded(
        &self,
        upstreams: &[config::Upstream],
        metrics: &Metrics,
        same: impl Fn(&str) -> bool,
    ) -> Self {
        let next = |upstream: &config::Upstream| {
            let kept = self.0.iter().find(|one| one.name == upstream.name && same(&upstream.name));
            kept.map_or_else(|| Arc::new(Standing::new(upstream, metrics)), Arc::clone)
        };
        Self(upstreams.iter().map(next).collect())
    }

    /// Whether these are the same as `others`, one for one.
    pub fn are(&self, others: &Self) -> bool {
        self.0.len() == others.0.len() && self.0.iter().zip(others.0.iter()).all(|(a, b)| Arc::ptr_eq(a, b))
    }

    /// Brings the gauges up to now.
    pub fn show(&self) {
        for upstream in self.0.iter() {
            upstream.show(Instant::now());
        }
    }

    /// How every upstream is now.
    pub fn health(&self) -> Vec<UpstreamHealth> {
        self.0.iter().map(|upstream| upstream.health(Instant::now())).collect()
    }

    pub(crate) fn of(&self, upstream: usize) -> Option<&Arc<Standing>> {
        self.0.get(upstream)
    }
}

impl Standing {
    pub(crate) fn new(upstream: &config::Upstream, metrics: &Metrics) -> Self {
        let line = Arc::new(Line::new(upstream.limits.queue));
        let endpoint = |endpoint: &config::Endpoint| {
            let label = endpoint.to_string();
            EndpointStanding {
                metrics: metrics.endpoint(&upstream.name, &label, &State::WORDS),
                label,
                failures: AtomicU32::new(0),
                out_until: AtomicU64::new(0),
                spells: AtomicU32::new(0),
                unhealthy: AtomicBool::new(false),
                trouble: Mutex::default(),
                slots: Slots::new(upstream.limits.connections, Arc::clone(&line)),
            }
        };
        Self {
            name: upstream.name.clone(),
            endpoints: upstream.endpoints.iter().map(endpoint).collect(),
            ejection: upstream.ejection,
            start: Instant::now(),
            ejecting: Mutex::new(()),
            line,
            metrics: metrics.upstream(&upstream.name),
        }
    }

    /// How the endpoint at `at` is.
    pub(crate) fn state(&self, at: usize, now: Instant) -> State {
        match self.endpoints.get(at) {
            Some(endpoint) if endpoint.unhealthy.load(Ordering::Relaxed) => State::Unhealthy,
            Some(endpoint) => match endpoint.out_until.load(Ordering::Relaxed) {
                0 => State::Serving,
                until => match self.millis(now).checked_sub(until) {
                    None => State::Ejected,
                    Some(back) if back < as_millis(self.ejection.slow_return) => State::Returning,
                    Some(_) => State::Serving,
                },
            },
            None => State::Serving,
        }
    }

    /// Of 256 requests, how many it may be asked for.
    pub(crate) fn share(&self, at: usize, now: Instant) -> u64 {
        match self.state(at, now) {
            State::Serving => 256,
            State::Ejected | State::Unhealthy => 0,
            State::Returning => {
                let until = self.endpoints.get(at).map_or(0, |one| one.out_until.load(Ordering::Relaxed));
                let back = self.millis(now).saturating_sub(until);
                (back * 256 / as_millis(self.ejection.slow_return).max(1)).max(SHARE_MIN)
            }
        }
    }

    /// The places for connections of the endpoint at `at`.
    pub(crate) fn slots(&self, at: usize) -> Option<&Arc<Slots>> {
        self.endpoints.get(at).map(|endpoint| &endpoint.slots)
    }

    /// It answered; for an endpoint without a past that is one look at a number.
    pub(crate) fn answered(&self, at: usize, now: Instant) {
        let Some(endpoint) = self.endpoints.get(at) else { return };
        if endpoint.failures.load(Ordering::Relaxed) != 0 {
            endpoint.failures.store(0, Ordering::Relaxed);
        }
        if endpoint.out_until.load(Ordering::Relaxed) != 0 && self.state(at, now) == State::Serving {
            endpoint.out_until.store(0, Ordering::Relaxed);
            endpoint.spells.store(0, Ordering::Relaxed);
            tracing::info!(upstream = %self.name, endpoint = %endpoint.label, "the endpoint has returned");
        }
    }

    /// It did not answer, or took no connection.
    pub(crate) fn failed(&self, at: usize, now: Instant) {
        let Some(endpoint) = self.endpoints.get(at) else { return };
        endpoint.metrics.failures.inc();
        if self.endpoints.len() < 2 || self.ejection.failures == 0 {
            return;
        }
        let failures = endpoint.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        match self.state(at, now) {
            State::Serving if failures >= self.ejection.failures => self.eject(at, endpoint, now),
            State::Returning => self.eject(at, endpoint, now),
            State::Serving | State::Ejected | State::Unhealthy => {}
        }
    }

    /// What its health checks say: nothing, or why they fail.
    pub(crate) fn checked(&self, at: usize, trouble: Option<String>) {
        let Some(endpoint) = self.endpoints.get(at) else { return };
        let unhealthy = trouble.is_some();
        let before = endpoint.unhealthy.swap(unhealthy, Ordering::Relaxed);
        match &trouble {
            Some(why) if !before => {
                tracing::warn!(upstream = %self.name, endpoint = %endpoint.label, %why, "health checks fail");
            }
            None if before => {
                tracing::info!(upstream = %self.name, endpoint = %endpoint.label, "health checks pass");
            }
            Some(_) | None => {}
        }
        *endpoint.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    fn health(&self, now: Instant) -> UpstreamHealth {
        let endpoints = self.endpoints.iter().enumerate().map(|(at, endpoint)| {
            let state = self.state(at, now);
            EndpointHealth {
                endpoint: endpoint.label.clone(),
                serves: matches!(state, State::Serving | State::Returning),
                state: state.word(),
                detail: endpoint.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            }
        });
        UpstreamHealth { name: self.name.clone(), endpoints: endpoints.collect() }
    }

    fn eject(&self, at: usize, endpoint: &EndpointStanding, now: Instant) {
        let _deciding = self.ejecting.lock().unwrap_or_else(PoisonError::into_inner);
        let out = |at: usize| matches!(self.state(at, now), State::Ejected | State::Unhealthy);
        let others_out = (0..self.endpoints.len()).filter(|other| *other != at && out(*other)).count();
        if out(at) || others_out + 1 > self.endpoints.len() / 2 {
            return;
        }
        let spells = endpoint.spells.fetch_add(1, Ordering::Relaxed).min(16);
        let time = self.ejection.time.saturating_mul(1 << spells).min(EJECTION_MAX.max(self.ejection.time));
        endpoint.out_until.store(self.millis(now + time).max(1), Ordering::Relaxed);
        endpoint.failures.store(0, Ordering::Relaxed);
        endpoint.metrics.ejections.inc();
        tracing::warn!(
            upstream = %self.name, endpoint = %endpoint.label, seconds = time.as_secs_f64(),
            "the endpoint fails and is left alone"
        );
    }

    fn show(&self, now: Instant) {
        for (at, endpoint) in self.endpoints.iter().enumerate() {
            endpoint.metrics.set_state(self.state(at, now).word());
            endpoint.metrics.connections.set(i64::try_from(endpoint.slots.open()).unwrap_or(i64::MAX));
        }
        self.metrics.waiting.set(i64::try_from(self.line.waiting()).unwrap_or(i64::MAX));
    }

    fn millis(&self, now: Instant) -> u64 {
        as_millis(now.saturating_duration_since(self.start))
    }
}

fn as_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::tests::to_ports;

    const SECOND: Duration = Duration::from_secs(1);

    fn standing(endpoints: u16) -> Standing {
        let mut upstream = to_ports(&(1..=endpoints).collect::<Vec<_>>());
        upstream.ejection = Ejection { failures: 3, time: SECOND * 5, slow_return: SECOND * 10 };
        Standing::new(&upstream, &Metrics::new())
    }

    fn fail(standing: &Standing, at: usize, times: usize, now: Instant) {
        (0..times).for_each(|_| standing.failed(at, now));
    }

    #[test]
    fn the_only_endpoint_is_never_left_alone() {
        let (standing, now) = (standing(1), Instant::now());
        fail(&standing, 0, 100, now);
        assert_eq!(standing.state(0, now), State::Serving);
    }

    #[test]
    fn never_more_than_half_of_them_are_left_alone() {
        for (endpoints, most) in [(2, 1), (3, 1), (4, 2), (5, 2)] {
            let (standing, now) = (standing(endpoints), Instant::now());
            (0..usize::from(endpoints)).for_each(|at| fail(&standing, at, 100, now));
            let out = (0..usize::from(endpoints)).filter(|at| standing.share(*at, now) == 0).count();
            assert_eq!(out, most, "of {endpoints}");
        }
    }

    #[test]
    fn an_answer_in_between_begins_the_count_anew() {
        let (standing, now) = (standing(2), Instant::now());
        fail(&standing, 0, 2, now);
        standing.answered(0, now);
        fail(&standing, 0, 2, now);
        assert_eq!(standing.state(0, now), State::Serving);
        fail(&standing, 0, 1, now);
        assert_eq!(standing.state(0, now), State::Ejected);
    }

    #[test]
    fn a_return_is_slow_and_its_first_failure_ends_it_for_twice_as_long() {
        let (standing, now) = (standing(2), Instant::now());
        fail(&standing, 0, 3, now);
        assert_eq!(standing.share(0, now + SECOND * 4), 0);
        let shares: Vec<u64> = (5..=15).map(|at| standing.share(0, now + SECOND * at)).collect();
        assert_eq!((shares[0], shares[5], shares[10]), (SHARE_MIN, 128, 256));
        assert!(shares.is_sorted(), "{shares:?}");
        fail(&standing, 0, 1, now + SECOND * 6);
        assert_eq!(standing.share(0, now + SECOND * 15), 0);
        assert_eq!(standing.state(0, now + SECOND * 17), State::Returning);
    }

    #[test]
    fn who_has_returned_is_forgiven() {
        let (standing, now) = (standing(2), Instant::now());
        fail(&standing, 0, 3, now);
        standing.answered(0, now + SECOND * 20);
        fail(&standing, 0, 3, now + SECOND * 21);
        assert_eq!(standing.share(0, now + SECOND * 25), 0);
        assert_eq!(standing.state(0, now + SECOND * 27), State::Returning, "five seconds, not ten");
    }

    #[test]
    fn the_longest_time_is_bounded() {
        let (standing, mut now) = (standing(2), Instant::now());
        fail(&standing, 0, 3, now);
        for _ in 0..40 {
            now += EJECTION_MAX;
            assert_ne!(standing.share(0, now), 0);
            fail(&standing, 0, 3, now);
        }
    }
}

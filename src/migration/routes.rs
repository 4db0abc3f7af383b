//! What is known of every route.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::UnixMillis;
use crate::config::RouteId;
use crate::migration::comparisons::Comparisons;
use crate::migration::rollout::Rollout;
use crate::state::State;

/// All routes; [`RouteId`] indexes it.
#[derive(Debug, Default)]
pub struct Migration(Vec<RouteMigration>);

/// One route.
#[derive(Debug)]
pub struct RouteMigration {
    /// What was compared; `None`: its rules are enforced for everybody.
    pub comparisons: Option<Arc<Comparisons>>,
    /// Whom its rules count for; `None`: everybody.
    pub rollout: Option<Arc<Rollout>>,
    /// The upstreams that may get its requests.
    cookies: Vec<CookiesAt>,
}

/// Requests that went to an upstream with a session cookie and without a token.
#[derive(Debug)]
struct CookiesAt {
    upstream: String,
    count: AtomicU64,
    /// When the last one did, in milliseconds; 0: never.
    last: AtomicU64,
}

impl Migration {
    /// One for each route, in their order.
    pub fn new(routes: impl Iterator<Item = RouteMigration>) -> Self {
        Self(routes.collect())
    }

    /// The rollout that has the plan of this one, for the same route.
    pub fn same(&self, other: &Rollout) -> Option<Arc<Rollout>> {
        self.0.iter().filter_map(|route| route.rollout.as_ref()).find(|rollout| rollout.is(other)).cloned()
    }

    /// What is known of a route.
    pub fn of(&self, route: RouteId) -> Option<&RouteMigration> {
        self.0.get(route.0)
    }

    /// Whether any route moves its users over.
    pub fn moves(&self) -> bool {
        self.0.iter().any(|route| route.rollout.is_some())
    }

    /// Has the rollout of this route begin again, after everybody went back; whether there is one.
    pub fn resume(&self, route: &str) -> bool {
        let rollouts = self.0.iter().filter_map(|route| route.rollout.as_ref());
        let mut named = rollouts.filter(|rollout| rollout.route() == route);
        named.next().map(|rollout| rollout.resume()).is_some()
    }

    /// Looks after every rollout once: see [`Rollout::tend`].
    pub async fn tend(&self, state: Option<&State>, now: UnixMillis) {
        for rollout in self.0.iter().filter_map(|route| route.rollout.as_ref()) {
            if let Err(error) = rollout.tend(state, now).await {
                tracing::debug!(%error, "a rollout could not be looked up in the state; it stays as it is");
            }
        }
    }
}

impl RouteMigration {
    /// One route: the upstreams that may get its requests, and its rollout. What is known of the same route `before` goes on; what was
    /// compared, only where that is given, and where its rules do not count for everybody.
    pub fn new(
        upstreams: &[&str],
        (shadow, rollout): (bool, Option<Arc<Rollout>>),
        before: Option<&Self>,
        compared: Option<Arc<Comparisons>>,
    ) -> Self {
        let comparisons = (shadow || rollout.is_some()).then(|| compared.unwrap_or_default());
        let known = |upstream: &str| before.and_then(|before| before.at(upstream));
        let cookies = upstreams.iter().map(|upstream| CookiesAt::new(upstream, known(upstream))).collect();
        Self { comparisons, rollout, cookies }
    }

    /// Notes that a request went to this upstream with a session cookie and without a token.
    pub fn note_cookie(&self, upstream: &str, now: UnixMillis) {
        let Some(at) = self.at(upstream) else { return };
        at.count.fetch_add(1, Ordering::Relaxed);
        // To the second: many workers write here.
        if at.last.load(Ordering::Relaxed) / 1000 != now.as_secs() {
            at.last.store(now.as_millis(), Ordering::Relaxed);
        }
    }

    /// Each upstream that got such requests, with how many and when the last one.
    pub fn cookies(&self) -> impl Iterator<Item = (&str, u64, UnixMillis)> {
        let counted = self.cookies.iter().map(|at| {
            let last = UnixMillis::new(at.last.load(Ordering::Relaxed));
            (at.upstream.as_str(), at.count.load(Ordering::Relaxed), last)
        });
        counted.filter(|(_, count, _)| *count > 0)
    }

    fn at(&self, upstream: &str) -> Option<&CookiesAt> {
        self.cookies.iter().find(|at| at.upstream == upstream)
    }
}

impl CookiesAt {
    fn new(upstream: &str, known: Option<&Self>) -> Self {
        let copied = |number: fn(&Self) -> &AtomicU64| {
            AtomicU64::new(known.map_or(0, |known| number(known).load(Ordering::Relaxed)))
        };
        let (count, last) = (copied(|at| &at.count), copied(|at| &at.last));
        Self { upstream: upstream.to_owned(), count, last }
    }
}

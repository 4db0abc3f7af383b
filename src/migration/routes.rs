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
    /// When a request last went out with a session cookie and without a token, in milliseconds; 0: never.
    last_cookie: AtomicU64,
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
    /// One route: whether it is a shadow, and its rollout. What is known of the same route `before` goes on; what was compared, only where
    /// that is given.
    pub fn new(
        shadow: bool,
        rollout: Option<Arc<Rollout>>,
        before: Option<&Self>,
        compared: Option<Arc<Comparisons>>,
    ) -> Self {
        let comparisons = (shadow || rollout.is_some()).then(|| compared.unwrap_or_default());
        let last_cookie = before.map_or(0, |before| before.last_cookie.load(Ordering::Relaxed));
        Self { comparisons, rollout, last_cookie: AtomicU64::new(last_cookie) }
    }

    /// Notes that a request went out with a session cookie and without a token.
    pub fn note_cookie(&self, now: UnixMillis) {
        // To the second: many workers write here.
        if self.last_cookie.load(Ordering::Relaxed) / 1000 != now.as_secs() {
            self.last_cookie.store(now.as_millis(), Ordering::Relaxed);
        }
    }

    /// When that was, if ever.
    pub fn last_cookie(&self) -> Option<UnixMillis> {
        Some(self.last_cookie.load(Ordering::Relaxed)).filter(|at| *at > 0).map(UnixMillis::new)
    }
}

//! How far every route and upstream is on the way from the app's sessions to our tokens.

use crate::clock::UnixMillis;
use crate::migration::{Compared, CookiesAt, Moving, Report, RouteMigration, RouteReport, UpstreamReport};
use crate::pipeline::gateway::Shared;
use crate::pipeline::route_state::RouteState;
use crate::route::Route;
use crate::state::State;

impl Shared {
    /// All of it, as counted since `since`.
    pub fn progress(&self, since: UnixMillis) -> Report {
        let fetched_by = self.ring().fetchers(self.now());
        let routes: Vec<RouteReport> = self
            .routes()
            .routes()
            .iter()
            .filter_map(|route| Some(self.progress_of(route, self.state_of(route.id)?)))
            .collect();
        let upstreams = self
            .config
            .upstreams
            .iter()
            .map(|upstream| UpstreamReport::of(&upstream.name, &routes, !fetched_by.is_empty()));
        let upstreams = upstreams.collect();
        Report { since: since.rfc3339(), fetched_by, upstreams, routes }
    }

    fn progress_of(&self, route: &Route, state: &RouteState) -> RouteReport {
        let (rules, metrics) = (&route.rules, &state.metrics);
        let migration = self.migration().of(route.id);
        let rest = rules.rollout.as_ref().and_then(|rollout| self.config.upstreams.get(rollout.rest.0));
        RouteReport {
            route: route.label(),
            upstream: state.passage.name.clone(),
            state: match (state.is_open(), rules.shadow, rules.rollout.is_some()) {
                (true, ..) => "open",
                (false, true, _) => "shadow",
                (false, false, true) => "rollout",
                (false, false, false) => "enforced",
            },
            with_token: metrics.with_token.get(),
            with_cookie: metrics.with_cookie.get(),
            with_neither: metrics.with_neither.get(),
            refused: metrics.refused.get(),
            disagreements: metrics.disagreed.get(),
            cookies: migration.into_iter().flat_map(RouteMigration::cookies).map(CookiesAt::of).collect(),
            rollout: migration
                .and_then(|route| route.rollout.as_ref())
                .map(|rollout| Moving::of(rollout, rest.map_or("", |rest| &rest.name))),
            compared: migration
                .and_then(|route| route.comparisons.as_ref())
                .map(|comparisons| Compared::all(comparisons))
                .unwrap_or_default(),
        }
    }

    /// Looks after the rollouts for as long as the worker lives.
    pub async fn tend_rollouts(&self, state: Option<&State>) {
        loop {
            self.migration().tend(state, self.now()).await;
            tokio::time::sleep(crate::migration::TEND_EVERY).await;
        }
    }

    /// Shows in the metrics whom the rollouts have moved.
    pub fn show_rollouts(&self) {
        for route in self.routes().routes() {
            if let Some(rollout) = self.migration().of(route.id).and_then(|route| route.rollout.as_ref()) {
                self.metrics()
                    .migration
                    .set_rollout_share(&route.rules.path.value, rollout.at().share.fraction());
            }
        }
    }
}

//! What the path works with on one route.

use crate::config::{Balance, Config, ProfileId};
use crate::pipeline::own_cookies::cares;
use crate::respond::{CookieCare, LoginTemplate};
use crate::route::{Grant, Route};
use crate::session::{Policy, Profile};
use crate::telemetry::{Metrics, RouteMetrics};
use crate::token::{Minter, RouteTemplates};

/// What the path needs of one route.
#[derive(Debug)]
pub struct RouteState {
    /// Its rules' permissions.
    pub(super) grant: Grant,
    pub(super) templates: Option<RouteTemplates>,
    /// Session cookies that this route neither forwards nor lets its upstream set.
    pub(super) cookies_kept_here: Vec<String>,
    pub(super) login: Option<LoginTemplate>,
    pub(super) policy: Policy,
    pub(super) body_limit: Option<u64>,
    pub(super) metrics: RouteMetrics,
    pub(super) upstream: String,
    /// Whether the upstream keeps a session at one endpoint.
    pub(super) sticky: bool,
    /// What is looked after in the session cookies that its upstream sets.
    pub(super) cares: Vec<(ProfileId, CookieCare)>,
    /// Whether its answers show how an app sends its cookie again.
    pub(super) learns: bool,
}

impl RouteState {
    pub(super) fn new(
        route: &Route,
        config: &Config,
        profiles: &[Profile],
        cookies_kept_here: Vec<String>,
        (minter, metrics): (&Minter, &Metrics),
    ) -> Self {
        let rules = &route.rules;
        let upstream = config.upstreams.get(rules.upstream.0);
        Self {
            grant: route.grant(),
            templates: minter.templates_of(route.id),
            cares: cares(route, config, profiles),
            cookies_kept_here,
            login: rules.login.as_ref().map(|login| LoginTemplate::new(&login.value)),
            policy: Policy { freshness: rules.freshness, outage: rules.outage, ..Policy::default() },
            body_limit: rules.body_limit.or(config.server.limits.body),
            metrics: metrics.route(&rules.path.value),
            learns: rules.forward_cookie
                && rules.sessions.iter().any(|id| profiles.get(id.0).is_some_and(Profile::keeps_alive)),
            sticky: upstream.is_some_and(|upstream| upstream.balance == Balance::HashSession),
            upstream: upstream.map(|upstream| upstream.name.clone()).unwrap_or_default(),
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.grant, Grant::Open(_))
    }
}

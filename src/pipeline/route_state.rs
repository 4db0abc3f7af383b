//! What the path works with on one route.

use crate::config::{Access, Config};
use crate::pipeline::passage::{Credentials, Passage};
use crate::pipeline::transit::{Kind, Transit};
use crate::respond::LoginTemplate;
use crate::route::{Anonymous, Grant, Route};
use crate::session::{Policy, Profile};
use crate::telemetry::{Metrics, RouteMetrics};
use crate::token::{Minter, RouteTemplates};

/// What the path needs of one route.
#[derive(Debug)]
pub struct RouteState {
    /// Its rules' permissions.
    pub(super) grant: Grant,
    pub(super) templates: Option<RouteTemplates>,
    pub(super) login: Option<LoginTemplate>,
    pub(super) policy: Policy,
    pub(super) body_limit: Option<u64>,
    pub(super) metrics: RouteMetrics,
    /// Where requests go that its rules let pass, and how.
    pub(super) passage: Passage,
    /// Where they go instead as long as the route is on its way to its rules.
    pub(super) transit: Option<Transit>,
    /// Where bearers go that are of none of its issuers.
    pub(super) elsewhere: Option<(Passage, Anonymous)>,
}

impl RouteState {
    pub(super) fn new(
        route: &Route,
        config: &Config,
        profiles: &[Profile],
        (cookies_kept_here, always_kept): (Vec<String>, &[String]),
        (minter, metrics): (&Minter, &Metrics),
    ) -> Self {
        let rules = &route.rules;
        let credentials = Credentials {
            cookie: rules.forward_cookie,
            authorization: rules.forward_authorization,
            says_anonymous: rules.access != Access::Open,
        };
        let old = match (&rules.rollout, rules.shadow) {
            (Some(rollout), _) => Some((Kind::Rollout, rollout.rest)),
            (None, true) => Some((Kind::Shadow, rules.upstream)),
            (None, false) => None,
        };
        let transit = old.zip(route.as_before()).map(|((kind, upstream), anonymous)| {
            // What the gateway alone may send and read stays here also on the old way.
            let kept_here = always_kept.to_vec();
            let old = Passage::new(route, upstream, Credentials::UNTOUCHED, kept_here, (config, profiles));
            Transit { kind, old, anonymous }
        });
        let elsewhere = route.elsewhere().map(|(upstream, anonymous)| {
            let credentials = Credentials { cookie: false, authorization: true, says_anonymous: false };
            let sessions = profiles.iter().flat_map(|profile| profile.format.cookie_names());
            let kept_here = sessions.chain(always_kept.iter().cloned()).collect();
            (Passage::new(route, upstream, credentials, kept_here, (config, profiles)), anonymous)
        });
        Self {
            transit,
            elsewhere,
            grant: route.grant(),
            templates: minter.templates_of(route.id),
            passage: Passage::new(route, rules.upstream, credentials, cookies_kept_here, (config, profiles)),
            login: rules.login.as_ref().map(|login| LoginTemplate::new(&login.value)),
            policy: Policy { freshness: rules.freshness, outage: rules.outage, ..Policy::default() },
            body_limit: rules.body_limit.or(config.server.limits.body),
            metrics: metrics.route(&rules.path.value),
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.grant, Grant::Open(_))
    }
}

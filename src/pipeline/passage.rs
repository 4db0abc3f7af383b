//! How a request that passes goes on from here.

use crate::config::{self, Balance, Config, ProfileId, UpstreamId};
use crate::pipeline::own_cookies::cares;
use crate::request::HeaderRules;
use crate::respond::CookieCare;
use crate::route::Route;
use crate::session::Profile;

/// One way from a route to an upstream, and what travels on it.
#[derive(Debug)]
pub(super) struct Passage {
    pub(super) upstream: UpstreamId,
    /// The upstream's name, for the access line.
    pub(super) name: String,
    /// Session cookies that neither go there nor may be set from there.
    pub(super) cookies_kept_here: Vec<String>,
    /// Whether the session cookie goes there.
    pub(super) forward_cookie: bool,
    /// Whether the client's own Authorization does.
    pub(super) forward_authorization: bool,
    /// Whether it is told that nobody is known.
    pub(super) says_anonymous: bool,
    /// Whether the upstream keeps a session at one endpoint.
    pub(super) sticky: bool,
    /// Whether the upstream is told whom a connection is made for.
    pub(super) introduces: bool,
    /// What is looked after in the session cookies that its upstream sets.
    pub(super) cares: Vec<(ProfileId, CookieCare)>,
    /// Whether the upstream knows the route's paths by other names.
    pub(super) rewrites: bool,
    /// What is done to the headers of requests and of answers.
    pub(super) request_headers: Option<Box<HeaderRules>>,
    pub(super) response_headers: Option<Box<HeaderRules>>,
    /// Whether its answers show how an app sends its cookie again.
    pub(super) learns: bool,
}

/// What of a client's own credentials travels on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Credentials {
    pub(super) cookie: bool,
    pub(super) authorization: bool,
    /// Whether the upstream is told that nobody is known.
    pub(super) says_anonymous: bool,
}

impl Credentials {
    /// As on an open route that says nothing else.
    pub(super) const UNTOUCHED: Self = Self { cookie: true, authorization: true, says_anonymous: false };
}

impl Passage {
    /// From `route` to `upstream`; `kept_here` are the cookies that never travel without the session cookie's leave.
    pub(super) fn new(
        route: &Route,
        upstream: UpstreamId,
        credentials: Credentials,
        cookies_kept_here: Vec<String>,
        (config, profiles): (&Config, &[Profile]),
    ) -> Self {
        let of_route = || route.rules.sessions.iter().filter(|_| credentials.cookie);
        let keeps_alive = |id: &ProfileId| profiles.get(id.0).is_some_and(Profile::keeps_alive);
        let to = config.upstreams.get(upstream.0);
        // What the route says is said of its own upstream: the one that served before knows nothing of it.
        let own = (upstream == route.rules.upstream).then_some(&route.rules);
        let none = config::HeaderRules::default();
        let of = |all: fn(&config::Upstream) -> &config::HeaderRules, own: Option<&config::HeaderRules>| {
            HeaderRules::of(to.map_or(&none, all), own.unwrap_or(&none))
        };
        Self {
            upstream,
            rewrites: own.is_some_and(|rules| rules.rewrite.is_some()),
            request_headers: of(|to| &to.request_headers, own.map(|rules| &rules.request_headers)),
            response_headers: of(|to| &to.response_headers, own.map(|rules| &rules.response_headers)),
            cookies_kept_here,
            forward_cookie: credentials.cookie,
            forward_authorization: credentials.authorization,
            says_anonymous: credentials.says_anonymous,
            sticky: to.is_some_and(|upstream| upstream.balance == Balance::HashSession),
            introduces: to.is_some_and(|upstream| upstream.proxy_protocol.is_some()),
            cares: cares(of_route(), config, profiles),
            learns: of_route().any(keeps_alive),
            name: to.map(|upstream| upstream.name.clone()).unwrap_or_default(),
        }
    }
}

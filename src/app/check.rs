//! What a configuration promises, without starting it.

mod clients;
mod issuer;
mod shared_secret;

pub use issuer::CheckedIssuer;

use crate::app::generation::both;
use crate::clock::Clock;
use crate::config::{
    Access, Backend, Config, ConfigError, Freshness, IdleTouch, Issuer, Outage, Profile, Route, Store,
    SubjectType, Topology,
};
use crate::pipeline::Shared;
use crate::request::Path;
use crate::route::Found;
use crate::telemetry::Metrics;
use crate::tls::{self, Challenges, Ordered};
use http::Method;
use http::uri::PathAndQuery;
use std::sync::Arc;
use std::time::Duration;

/// RFC 7518 §3.2: an HMAC key is at least as long as its hash.
const HMAC_BYTES_MIN: usize = 32;

/// A configuration without mistakes.
#[derive(Debug)]
pub struct Checked {
    /// Every route, in the order of the file.
    pub routes: Vec<CheckedRoute>,
    /// Every issuer of bearers, in the order of the file.
    pub issuers: Vec<CheckedIssuer>,
    /// What is allowed and worth a second look.
    pub warnings: Vec<String>,
}

/// One route and what it guarantees.
#[derive(Debug)]
pub struct CheckedRoute {
    /// Host and path.
    pub pattern: String,
    /// Its access, in the configuration's word.
    pub access: &'static str,
    /// Its upstream.
    pub upstream: String,
    /// The issuers whose bearers it accepts.
    pub issuers: Vec<String>,
    /// What kinds of token its service gets; none on an open route.
    pub tokens: Vec<&'static str>,
    /// Whether that service knows a user by a `sub` of its own.
    pub is_pairwise: bool,
    /// Whether each token is for one request alone.
    pub is_bound: bool,
    /// The upstream that judges bearers of none of its issuers.
    pub other_bearers: Option<String>,
    /// How far its rules count already, in words; `None`: for everybody.
    pub transit: Option<String>,
    /// How long a revoked session may be honoured; `None` where none is asked for.
    pub bound: Option<Bound>,
}

/// The longest a revoked session may be honoured by a service, and what it is the sum of.
#[derive(Debug)]
pub struct Bound {
    /// At the gateway, while its stores can be asked or their leases hold.
    pub revocation: Duration,
    /// What `serve_known` adds in an outage; zero without.
    pub serve_known: Duration,
    /// What is left of a token that was handed out just before.
    pub ttl: Duration,
    /// What a service's clock may be behind.
    pub skew: Duration,
    /// All of it.
    pub total: Duration,
    /// Profiles and issuers of the route for which none of this counts: their sessions are in no store, and last until their `exp`.
    pub carried: Vec<String>,
}

/// Checks everything that `serve` would, and writes nothing: where a key is missing, one that is thrown away stands in.
///
/// # Errors
/// Every mistake the rooms find.
pub fn check(mut config: Config) -> Result<Checked, Vec<ConfigError>> {
    let routes = config.routes.iter().map(|route| checked_route(route, &config)).collect();
    let mut warnings = split_cookies(&config);
    if config.routes.is_empty() {
        warnings.push("there are no routes: every request gets 404".to_owned());
    }
    warnings.extend(config.profiles.iter().filter(|profile| profile.store.is_none()).flat_map(carried));
    warnings.extend(config.stores.iter().filter_map(lone_server));
    warnings.extend(unstated_touches(&config));
    warnings.extend(idle_pairs(&config));
    warnings.extend(lone_rollouts(&config));
    warnings.extend(one_address_for_all(&config));
    warnings.extend(issuer::warnings(&config));
    warnings.extend(shared_secret::warnings(&config));
    warnings.extend(clients::warnings(&config));
    let issuers = config.issuers.iter().map(issuer::checked).collect();
    config.tokens.stand_in = true;
    let now = Clock::System.now();
    let (server, challenges) = (&config.server, Challenges::default());
    let ordered = server.acme.as_ref().map(|acme| Ordered { names: &acme.names, challenges: &challenges });
    let tls = tls::Server::build(&server.certificates, &server.client_certificates, None, ordered, now);
    let shared = Shared::build(config, Clock::System, Arc::new(Metrics::new()), None);
    both(shared, tls).map(|(shared, tls)| {
        warnings.extend(tls.iter().flat_map(|tls| tls.warnings(now)));
        warnings.extend(dead_ends(&shared));
        warnings.extend(shared.ring().warnings().iter().map(ToString::to_string));
        Checked { routes, issuers, warnings }
    })
}

fn checked_route(route: &Route, config: &Config) -> CheckedRoute {
    let hosts: Vec<&str> = route.hosts.iter().map(|host| host.value.as_str()).collect();
    let upstream =
        config.upstreams.get(route.upstream.0).map(|upstream| upstream.name.clone()).unwrap_or_default();
    CheckedRoute {
        pattern: format!("{}{}", hosts.join(","), route.path.value),
        access: route.access.word(),
        upstream,
        issuers: route
            .issuers
            .iter()
            .filter_map(|id| config.issuers.get(id.0))
            .map(|issuer| issuer.name.clone())
            .collect(),
        tokens: match route.access {
            Access::Open => Vec::new(),
            Access::Optional | Access::Session | Access::Required => {
                route.token.profiles.iter().map(|profile| profile.word()).collect()
            }
        },
        is_pairwise: route.token.subject_type == SubjectType::Pairwise,
        is_bound: route.token.bound,
        other_bearers: route
            .other_bearers
            .and_then(|id| config.upstreams.get(id.0))
            .map(|upstream| upstream.name.clone()),
        transit: transit(route, config),
        bound: (route.access != Access::Open).then(|| bound(route, config)),
    }
}

fn transit(route: &Route, config: &Config) -> Option<String> {
    if route.shadow {
        return Some("shadow: decided and compared, and forwarded as on an open route".to_owned());
    }
    let rollout = route.rollout.as_ref()?;
    let rest = config.upstreams.get(rollout.rest.0).map_or("", |rest| &rest.name);
    let then: Vec<String> = rollout.steps.iter().map(|step| format!(", then {step}")).collect();
    Some(format!("rollout: for {} of the users{}; `{rest}` serves the others", rollout.share, then.concat()))
}

/// Rollouts of gateways that cannot tell each other.
fn lone_rollouts(config: &Config) -> Option<String> {
    let route = config.routes.iter().find(|route| route.rollout.is_some())?;
    config.state.is_none().then(|| {
        format!(
            "route `{}` has a rollout, and there is no [state]: each gateway takes its steps, and its way back, by itself",
            route.path.value
        )
    })
}

fn bound(route: &Route, config: &Config) -> Bound {
    let issuers = || route.issuers.iter().filter_map(|id| config.issuers.get(id.0));
    // A token of ours is judged by its session, which may be of any profile.
    let asked = |issuer: &&Issuer| issuer.keys.are_own() && config.notes_sessions();
    let of_own = config.profiles.iter().filter(|_| issuers().any(|issuer| asked(&issuer)));
    let stores = route.sessions.iter().filter_map(|id| config.profiles.get(id.0)).chain(of_own);
    let stores = stores.flat_map(Profile::stores).filter_map(|id| config.stores.get(id.0));
    let bounds = stores.map(|store| {
        let is_memory = matches!(store.backend, Backend::Memory);
        match (route.freshness.unwrap_or(store.freshness), route.outage.unwrap_or(store.outage)) {
            // Nothing can cut us off from it, and it is asked on every request.
            _ if is_memory => (Duration::ZERO, Duration::ZERO),
            // A known session was right when the lease ended, not when the request came, also where that is asked for otherwise.
            (Freshness::Strict | Freshness::Lease, Outage::ServeKnown(longest)) => {
                (store.revocation_bound, longest)
            }
            (Freshness::Lease, Outage::Deny | Outage::Anonymous) => (store.revocation_bound, Duration::ZERO),
            // Where others decide who is the primary, one that was replaced a moment ago may still be asked.
            (Freshness::Strict, Outage::Deny | Outage::Anonymous) if is_elected(store) => {
                (store.revocation_bound, Duration::ZERO)
            }
            (Freshness::Strict, Outage::Deny | Outage::Anonymous) => (Duration::ZERO, Duration::ZERO),
        }
    });
    let (revocation, serve_known) = bounds.max_by_key(|(lease, known)| *lease + *known).unwrap_or_default();
    let (ttl, skew) = (route.token.ttl, config.server.skew);
    let profiles = route.sessions.iter().filter_map(|id| config.profiles.get(id.0));
    let carried = profiles.filter(|profile| profile.store.is_none()).map(|profile| profile.name.clone());
    let others = issuers().filter(|issuer| !asked(issuer)).map(|issuer| issuer.name.clone());
    let carried = carried.chain(others);
    Bound {
        revocation,
        serve_known,
        ttl,
        skew,
        total: revocation + serve_known + ttl + skew,
        carried: carried.collect(),
    }
}

/// Whether others decide which server is the store's primary.
const fn is_elected(store: &Store) -> bool {
    match &store.backend {
        Backend::Memory => false,
        Backend::Redis { topology, .. } => !matches!(topology, Topology::Single),
    }
}

/// What whoever names one of several servers only should know.
fn lone_server(store: &Store) -> Option<String> {
    let Backend::Redis { topology, .. } = &store.backend else { return None };
    let (count, what) = match topology {
        Topology::Single => return None,
        Topology::Sentinel(group) => (group.sentinels.len(), "sentinel"),
        Topology::Cluster(nodes) => (nodes.len(), "node"),
    };
    let name = &store.name;
    (count == 1).then(|| {
        format!(
            "store `{name}` names one {what}: while that is down, no gateway that starts finds the others"
        )
    })
}

/// What whoever keeps sessions in the cookie alone should know.
fn carried(profile: &Profile) -> Vec<String> {
    let name = &profile.name;
    let mut warnings = vec![format!(
        "profile `{name}` takes the session from the cookie alone: neither a logout nor a revocation ends it before its `exp`, and `freshness` does not count for it"
    )];
    let missing_exp = profile.options.missing_exp.as_ref();
    if missing_exp.is_some_and(|missing| missing.value == "never-expires") {
        warnings.push(format!("profile `{name}`: a token without `exp` is a session that nothing ever ends"));
    }
    let shortest = profile.options.secrets.iter().map(|secret| secret.value.expose().len()).min();
    if let Some(bytes) = shortest.filter(|bytes| *bytes < HMAC_BYTES_MIN) {
        warnings.push(format!(
            "profile `{name}`: a secret of {bytes} bytes can be guessed from one token; HS256 wants {HMAC_BYTES_MIN}"
        ));
    }
    warnings
}

/// Sliding profiles on routes that bypass the app, which do not say who keeps their sessions alive there.
pub(super) fn unstated_touches(config: &Config) -> Vec<String> {
    let unstated = config.profiles.iter().enumerate().filter_map(|(at, profile)| {
        let bypasses = |route: &&Route| {
            let names_it = route.sessions.iter().any(|id| id.0 == at);
            route.access != Access::Open && !route.forward_cookie && names_it
        };
        if profile.idle_touch.is_some() || !profile.framework.value.slides() {
            return None;
        }
        let route = config.routes.iter().find(bypasses)?;
        Some(format!(
            "profile `{}`: its app keeps a session alive while it is used, but does not see requests to `{}`; say `idle_touch = \"gateway\"`, \
             and we do it in its place, or `idle_touch = \"off\"`, and who uses such routes alone is logged out",
            profile.name, route.path.value
        ))
    });
    unstated.collect()
}

/// Rates by address where every request comes from the same: a gateway that nobody else can reach has a proxy in front.
fn one_address_for_all(config: &Config) -> Option<String> {
    let server = &config.server;
    let behind =
        server.trusted_proxies.is_empty() && server.listen.iter().all(|listen| listen.ip().is_loopback());
    let by_address = config.rates.client.or(config.rates.lookups).is_some()
        || config.routes.iter().any(|route| route.rates.client.is_some());
    (behind && by_address).then(|| {
        "rates are counted by client address, but only this machine can connect and `server.trusted_proxies` is empty: all clients of \
         a proxy in front count as one"
            .to_owned()
    })
}

/// Profiles whose sessions idle out although their pairs are refreshed.
fn idle_pairs(config: &Config) -> Vec<String> {
    let ids = config.pair.iter().flat_map(|pair| &pair.sessions);
    let profiles = ids.filter_map(|id| config.profiles.get(id.0));
    let idling = profiles.filter(|profile| {
        profile.framework.value.slides() && !matches!(profile.idle_touch, Some(IdleTouch::Gateway { .. }))
    });
    idling
        .map(|profile| {
            format!(
                "profile `{}`: a refresh of a token pair does not keep its session alive, and the pair ends with it; say \
                 `idle_touch = \"gateway\"`, and it does",
                profile.name
            )
        })
        .collect()
}

/// Upstreams that get the session cookie on some of their routes only: what they set on the others is dropped.
fn split_cookies(config: &Config) -> Vec<String> {
    let forwards = |upstream: usize, wanted: bool| {
        config.routes.iter().find(|route| route.upstream.0 == upstream && route.forward_cookie == wanted)
    };
    let split = config.upstreams.iter().enumerate().filter_map(|(at, upstream)| {
        let (with, without) = (forwards(at, true)?, forwards(at, false)?);
        Some(format!(
            "upstream `{}` gets the session cookie on `{}` and not on `{}`: what it sets there is dropped",
            upstream.name, with.path.value, without.path.value
        ))
    });
    split.collect()
}

/// Routes whose `login` leads to where a browser without a session cannot be let in: nobody could ever log in there.
fn dead_ends(shared: &Shared) -> Vec<String> {
    let routes = shared.routes().routes();
    let everywhere: Vec<String> =
        routes.iter().flat_map(|route| hosts(&route.rules)).chain([String::new()]).collect();
    let dead_end = |route: &crate::route::Route| {
        let login = route.rules.login.as_ref().filter(|login| login.value.starts_with('/'))?;
        let place = login.value.replace("{path}", "").parse::<PathAndQuery>().ok()?;
        let path = Path::parse(&place).ok()?;
        let own = hosts(&route.rules);
        let found = |host: &String| shared.routes().find(host, &path, &Method::GET);
        let leads: Vec<Found<'_>> =
            if own.is_empty() { &everywhere } else { &own }.iter().map(found).collect();
        let admits = |found: &Found<'_>| matches!(found, Found::Route(route) if route.rules.access <= Access::Optional);
        if leads.iter().any(admits) {
            return None;
        }
        let closed = leads.iter().find_map(|found| match found {
            Found::Route(closed) => {
                Some(format!("and route `{}` there asks for a login itself", closed.rules.path.value))
            }
            Found::Nothing | Found::OtherMethods(_) => None,
        });
        let why = closed.unwrap_or_else(|| "where no route leads".to_owned());
        Some(format!("`{}` sends browsers to log in at `{}`, {why}", route.rules.path.value, path.as_str()))
    };
    routes.iter().filter_map(dead_end).collect()
}

/// One host name for each pattern of a route.
fn hosts(rules: &Route) -> Vec<String> {
    rules.hosts.iter().map(|host| host.value.replace('*', "any")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_text;
    use std::path::Path as FilePath;

    /// What a revoked session may be honoured for at the gateway, on a route with these lines.
    fn bound_of(store: &str, route: &str) -> (Duration, Duration) {
        let text = format!(
            "[stores.app]\nurl = \"redis://127.0.0.1:1/0\"\n{store}\n[sessions.app]\nframework = \"json\"\n\
             [upstreams.app]\nendpoints = [\"http://127.0.0.1:1\"]\n\
             [[routes]]\npath = \"/*\"\nupstream = \"app\"\n{route}\n"
        );
        let (config, _) =
            from_text("gateway.toml", &text, FilePath::new("."), &|_| None).expect("a configuration");
        let bound = bound(&config.routes[0], &config);
        assert_eq!(bound.total, bound.revocation + bound.serve_known + bound.ttl + bound.skew);
        (bound.revocation, bound.serve_known)
    }

    #[test]
    fn the_bound_is_the_leases_and_what_an_outage_policy_adds() {
        let secs = Duration::from_secs;
        assert_eq!(bound_of("", ""), (secs(2), secs(0)));
        assert_eq!(bound_of("revocation_bound = \"5s\"", ""), (secs(5), secs(0)));
        assert_eq!(bound_of("", "outage = { serve_known = \"30s\" }"), (secs(2), secs(30)));
        assert_eq!(bound_of("outage = { serve_known = \"30s\" }", "outage = \"deny\""), (secs(2), secs(0)));
    }

    #[test]
    fn a_token_of_ours_ends_with_its_session_where_that_is_kept() {
        let own =
            "accept = [\"bearer\"]\nissuers = [\"own\"]\n[issuers.own]\njwks = \"own\"\naudience = \"app\"";
        assert_eq!(bound_of("", own), (Duration::ZERO, Duration::ZERO), "nobody is asked");
        assert_eq!(bound_of("", &format!("{own}\n[state]")), (Duration::from_secs(2), Duration::ZERO));
    }

    #[test]
    fn a_strict_route_has_no_bound_of_its_own_unless_it_serves_what_was_known() {
        let secs = Duration::from_secs;
        assert_eq!(bound_of("", "freshness = \"strict\""), (secs(0), secs(0)));
        assert_eq!(bound_of("freshness = \"strict\"", "freshness = \"lease\""), (secs(2), secs(0)));
        let known = bound_of("freshness = \"strict\"", "outage = { serve_known = \"30s\" }");
        assert_eq!(known, (secs(2), secs(30)));
    }

    const STORE: &str = "[stores.app]\nurl = \"memory:\"\n[sessions.s]\nframework = \"json\"\nkey = \"{id}\"\ncookie = \"c\"\nsubject = \"user\"\n";
    const UPSTREAM: &str = "[upstreams.app]\nendpoints = [\"http://127.0.0.1:1\"]\n";

    fn warnings(folder: &FilePath, text: &str) -> Vec<String> {
        let (config, _) = from_text("gateway.toml", text, folder, &|_| None).expect("a valid file");
        check(config).expect("no mistakes").warnings
    }

    /// Root checks what another user runs: a key left behind would be one that the gateway cannot read.
    #[test]
    fn a_check_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let pem = include_str!("../../tests/keys/test-p256-pkcs8.pem");
        std::fs::write(folder.path().join("own.pem"), pem).unwrap();
        for keys in ["files = [\"own.pem\"]", "directory = \".\"", "directory = \"none/yet\""] {
            warnings(folder.path(), &format!("[tokens.keys]\n{keys}\n"));
            let entries = std::fs::read_dir(folder.path()).unwrap().count();
            assert_eq!(entries, 1, "{keys}");
        }
    }

    #[test]
    fn a_login_page_that_asks_for_a_login_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let told = |routes: &str| {
            let all = warnings(folder.path(), &format!("{STORE}{UPSTREAM}{routes}"));
            all.into_iter().filter(|warning| warning.contains("to log in at")).collect::<Vec<_>>()
        };
        let route =
            |path: &str, more: &str| format!("[[routes]]\npath = \"{path}\"\nupstream = \"app\"\n{more}\n");
        let guarded = route("/*", "login = \"/login?next={path}\"");
        assert_eq!(told(&guarded).len(), 1, "{:?}", told(&guarded));
        assert_eq!(told(&route("/api/*", "login = \"/login\"")).len(), 1);
        let open = "access = \"open\"";
        assert!(told(&format!("{guarded}{}", route("/login", open))).is_empty());
        let elsewhere = format!("{open}\nhost = \"*.example.com\"");
        assert!(told(&format!("{guarded}{}", route("/login", &elsewhere))).is_empty());
    }

    #[test]
    fn rates_by_address_behind_an_unnamed_proxy_are_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let told = |server: &str, rest: &str| {
            let all = warnings(folder.path(), &format!("{server}{STORE}{rest}"));
            all.iter().any(|warning| warning.contains("count as one"))
        };
        let rate = "[limits]\nlookups = \"60/min\"\n";
        assert!(told("", rate));
        assert!(!told("", "[limits]\nsession = \"60/min\"\n"));
        assert!(!told("[server]\nlisten = [\"0.0.0.0:8080\"]\n", rate));
        assert!(!told("[server]\ntrusted_proxies = [\"127.0.0.1\"]\n", rate));
    }

    #[test]
    fn a_configuration_without_routes_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        assert!(warnings(folder.path(), "").iter().any(|warning| warning.contains("no routes")));
    }
}

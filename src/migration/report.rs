//! How far the migration is, in words.

use serde::Serialize;

use crate::clock::UnixMillis;
use crate::migration::comparisons::{Comparisons, Example};
use crate::migration::rollout::Rollout;

/// All routes and upstreams.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Since when this gateway has been counting, RFC 3339.
    pub since: String,
    /// Who has fetched the key set from this gateway, as `agent (address) at time`.
    pub fetched_by: Vec<String>,
    /// Every upstream, in the order of the configuration.
    pub upstreams: Vec<UpstreamReport>,
    /// Every route, likewise.
    pub routes: Vec<RouteReport>,
}

/// One upstream.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UpstreamReport {
    /// Its name.
    pub upstream: String,
    /// Requests that went there with a token.
    pub with_token: u64,
    /// Requests that went there with a session cookie and no token.
    pub with_cookie: u64,
    /// Its 401s to our tokens.
    pub disagreements: u64,
    /// The share of requests with a token among those with either; `None`: there were none.
    pub on_tokens: Option<f64>,
    /// Whether `forward_cookie = false` would take nothing from anybody, as far as was seen.
    pub safe_without_cookie: bool,
    /// What stands against it, each by itself.
    pub because: Vec<String>,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RouteReport {
    /// Host and path, and methods where it is for some only.
    pub route: String,
    /// Its upstream.
    pub upstream: String,
    /// `open`, `shadow`, `rollout` or `enforced`.
    pub state: &'static str,
    /// Requests with a token.
    pub with_token: u64,
    /// Requests with a session cookie and no token.
    pub with_cookie: u64,
    /// Requests with neither.
    pub with_neither: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// The service's 401s to our tokens.
    pub disagreements: u64,
    /// Which upstreams got requests with a session cookie and no token: of a rollout, not its own alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cookies: Vec<CookiesAt>,
    /// Whom it counts for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Moving>,
    /// What was compared with the app's own answers, the worst first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compared: Vec<Compared>,
}

/// Requests with a session cookie and no token that one upstream got from one route.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CookiesAt {
    /// The upstream.
    pub upstream: String,
    /// How many.
    pub count: u64,
    /// When the last one, RFC 3339.
    pub last: String,
}

/// A rollout, as it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moving {
    /// The share that is moved.
    pub share: String,
    /// All the shares that were planned, the first of them first.
    pub planned: Vec<String>,
    /// Since when, RFC 3339.
    pub since: String,
    /// Who serves the others.
    pub rest: String,
    /// Why everybody went back, if they did.
    pub went_back: Option<String>,
}

/// One kind of comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// `would-refuse`, `would-admit`, `unclear` or `agrees`.
    pub agreement: &'static str,
    /// Why the rules say what they say.
    pub cause: &'static str,
    /// How often.
    pub count: u64,
    /// The latest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
}

impl Compared {
    /// Everything that was compared.
    pub fn all(comparisons: &Comparisons) -> Vec<Self> {
        let seen = comparisons.seen().into_iter();
        seen.map(|(agreement, cause, seen)| Self {
            agreement: agreement.word(),
            cause,
            count: seen.count,
            examples: seen.examples,
        })
        .collect()
    }
}

impl CookiesAt {
    /// These, as counted.
    pub fn of((upstream, count, last): (&str, u64, UnixMillis)) -> Self {
        Self { upstream: upstream.to_owned(), count, last: last.rfc3339() }
    }
}

impl Moving {
    /// This rollout now; `rest` is the name of its other upstream.
    pub fn of(rollout: &Rollout, rest: &str) -> Self {
        let (at, plan) = (rollout.at(), rollout.plan());
        Self {
            share: at.share.to_string(),
            planned: std::iter::once(&plan.share).chain(&plan.steps).map(ToString::to_string).collect(),
            since: at.since.rfc3339(),
            rest: rest.to_owned(),
            went_back: at.back,
        }
    }
}

impl RouteReport {
    fn cookies_at(&self, upstream: &str) -> Option<&CookiesAt> {
        self.cookies.iter().find(|at| at.upstream == upstream)
    }

    /// What of this route stands against taking the cookie away from an upstream.
    fn against(&self, upstream: &str) -> Option<String> {
        let (route, state) = (&self.route, self.state);
        let is_rest = self.rollout.as_ref().is_some_and(|rollout| rollout.rest == upstream);
        match (self.cookies_at(upstream).map(|at| &at.last), state) {
            (Some(last), "open" | "shadow" | "rollout") => Some(format!(
                "`{route}` is {state}, and a session cookie went there without a token, last at {last}"
            )),
            (Some(last), _) => {
                Some(format!("a session cookie went to `{route}` without a token, last at {last}"))
            }
            (None, "shadow" | "rollout") if self.upstream == upstream || is_rest => {
                Some(format!("`{route}` is still in its {state}"))
            }
            (None, _) => None,
        }
    }
}

impl UpstreamReport {
    /// What these routes amount to for this upstream: its own, and those whose rollout leaves it users. `fetched`: whether anybody has
    /// fetched the key set.
    pub fn of(upstream: &str, routes: &[RouteReport], fetched: bool) -> Self {
        let own = || routes.iter().filter(|route| route.upstream == upstream);
        let with_token = own().map(|route| route.with_token).sum::<u64>();
        let with_cookie = routes.iter().filter_map(|route| Some(route.cookies_at(upstream)?.count)).sum();
        let disagreements = own().map(|route| route.disagreements).sum();
        let both = with_token + with_cookie;
        let mut because: Vec<String> = routes.iter().filter_map(|route| route.against(upstream)).collect();
        if with_token == 0 {
            because.push("no request has gone there with a token yet".to_owned());
        }
        if disagreements > 0 {
            because.push(format!("it answered 401 to {disagreements} requests with our token"));
        }
        if !fetched {
            because.push(
                "no service has fetched the key set from `[internal]` of this gateway, so none checks its tokens".to_owned(),
            );
        }
        Self {
            upstream: upstream.to_owned(),
            with_token,
            with_cookie,
            disagreements,
            #[expect(clippy::cast_precision_loss, reason = "a share for people")]
            on_tokens: (both > 0).then(|| with_token as f64 / both as f64),
            safe_without_cookie: because.is_empty(),
            because,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(state: &'static str, with_token: u64, cookies: &[&str]) -> RouteReport {
        let cookies = cookies.iter().map(|at| CookiesAt::of((at, 1, UnixMillis::new(1_800_000_000_000))));
        RouteReport {
            route: "/x".into(),
            upstream: "orders".into(),
            state,
            with_token,
            with_cookie: cookies.len() as u64,
            with_neither: 0,
            refused: 0,
            disagreements: 0,
            cookies: cookies.collect(),
            rollout: None,
            compared: Vec::new(),
        }
    }

    fn rolling(cookies: &[&str]) -> RouteReport {
        let rollout = Moving {
            share: "1%".into(),
            planned: vec![],
            since: String::new(),
            rest: "django".into(),
            went_back: None,
        };
        RouteReport { rollout: Some(rollout), ..route("rollout", 5, cookies) }
    }

    #[test]
    fn what_was_never_asked_is_not_called_safe() {
        let report = UpstreamReport::of("orders", &[route("enforced", 0, &[])], true);
        assert!(!report.safe_without_cookie, "{report:?}");
        assert_eq!(report.on_tokens, None);
    }

    #[test]
    fn one_cookie_without_a_token_stands_against_it() {
        let routes = [route("enforced", 99, &[]), route("open", 0, &["orders"])];
        let report = UpstreamReport::of("orders", &routes, true);
        assert!(!report.safe_without_cookie);
        assert_eq!(report.on_tokens, Some(0.99));
    }

    #[test]
    fn the_cookies_of_a_rollout_are_booked_to_who_got_them() {
        let own = RouteReport { upstream: "django".into(), ..route("enforced", 9, &[]) };
        let routes = [own.clone(), rolling(&["django"])];
        let (old, new) =
            (UpstreamReport::of("django", &routes, true), UpstreamReport::of("orders", &routes, true));
        assert_eq!((old.with_token, old.with_cookie, old.safe_without_cookie), (9, 1, false), "{old:?}");
        assert!(old.because[0].contains("a session cookie went there"), "{old:?}");
        assert_eq!((new.with_token, new.with_cookie, new.safe_without_cookie), (5, 0, false), "{new:?}");
        let silent = UpstreamReport::of("django", &[own, rolling(&[])], true);
        assert!(!silent.safe_without_cookie, "the next request may bring one: {silent:?}");
    }

    #[test]
    fn a_service_that_nobody_gave_the_keys_stands_against_it() {
        let moved = [route("enforced", 99, &[])];
        assert!(!UpstreamReport::of("orders", &moved, false).safe_without_cookie);
        assert!(UpstreamReport::of("orders", &moved, true).safe_without_cookie);
    }
}

//! How far the migration is, in words.

use serde::Serialize;

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
    /// When the last request went out with a session cookie and no token, RFC 3339.
    pub last_cookie: Option<String>,
    /// Whom it counts for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Moving>,
    /// What was compared with the app's own answers, the worst first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compared: Vec<Compared>,
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

impl UpstreamReport {
    /// What these routes, all of them to this upstream, amount to. `fetched`: whether anybody has fetched the key set.
    pub fn of(upstream: &str, routes: &[&RouteReport], fetched: bool) -> Self {
        let sum = |count: fn(&RouteReport) -> u64| routes.iter().map(|route| count(route)).sum::<u64>();
        let (with_token, with_cookie) = (sum(|route| route.with_token), sum(|route| route.with_cookie));
        let disagreements = sum(|route| route.disagreements);
        let both = with_token + with_cookie;
        let mut because = Vec::new();
        for route in routes {
            match (&route.last_cookie, route.state) {
                (Some(last), "open" | "shadow" | "rollout") => because.push(format!(
                    "`{}` is {}, and a session cookie went there without a token, last at {last}",
                    route.route, route.state
                )),
                (Some(last), _) => because.push(format!(
                    "a session cookie went to `{}` without a token, last at {last}",
                    route.route
                )),
                (None, "shadow" | "rollout") => {
                    because.push(format!("`{}` is still in its {}", route.route, route.state));
                }
                (None, _) => {}
            }
        }
        if with_token == 0 {
            because.push("no request has gone there with a token yet".to_owned());
        }
        if disagreements > 0 {
            because.push(format!("it answered 401 to {disagreements} requests with our token"));
        }
        if !fetched {
            because.push(
                "nobody has fetched the key set from this gateway, so nobody checks its tokens".to_owned(),
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

    fn route(state: &'static str, with_token: u64, last_cookie: Option<&str>) -> RouteReport {
        RouteReport {
            route: "/x".into(),
            upstream: "orders".into(),
            state,
            with_token,
            with_cookie: u64::from(last_cookie.is_some()),
            with_neither: 0,
            refused: 0,
            disagreements: 0,
            last_cookie: last_cookie.map(str::to_owned),
            rollout: None,
            compared: Vec::new(),
        }
    }

    #[test]
    fn what_was_never_asked_is_not_called_safe() {
        let report = UpstreamReport::of("orders", &[&route("enforced", 0, None)], true);
        assert!(!report.safe_without_cookie, "{report:?}");
        assert_eq!(report.on_tokens, None);
    }

    #[test]
    fn one_cookie_without_a_token_stands_against_it() {
        let (moved, old) = (route("enforced", 99, None), route("open", 0, Some("2026-11-21T00:00:00Z")));
        let report = UpstreamReport::of("orders", &[&moved, &old], true);
        assert!(!report.safe_without_cookie);
        assert_eq!(report.on_tokens, Some(0.99));
    }

    #[test]
    fn a_service_that_nobody_gave_the_keys_stands_against_it() {
        let moved = route("enforced", 99, None);
        assert!(!UpstreamReport::of("orders", &[&moved], false).safe_without_cookie);
        assert!(UpstreamReport::of("orders", &[&moved], true).safe_without_cookie);
    }
}

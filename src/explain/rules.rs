//! The stages that need nothing but the configuration and what the stage before found.

use crate::config::{CsrfMode, Outage, Rate, UpstreamId};
use crate::explain::shown::{clip, text};
use crate::explain::step::Step;
use crate::guard::{Admitted, Denied, admit, meets_conditions};
use crate::pipeline::Shared;
use crate::request::{HeaderRules, Inbound, exception_text, is_safe};
use crate::route::{Found, Grant, Route};
use crate::session::{Authenticated, SessionError, VerifiedSession};
use crate::token::Slots;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue, Method};

/// Most names in one fact.
const NAMES_MAX: usize = 20;

pub(super) fn request(inbound: &Inbound<()>) -> Step {
    let origin = inbound.origin();
    let scheme = if origin.https { "https" } else { "http" };
    let host = inbound.host().name();
    let mut step = Step::passed(
        "request",
        format!("one well-formed message for {host} over {scheme}, from {}", origin.client),
    );
    let names = cookie_names(inbound.headers());
    step.fact("cookies", if names.is_empty() { "none".to_owned() } else { list(&names) });
    if let Some(folded) = inbound.path().folded() {
        step.fact("path", format!("a lax app could read it as `{}`", clip(folded)));
    }
    step
}

/// What it means for the stages below that the route is on its way to its rules.
pub(super) fn transit(shared: &Shared, route: &Route) -> Option<Step> {
    if route.rules.shadow {
        let text = "mode = \"shadow\": the rules below are decided and compared with the app's own answer; whatever they say, the request \
                    goes on as on an open route";
        return Some(Step::skipped("guard", text));
    }
    let rollout = shared.migration().of(route.id)?.rollout.as_ref()?;
    let at = rollout.at();
    let rest = shared.config.upstreams.get(rollout.plan().rest.0).map_or("", |rest| &rest.name);
    let mut step = Step::skipped(
        "guard",
        format!(
            "rollout: the rules below count for {} of the users; `{rest}` serves all others as on an open route",
            at.share
        ),
    );
    if let Some(why) = at.back {
        step.fact("went back", why);
    }
    Some(step)
}

pub(super) fn route(shared: &Shared, inbound: &Inbound<()>, method: &Method, found: &Found<'_>) -> Step {
    let (sent, lax) = shared.routes().fitting(inbound.host().name(), inbound.path(), method);
    let patterns = |routes: &[&Route]| {
        list(&routes.iter().map(|route| format!("`{}`", pattern(route))).collect::<Vec<_>>())
    };
    match found {
        Found::Nothing if sent.is_empty() => {
            Step::refused("route", "no route's path and host fit; add one, or a catch-all `/*` to the app")
        }
        Found::Nothing => Step::refused(
            "route",
            format!(
                "{} fits as sent, but an app that ignores case, a trailing slash or needless escapes would take it for {}, \
                 which is stricter",
                patterns(&sent),
                patterns(&lax)
            ),
        ),
        Found::OtherMethods(allow) => Step::refused(
            "route",
            format!(
                "{} fits, but takes {allow} only, not {method}; a less specific route is never tried",
                patterns(&sent)
            ),
        ),
        Found::Route(route) => match inbound.path().needs().beyond(route.allowed) {
            Some(exception) => Step::refused(
                "route",
                format!("`{}` needs `allow_in_path = [\"{}\"]`", pattern(route), exception_text(exception)),
            ),
            None => chosen(shared, route),
        },
    }
}

fn chosen(shared: &Shared, route: &Route) -> Step {
    let rules = &route.rules;
    let profiles: Vec<String> = rules
        .sessions
        .iter()
        .filter_map(|id| shared.profiles().get(id.0))
        .map(|profile| profile.name.to_string())
        .collect();
    let methods: Vec<&str> = rules.methods.iter().map(Method::as_str).collect();
    let mut step = Step::passed("route", format!("`{}`, the most specific that fits", pattern(route)));
    step.fact("access", rules.access.word());
    if !methods.is_empty() {
        step.fact("methods", methods.join(", "));
    }
    if !matches!(route.grant(), Grant::Open(_)) {
        step.fact("sessions", list(&profiles));
        let issuers = rules.issuers.iter().filter_map(|id| shared.issuers().name(*id));
        let issuers: Vec<String> = issuers.map(str::to_owned).collect();
        if !issuers.is_empty() {
            step.fact("issuers", list(&issuers));
        }
    }
    step
}

/// What is counted here, where anything is.
pub(super) fn limits(shared: &Shared, route: &Route) -> Option<Step> {
    let (all, here) = (&shared.config.rates, &route.rules.rates);
    let open = matches!(route.grant(), Grant::Open(_));
    let of_session = |rate: Option<Rate>| rate.filter(|_| !open);
    let rates = [
        ("client", all.client, "by this address, all routes together"),
        ("client", here.client, "by this address, here"),
        ("route", here.route, "by all together, here"),
        ("lookups", of_session(all.lookups), "by this address with cookies of which Redis knows no session"),
        ("session", of_session(all.session), "with one session, all routes together"),
        ("session", of_session(here.session), "with one session, here"),
    ];
    let facts = rates.into_iter().filter_map(|(name, rate, whose)| Some((name, rate?, whose)));
    let mut step = Step::passed("limit", "counted; how much is used up only the running gateway knows");
    for (name, rate, whose) in facts {
        step.fact(name, format!("{rate} {whose}"));
    }
    (!step.facts.is_empty()).then_some(step)
}

pub(super) fn preflight(route: &Route) -> Step {
    match route.preflight() {
        Some(_) => Step::passed(
            "session",
            "a CORS preflight carries no cookie: forwarded without one and without a token",
        ),
        None => Step::refused("session", "a CORS preflight, and the route has `preflight = \"refuse\"`"),
    }
}

/// The access rule, by the very table of `guard`.
pub(super) fn access(
    shared: &Shared,
    route: &Route,
    judged: Result<Authenticated<Slots>, SessionError>,
) -> (Step, Option<VerifiedSession<Slots>>) {
    let outage = match &judged {
        Ok(_) => Outage::Deny,
        Err(error) => shared.outage_of(route, error.store),
    };
    let guest = judged.as_ref().is_ok_and(|judged| match &judged.verdict {
        crate::session::Verdict::Verified(session) => session.session().subject.is_none(),
        crate::session::Verdict::Absent | crate::session::Verdict::Rejected(_) => false,
    });
    let down = judged.is_err();
    let word = route.rules.access.word();
    match admit(route.grant(), outage, judged.map(|judged| judged.verdict)) {
        Ok(Admitted::Anonymous(_)) if down => {
            (Step::passed("guard", "access optional and `outage = \"anonymous\"`: forwarded as nobody"), None)
        }
        Ok(Admitted::Anonymous(_)) => {
            (Step::passed("guard", format!("access {word}: forwarded as nobody, and said so")), None)
        }
        Ok(Admitted::Known(session)) if guest => {
            (Step::passed("guard", format!("access {word}: a guest's live session is enough")), Some(session))
        }
        Ok(Admitted::Known(session)) => {
            (Step::passed("guard", format!("access {word}: a live session with a user")), Some(session))
        }
        Err(Denied::StoreUnavailable(_)) => (
            Step::refused(
                "guard",
                format!("access {word}, and the store cannot be asked: nobody is logged out by that"),
            ),
            None,
        ),
        Err(Denied::Unauthenticated(_)) if guest => (
            Step::refused(
                "guard",
                format!("access {word}: the session is live, but nobody is logged in with it"),
            ),
            None,
        ),
        Err(Denied::Unauthenticated(_)) => {
            (Step::refused("guard", format!("access {word}, and no session")), None)
        }
    }
}

pub(super) fn csrf(shared: &Shared, route: &Route, inbound: &Inbound<()>, ambient: bool) -> Step {
    if !ambient {
        return Step::skipped("csrf", "no cookie speaks for it, and no browser sends a bearer by itself");
    }
    let fields: Vec<String> = ["sec-fetch-site", "origin"]
        .into_iter()
        .flat_map(|name| inbound.headers().get_all(name).into_iter().map(move |value| (name, value)))
        .map(|(name, value)| format!("{name}: {}", text(value.as_bytes())))
        .collect();
    let from =
        if fields.is_empty() { "neither Sec-Fetch-Site nor Origin".to_owned() } else { fields.join(", ") };
    match (shared.trusted_origins().judge(inbound), route.rules.csrf) {
        (Ok(()), CsrfMode::Off) => Step::skipped("csrf", "off on this route"),
        (Ok(()), _) if is_safe(inbound.method()) && !inbound.is_upgrade() => {
            Step::passed("csrf", format!("{} asks for nothing to change", inbound.method()))
        }
        (Ok(()), _) if fields.is_empty() => {
            Step::passed("csrf", format!("{from}: not a browser, so no ambient cookie to abuse"))
        }
        (Ok(()), _) => Step::passed("csrf", format!("not another site's doing ({from})")),
        (Err(_), CsrfMode::FetchMetadata) => Step::refused(
            "csrf",
            format!(
                "another site's page made it ({from}); `csrf.trusted_origins` would let an origin of yours in"
            ),
        ),
        (Err(_), CsrfMode::Log) => {
            Step::passed("csrf", format!("from another site ({from}), and only counted: `csrf = \"log\"`"))
        }
        (Err(_), CsrfMode::Off) => {
            Step::passed("csrf", format!("from another site ({from}), and `csrf = \"off\"`"))
        }
    }
}

/// What `require` asks; nothing if it asks nothing.
pub(super) fn conditions(route: &Route, session: &VerifiedSession<Slots>) -> Option<Step> {
    if route.rules.require.is_empty() {
        return None;
    }
    let failed = meets_conditions(&route.rules, session.session()).err();
    let mut step = match failed {
        None => Step::passed("require", "every condition is met"),
        Some(name) => Step::refused("require", format!("`{}` has none of the accepted values", clip(name))),
    };
    for (name, accepted) in &route.rules.require {
        let found = session.session().attributes.iter().any(|(known, _)| **known == *name.value);
        let accepted: Vec<String> = accepted.iter().map(|value| clip(&value.to_string())).collect();
        let found = if found { "the session has a value" } else { "the session has no value" };
        step.fact("attribute", format!("{}: {found}; accepted: {}", clip(&name.value), list(&accepted)));
    }
    Some(step)
}

/// What the upstream does not get of what the client sent.
/// What is left of the client's fields. Those that `rules` are about are told of with the upstream.
pub(super) fn strip(before: &HeaderMap, after: &HeaderMap, rules: Option<&HeaderRules>) -> Step {
    let ruled = |name: &http::HeaderName| rules.is_some_and(|rules| rules.concern(name));
    let gone =
        |name: &http::HeaderName| *name != COOKIE && before.get(name) != after.get(name) && !ruled(name);
    let removed: Vec<String> =
        before.keys().filter(|name| gone(name)).map(|name| clip(name.as_str())).collect();
    let kept = cookie_names(after);
    let cookies: Vec<String> = cookie_names(before).into_iter().filter(|name| !kept.contains(name)).collect();
    if removed.is_empty() && cookies.is_empty() {
        return Step::passed("strip", "nothing the client sent has to go");
    }
    let mut step = Step::passed("strip", "taken away before anything of ours is set");
    if !removed.is_empty() {
        step.fact("headers", list(&removed));
    }
    if !cookies.is_empty() {
        step.fact("cookies", list(&cookies));
    }
    step
}

pub(super) fn upstream(shared: &Shared, id: UpstreamId, host: Option<&HeaderValue>) -> (Step, String) {
    let Some(upstream) = shared.config.upstreams.get(id.0) else {
        return (Step::refused("upstream", "not configured"), String::new());
    };
    let endpoints: Vec<String> = upstream.endpoints.iter().map(ToString::to_string).collect();
    let host =
        upstream.host.clone().unwrap_or_else(|| host.map_or_else(String::new, |host| text(host.as_bytes())));
    let step = Step::passed("upstream", format!("`{}`; it was not called", upstream.name));
    (step.with("endpoints", list(&endpoints)).with("host", host), upstream.name.clone())
}

fn pattern(route: &Route) -> String {
    let hosts: Vec<&str> = route.rules.hosts.iter().map(|host| host.value.as_str()).collect();
    format!("{}{}", hosts.join(","), route.rules.path.value)
}

/// Names of the cookies in all Cookie lines, each once.
fn cookie_names(headers: &HeaderMap) -> Vec<String> {
    let mut names: Vec<String> = headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| pair.split(|byte| *byte == b'=').next())
        .map(|name| text(name.trim_ascii()))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn list(items: &[String]) -> String {
    let mut text = items.iter().take(NAMES_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    if items.len() > NAMES_MAX {
        text.push_str(", and more");
    }
    text
}

//! Why a request would be let in, or not: the first tool to reach for.
//!
//! Job: walk the path of a request that nobody sent, by the very rooms that serve real ones, and write down what each of them
//! found and why. Not the job: deciding (the last word is [`Gateway::rehearse`], which is `pipeline` itself), printing (`cli`).
//!
//! What may be seen: everything the configuration says, the names and kinds in a session, how long things live. What may not:
//! a cookie's value, a secret, a token's signature, ever; a session's values and its id, unless the operator asks for them. So
//! this room alone looks at decoded sessions for a person's eyes, and `shown` alone turns them into text.
//!
//! Nothing is written anywhere: a record is read as `serve` reads it, and where there is none the names of some thousand keys
//! are looked at, since the usual cause is a prefix that the app's Redis client puts before them.
//!
//! The folder is a *roof*.

mod bearer;
mod question;
mod record;
mod rules;
mod session;
mod shown;
mod step;
mod token;
mod user;

pub use question::{Question, QuestionError};
pub use step::{Answer, Explanation, Fact, Mark, Step};

use crate::config::StoreId;
use crate::door::Endpoint;
use crate::pipeline::{Gateway, Rehearsed};
use crate::request::{Inbound, RequestIds};
use crate::respond::{Form, Reason};
use crate::route::{Found, Grant, Route};
use crate::session::Verdict;
use crate::store::Store;
use bearer::Looked;
use shown::Mask;

/// What a look works with.
pub struct Look<'a> {
    /// A worker's gateway that serves nobody.
    pub gateway: &'a Gateway,
    /// Its stores, indexed by [`StoreId`].
    pub stores: &'a [Store],
    /// Why a store could not be connected to.
    pub trouble: &'a dyn Fn(StoreId) -> Option<String>,
    /// Whether its keys are not those of `serve`.
    pub stand_in_keys: bool,
    /// Whether values in sessions and claims are shown.
    pub show_values: bool,
}

/// Walks the path of `question` and says what happens at each stage, up to the first that refuses it.
pub async fn explain(look: &Look<'_>, question: Question) -> Explanation {
    let shared = look.gateway.shared();
    let asked = question.asked().to_owned();
    let mut steps = Vec::new();
    let id = RequestIds::new(0, 0).next();
    let (request, conn) = question.into_request();
    let inbound = match Inbound::parse(request, conn, &shared.config.server.trusted_proxies, id) {
        Ok(inbound) => inbound,
        Err(malformed) => {
            steps.push(Step::refused("request", malformed.error.to_string()));
            let answer = refusal(Reason::Malformed(malformed.error), None, None, None);
            return Explanation { asked, steps, answer };
        }
    };
    steps.push(rules::request(&inbound));
    if Endpoint::is_ours(inbound.path().as_str()) {
        steps.push(Step::skipped(
            "route",
            "paths below /.cloakroom/ are the gateway's own and are never routed",
        ));
    } else {
        let preflight = inbound.preflight_method();
        let method = preflight.clone().unwrap_or_else(|| inbound.method().clone());
        let found = shared.routes().find(inbound.host().name(), inbound.path(), &method);
        steps.push(rules::route(shared, &inbound, &method, &found));
        if let Found::Route(route) = found
            && inbound.path().needs().beyond(route.allowed).is_none()
        {
            steps.extend(rules::limits(shared, route));
            judge(look, &inbound, route, preflight.is_some(), &mut steps).await;
        }
    }
    let form = Form::of(inbound.method(), inbound.headers());
    let before = inbound.headers().clone();
    let path = inbound.path().as_str().to_owned();
    let answer = match look.gateway.rehearse(inbound).await {
        Rehearsed::Published => {
            // The document answers before any route is asked.
            steps.truncate(1);
            Answer::Published
        }
        Rehearsed::Own(endpoint) => Answer::Own(endpoint),
        Rehearsed::Refused { reason, why, allow, login } => {
            let login = login.filter(|_| form == Form::Page);
            refusal(reason, why, allow, login.and_then(|to| to.to_str().ok().map(str::to_owned)))
        }
        Rehearsed::Forwarded { head, upstream, tokens, says_anonymous, rules: header_rules } => {
            let mask = Mask::new(look.show_values);
            match &tokens {
                Some(tokens) => steps.extend(
                    tokens.iter().map(|token| token::step(token, look.stand_in_keys, shared.now(), mask)),
                ),
                None => steps.push(token::none(says_anonymous)),
            }
            steps.push(rules::strip(&before, &head.headers, header_rules.as_deref()));
            let (mut step, name) = rules::upstream(shared, upstream, before.get(http::header::HOST));
            if head.uri.path() != path {
                step.fact("path", head.uri.path().to_owned());
            }
            if let Some(rules) = &header_rules {
                step.fact("headers", rules.words().join(", "));
            }
            steps.push(step);
            Answer::Forwarded { upstream: name, with_token: tokens.is_some() }
        }
    };
    Explanation { asked, steps, answer }
}

/// The stages between route and token: who it is, and whether the route lets them.
async fn judge(
    look: &Look<'_>,
    inbound: &Inbound<()>,
    route: &Route,
    preflight: bool,
    steps: &mut Vec<Step>,
) {
    let grant = route.grant();
    if matches!(grant, Grant::Open(_)) {
        steps.push(Step::skipped("session", "the route is open: no cookie is read and no store is asked"));
        return;
    }
    if preflight {
        steps.push(rules::preflight(route));
        return;
    }
    let shared = look.gateway.shared();
    steps.extend(rules::transit(shared, route));
    let by_bearer = match bearer::look(shared, inbound, route, Mask::new(look.show_values)).await {
        Looked::Nothing(step) => {
            steps.extend(step);
            None
        }
        Looked::Ends(step) => {
            steps.push(step);
            return;
        }
        Looked::Verified(step, session) => {
            steps.push(step);
            Some(session)
        }
    };
    for profile in &route.rules.sessions {
        let step = session::step(look, inbound.cookies(), *profile).await;
        let verified = step.mark == Mark::Passed;
        let down = step.mark == Mark::Refused && step.stops;
        steps.push(step);
        if verified || down {
            break;
        }
    }
    let judged = look.gateway.authenticator();
    let judged = {
        let (cookies, policy) = (inbound.cookies(), shared.policy_of(route));
        judged.authenticate(cookies, &route.rules.sessions, policy, shared.now()).await
    };
    let (session, ambient) = match by_bearer {
        None => {
            let (access, session) = rules::access(shared, route, judged);
            steps.push(access);
            (session, true)
        }
        Some(session) => {
            let verdict = judged.map(|judged| judged.verdict);
            let ambient = !matches!(verdict, Ok(Verdict::Absent));
            let cookie = match verdict {
                Ok(Verdict::Verified(session)) => Some(session),
                Ok(Verdict::Absent | Verdict::Rejected(_)) | Err(_) => None,
            };
            let agreement = bearer::agreement(&session, cookie.as_ref());
            let agrees = agreement.mark == Mark::Passed;
            steps.push(agreement);
            (agrees.then_some(session), ambient)
        }
    };
    if let Some(session) = session {
        steps.push(rules::csrf(shared, route, inbound, ambient));
        steps.extend(rules::conditions(route, &session));
    }
}

fn refusal(reason: Reason, why: Option<String>, allow: Option<String>, login: Option<String>) -> Answer {
    let row = reason.answer();
    Answer::Refused { status: row.status.as_u16(), code: row.code, why, allow, login }
}

//! What the issuers of a route make of a bearer.

use crate::clock::{UnixMillis, in_words};
use crate::explain::shown::{Mask, clip};
use crate::explain::step::Step;
use crate::issuer::{BearerError, BearerReject, Presentation, Presented};
use crate::pipeline::Shared;
use crate::request::Inbound;
use crate::route::Route;
use crate::session::VerifiedSession;
use crate::telemetry::chain;
use crate::token::Slots;

/// What there is to say of a bearer.
pub(super) enum Looked {
    /// There is none that the route would look at: the cookie decides.
    Nothing(Option<Step>),
    /// One that is no proof: nothing else counts.
    Ends(Step),
    /// One that is.
    Verified(Step, VerifiedSession<Slots>),
}

pub(super) async fn look(shared: &Shared, inbound: &Inbound<()>, route: &Route, mask: Mask) -> Looked {
    let among = &route.rules.issuers;
    let bearer = match Presented::of(inbound.headers()) {
        _ if among.is_empty() => return Looked::Nothing(None),
        Presented::Absent => return Looked::Nothing(Some(Step::skipped("bearer", "none came"))),
        Presented::Malformed => {
            return Looked::Ends(Step::refused("bearer", BearerReject::MalformedBearer.to_string()));
        }
        Presented::Token(bearer) => bearer,
    };
    let issuers = shared.issuers();
    let judged = issuers.judge(bearer, among, Presentation { now: shared.now(), certificate: None }).await;
    let name = judged.issuer.and_then(|id| issuers.name(id));
    let named = name.map_or_else(String::new, |name| format!("issuer {}: ", clip(name)));
    match judged.verdict {
        Ok(session) => {
            let step = Step::passed("bearer", format!("{named}signature and claims are right"));
            let ends = match (&judged.own, shared.endings()) {
                (Some(_), Some(_)) => "by its `exp`; before that with its session, which is asked each time",
                (_, None) | (None, _) => "by its `exp`; nothing ends it before",
            };
            Looked::Verified(facts(step, &session, (shared.now(), ends), mask), session)
        }
        Err(BearerError::Rejected(BearerReject::UnknownIssuer | BearerReject::Opaque))
            if let Some(name) = elsewhere(shared, route) =>
        {
            let what =
                format!("of none of the route's issuers: it goes on to upstream {} as it came", clip(name));
            Looked::Ends(Step::passed("bearer", what).with("note", "nobody has judged it (`other_bearers`)"))
        }
        Err(BearerError::Rejected(reject)) => {
            let step = Step::refused("bearer", format!("{named}{reject}"));
            let names: Vec<&str> = among.iter().filter_map(|id| issuers.name(*id)).collect();
            let step = match reject {
                BearerReject::UnknownIssuer => step.with("issuers", clip(&names.join(", "))),
                _ => step,
            };
            Looked::Ends(step.with("note", "a cookie beside a wrong bearer is not looked at"))
        }
        Err(BearerError::Unavailable(error)) => {
            let step = Step::refused("bearer", format!("{named}nobody can say: its keys could not be had"));
            Looked::Ends(step.with("error", clip(&chain(&error))))
        }
    }
}

/// Who judges bearers of others.
fn elsewhere<'s>(shared: &'s Shared, route: &Route) -> Option<&'s str> {
    let upstream = shared.config.upstreams.get(route.rules.other_bearers?.0)?;
    Some(&upstream.name)
}

fn facts(
    mut step: Step,
    session: &VerifiedSession<Slots>,
    (now, ends): (UnixMillis, &str),
    mask: Mask,
) -> Step {
    let found = session.session();
    step.fact("sid", found.sid.as_str());
    if let Some(subject) = &found.subject {
        step.fact("subject", mask.json("subject", &subject.as_str().into()));
    }
    for (name, value) in &found.attributes {
        step.fact("attribute", format!("{}: {}", clip(name), mask.json(name, value)));
    }
    if let Some(end) = session.ends_at() {
        step.fact("ends", format!("in {}, {ends}", in_words(now.until(end))));
    }
    step
}

/// Whether the cookie beside it is the same user's.
pub(super) fn agreement(session: &VerifiedSession<Slots>, cookie: Option<&VerifiedSession<Slots>>) -> Step {
    let Some(cookie) = cookie.map(VerifiedSession::session).filter(|other| other.subject.is_some()) else {
        return Step::passed("guard", "the bearer counts; no cookie speaks against it");
    };
    if cookie.sub == session.session().sub {
        Step::passed("guard", "the bearer counts, and the cookie is the same user's")
    } else {
        Step::refused("guard", "the bearer and the cookie are two different users': neither counts")
    }
}

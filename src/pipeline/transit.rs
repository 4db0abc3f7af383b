//! Routes on their way from the app's sessions to our tokens: what is decided and not done, and for whom it is done already.

use crate::guard::Admitted;
use crate::migration::{Answer, Example, Outcome, RouteMigration, Would};
use crate::pipeline::gateway::Gateway;
use crate::pipeline::passage::Passage;
use crate::pipeline::record::Record;
use crate::pipeline::refusal::{Cause, Refusal};
use crate::pipeline::{Caller, Judgement, Way};
use crate::request::{Cookies, Inbound};
use crate::respond::Reason;
use crate::route::Anonymous;
use http::{HeaderMap, StatusCode};

/// What a route does beside, or instead of, what its rules say.
#[derive(Debug)]
pub(super) struct Transit {
    pub(super) kind: Kind,
    /// The way that everything took before.
    pub(super) old: Passage,
    /// The permission to take it.
    pub(super) anonymous: Anonymous,
}

/// How the two ways share the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// All take the old one.
    Shadow,
    /// Some users take the new one.
    Rollout,
}

/// What is compared at a request's end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trial {
    /// It took the old way; the rules would have done this with it.
    Old { would: Would, known: bool },
    /// It is one of those moved.
    New,
}

impl Gateway {
    /// Which of its two ways a request takes.
    pub(super) fn transit<'a, B>(
        &'a self,
        way: Way<'a>,
        transit: &'a Transit,
        inbound: &Inbound<B>,
        judged: Result<Judgement, Refusal>,
        record: &mut Record,
    ) -> Result<(Way<'a>, Caller), Refusal> {
        let known = match &judged {
            Ok(Judgement { admitted: Admitted::Known(session), .. }) => Some(session),
            Ok(Judgement { admitted: Admitted::Anonymous(_), .. }) | Err(_) => None,
        };
        let rollout = self.migration_of(way).and_then(|route| route.rollout.as_ref());
        let moved = match (transit.kind, rollout, known) {
            (Kind::Shadow, ..) | (Kind::Rollout, None, _) => false,
            (Kind::Rollout, Some(rollout), Some(session)) => rollout.takes(&session.session().sub),
            (Kind::Rollout, Some(rollout), None) => rollout.is_complete(),
        };
        if moved {
            record.trial = known.is_some().then_some(Trial::New);
            return judged
                .and_then(|judged| self.pass(way, inbound, judged, record))
                .map(|caller| (way, caller));
        }
        let known = known.is_some();
        // In shadow mode a token is made as well: that it cannot be is one of the things to find out.
        let would = match transit.kind {
            Kind::Shadow => judged
                .and_then(|judged| self.pass(way, inbound, judged, record))
                .map(|caller| matches!(caller, Caller::Anonymous(_))),
            Kind::Rollout => judged.and_then(|judged| match judged.admitted {
                Admitted::Anonymous(_) => Ok(true),
                Admitted::Known(session) => {
                    self.guard(way, inbound, (&session, judged.ambient), record).map(|()| false)
                }
            }),
        };
        record.tokens = None;
        let would = would.map_or_else(
            |refusal| Would::Refuse(cause_of(&refusal, record.verdict)),
            |anonymous| Would::Forward { anonymous },
        );
        record.trial = Some(Trial::Old { would, known });
        Ok((Way { passage: &transit.old, ..way }, Caller::Anonymous(transit.anonymous)))
    }

    /// A preflight takes the old way: it is nobody's.
    pub(super) fn preflight_in_transit<'a>(&self, way: Way<'a>) -> Option<(Way<'a>, Caller)> {
        let transit = way.state.transit.as_ref()?;
        let complete = || self.migration_of(way)?.rollout.as_ref().map(|rollout| rollout.is_complete());
        if transit.kind == Kind::Rollout && complete() == Some(true) {
            return None;
        }
        Some((Way { passage: &transit.old, ..way }, Caller::Anonymous(transit.anonymous)))
    }

    /// What this way's route is known to be at.
    pub(super) fn migration_of(&self, way: Way<'_>) -> Option<&RouteMigration> {
        self.shared().migration().of(way.route.id)
    }

    /// Compares an answer with what the rules say, and notes what the request carried.
    pub(super) fn compare(
        &self,
        way: Way<'_>,
        (status, headers): (StatusCode, &HeaderMap),
        cookies: &Cookies,
        record: &mut Record,
    ) {
        let named = || cookies.names_any(self.shared().session_cookies());
        if record.tokens.is_none() && way.passage.forward_cookie && !cookies.is_empty() && named() {
            record.cookie_alone = true;
            if let Some(route) = self.migration_of(way) {
                route.note_cookie(&way.passage.name, record.now);
            }
        }
        if let Some(Trial::Old { would, .. }) = record.trial {
            let login = way.state.login.as_ref().map(crate::respond::LoginTemplate::path);
            record.answer = Some(Answer::of(status, headers, login));
            record.would = Some(would.cause());
        }
    }

    /// Counts how a request on trial ended.
    pub(super) fn judge_trial(&self, record: &Record, status: StatusCode) {
        let (Some(trial), Some(route)) = (record.trial, record.route) else { return };
        let Some(migration) = self.shared().migration().of(route) else { return };
        let failed =
            status.is_server_error() || matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let outcome = match trial {
            Trial::New => Some(Outcome::Moved { failed }),
            Trial::Old { would, known } => {
                let answer = record.answer.unwrap_or(Answer::Unclear);
                let example = || Example {
                    request_id: record.id.as_str().to_owned(),
                    time: record.now.rfc3339(),
                    asked: Example::asked(
                        record.method.as_ref().map_or("", http::Method::as_str),
                        record.target.as_ref().map_or("", |target| target.path()),
                    ),
                    status: status.as_u16(),
                };
                if let Some(comparisons) = &migration.comparisons {
                    let agreement = comparisons.note(would, answer, example);
                    self.metrics().migration.count_comparison(
                        self.pattern_of(route),
                        agreement.word(),
                        would.cause(),
                    );
                }
                match (would, answer) {
                    (Would::Refuse(_), Answer::Served) => Some(Outcome::WouldRefuse),
                    _ => known.then_some(Outcome::Stayed { failed }),
                }
            }
        };
        if let (Some(outcome), Some(rollout)) = (outcome, &migration.rollout) {
            rollout.note(outcome, record.now);
        }
    }

    fn pattern_of(&self, route: crate::config::RouteId) -> &str {
        self.routes().routes().get(route.0).map_or("none", |route| route.rules.path.value.as_str())
    }
}

/// The word for a refusal that was not made.
fn cause_of(refusal: &Refusal, verdict: Option<&str>) -> &'static str {
    match (refusal.reason, refusal.cause.as_deref(), verdict) {
        (Reason::LoginRequired, Some(Cause::Reject(reject)), _) => reject.code(),
        (Reason::LoginRequired, _, Some("verified")) => "no-subject",
        (Reason::LoginRequired, ..) => "absent",
        (reason, ..) => reason.answer().code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_session_a_session_without_a_user_and_a_rejected_one_are_told_apart() {
        assert_eq!(cause_of(&Reason::LoginRequired.into(), Some("absent")), "absent");
        assert_eq!(cause_of(&Reason::LoginRequired.into(), Some("verified")), "no-subject");
        let expired = Cause::Reject(crate::format::Reject::Expired);
        assert_eq!(cause_of(&Refusal::caused(Reason::LoginRequired, expired), Some("rejected")), "expired");
        assert_eq!(cause_of(&Reason::CrossSite.into(), Some("verified")), "cross-site");
    }
}

//! The end of a session, and of all that came of it.

use crate::clock::UnixMillis;
use crate::config::{Freshness, Logout, Outage, ProfileId};
use crate::door::answer;
use crate::door::pair::{Done, Witness};
use crate::door::turned::Turned;
use crate::request::Cookies;
use crate::respond::ResponseBody;
use crate::session::{Authenticator, Policy, Verdict};
use crate::state::State;
use crate::telemetry::chain;
use crate::token::Slots;
use http::header::{ACCEPT, LOCATION};
use http::{HeaderMap, Response, StatusCode};
use std::time::Duration;

/// Only what there is can be ended, and only the store knows.
const ASK: Policy =
    Policy { freshness: Some(Freshness::Strict), outage: Some(Outage::Deny), ahead: Duration::ZERO };

/// Who wants to leave.
pub struct Leaving<'a> {
    /// `[logout]`.
    pub logout: &'a Logout,
    /// Who reads sessions, and ends them.
    pub authenticator: &'a Authenticator<Slots>,
    /// The request's cookies.
    pub cookies: &'a Cookies,
    /// The request's fields.
    pub headers: &'a HeaderMap,
    /// The time.
    pub now: UnixMillis,
}

impl Leaving<'_> {
    /// Ends the session where its app keeps it. Streams hear of that from the store, as of any logout, and a pair is judged by its
    /// session; that `state` forgets the pair's family too is for tidiness.
    ///
    /// # Errors
    /// [`Turned`] if the session could not be looked up or ended: then it is not over, and its cookie stays.
    pub async fn log_out(&self, state: Option<&State>, witness: &mut impl Witness) -> Result<Done, Turned> {
        let asked = self.authenticator.authenticate(self.cookies, &self.logout.sessions, ASK, self.now).await;
        let judged = asked.map_err(|error| {
            witness.unknown(&error);
            Turned::Session(error)
        })?;
        let (profile, sid) = (judged.profile, judged.sid.clone());
        let outcome = match (witness.judged(judged), profile) {
            (Verdict::Verified(_), Some(profile)) => {
                self.authenticator.end(self.cookies, profile).await.map_err(Turned::Ending)?;
                if let Some((state, sid)) = state.zip(sid)
                    && let Err(error) = state.end_families(sid.as_str()).await
                {
                    tracing::debug!(error = %chain(&error), "a family outlives its session, which it cannot use");
                }
                "ended"
            }
            (Verdict::Verified(_) | Verdict::Absent | Verdict::Rejected(_), _) => "nothing-to-end",
        };
        Ok(Done { response: self.goodbye(profile), outcome })
    }

    /// The answer, with the end of every cookie of the profile.
    fn goodbye(&self, profile: Option<ProfileId>) -> Response<ResponseBody> {
        let mut response = answer::nothing();
        if let Some(then) = self.logout.then.as_ref().filter(|_| is_form(self.headers)) {
            *response.status_mut() = StatusCode::SEE_OTHER;
            response.headers_mut().insert(LOCATION, then.clone());
        }
        let profile = profile.and_then(|id| self.authenticator.profiles().get(id.0));
        for name in profile.iter().flat_map(|profile| profile.format.cookie_names()) {
            answer::expire(&mut response, &name, &self.logout.path, None);
            if let Some(domain) = self.logout.domain.as_deref() {
                answer::expire(&mut response, &name, &self.logout.path, Some(domain));
            }
        }
        if self.cookies.values(answer::REFRESH_COOKIE).next().is_some() {
            answer::forget(&mut response);
        }
        response
    }
}

/// Whether the browser shows what it is answered: a form was sent, not a script's request.
fn is_form(headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        None => headers.get(ACCEPT).is_some_and(|accept| {
            accept.to_str().is_ok_and(|accept| accept.to_ascii_lowercase().contains("text/html"))
        }),
    }
}

//! The end of a session, and of all that came of it.

use crate::clock::UnixMillis;
use crate::config::{Freshness, Logout, Outage, ProfileId};
use crate::door::answer;
use crate::door::fields::Fields;
use crate::door::pair::{Done, Witness};
use crate::door::turned::Turned;
use crate::request::Cookies;
use crate::respond::ResponseBody;
use crate::revocation::{Live, Revoker};
use crate::session::{Authenticator, Policy, Verdict, VerifiedSession};
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
    /// Which of the user's sessions are to end.
    pub scope: Scope,
    /// Who knows them, if that is kept.
    pub revoker: Option<&'a Revoker>,
    /// The time.
    pub now: UnixMillis,
}

/// Which of a user's sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The one that the request came with.
    This,
    /// All.
    All,
    /// All others.
    AllButThis,
}

impl Scope {
    /// What a body asks for.
    ///
    /// # Errors
    /// [`Turned::Unclear`] if that is not understood.
    pub fn read(fields: &Fields) -> Result<Self, Turned> {
        match fields.get("sessions") {
            None | Some("this") => Ok(Self::This),
            Some("all") => Ok(Self::All),
            Some("all-but-this") => Ok(Self::AllButThis),
            Some(_) => Err(Turned::Unclear("`sessions` is not `this`, `all` or `all-but-this`")),
        }
    }
}

impl Leaving<'_> {
    /// Ends sessions where their app keeps them. Streams hear of that from the store, as of any logout, and a pair is judged by its
    /// session. What is left is searched for.
    ///
    /// # Errors
    /// [`Turned`] if the session could not be looked up or ended: then it is not over, and its cookie stays.
    pub async fn log_out(&self, witness: &mut impl Witness) -> Result<Done, Turned> {
        let asked = self.authenticator.authenticate(self.cookies, &self.logout.sessions, ASK, self.now).await;
        let judged = asked.map_err(|error| {
            witness.unknown(&error);
            Turned::Session(error)
        })?;
        let profile = judged.profile;
        let outcome = match (witness.judged(judged), profile) {
            (Verdict::Verified(session), Some(profile)) => {
                self.end(session, profile).await?;
                "ended"
            }
            (Verdict::Verified(_) | Verdict::Absent | Verdict::Rejected(_), _) => "nothing-to-end",
        };
        let gone = if self.scope == Scope::AllButThis && outcome == "ended" { None } else { profile };
        Ok(Done { response: self.goodbye(gone), outcome })
    }

    async fn end(&self, session: VerifiedSession<Slots>, profile: ProfileId) -> Result<(), Turned> {
        let (authenticator, now) = (self.authenticator, self.now);
        match (self.scope, self.revoker) {
            (Scope::This, None) => {
                authenticator.end(self.cookies, profile).await.map(drop).map_err(Turned::Ending)
            }
            (Scope::This, Some(revoker)) => {
                let live = Live { session, profile, cookies: self.cookies.clone() };
                revoker.end(authenticator, &live, now).await.map_err(Turned::revocation)
            }
            (Scope::All | Scope::AllButThis, None) => {
                Err(Turned::Unclear("it is not kept which sessions there are: that takes [state]"))
            }
            (Scope::All | Scope::AllButThis, Some(revoker)) => {
                let known = session.session();
                if known.subject.is_none() {
                    return Err(Turned::NoSession(None));
                }
                let spared = (self.scope == Scope::AllButThis).then(|| known.sid.as_str().to_owned());
                let whose = (profile, revoker.user(&known.client_id, &known.sub));
                revoker.end_all(authenticator, whose, spared, now).await.map_err(Turned::revocation)
            }
        }
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

//! Requests that bring a bearer: it goes before the cookie, and a wrong one is an end.

mod own;

use crate::guard::Admitted;
use crate::issuer::{BearerError, BearerReject, Judged, Presentation, Presented};
use crate::pipeline::gateway::Gateway;
use crate::pipeline::record::Record;
use crate::pipeline::refusal::{Cause, Refusal};
use crate::pipeline::{Caller, Judgement, Way};
use crate::request::Inbound;
use crate::respond::Reason;
use crate::session::{Verdict, VerifiedSession, Voucher};
use crate::tls::ClientCertificate;
use crate::token::Slots;

/// Whether a bearer speaks for it.
pub(super) fn is_by_bearer(session: &VerifiedSession<Slots>) -> bool {
    matches!(session.session().by, Voucher::Issuer(_))
}

/// Whether a bearer is of nobody that the route knows: then nothing is known to be wrong with it.
const fn is_anothers(reject: &BearerReject) -> bool {
    matches!(reject, BearerReject::UnknownIssuer | BearerReject::Opaque)
}

/// A refused bearer goes to who can judge it, if it is another's and the route names whose.
pub(super) fn elsewhere(way: Way<'_>, refusal: Refusal) -> Result<(Way<'_>, Caller), Refusal> {
    let another = matches!(refusal.cause.as_deref(), Some(Cause::Bearer(reject)) if is_anothers(reject));
    match way.state.elsewhere.as_ref().filter(|_| another) {
        Some((passage, anonymous)) => Ok((Way { passage, ..way }, Caller::Anonymous(*anonymous))),
        None => Err(refusal),
    }
}

impl Gateway {
    /// The bearer that decides, if the route accepts any and the request brings one.
    pub(super) fn bearer<'i, B>(&self, way: Way<'_>, inbound: &'i Inbound<B>) -> Option<Presented<'i>> {
        if way.route.rules.issuers.is_empty() {
            return None;
        }
        match Presented::of(inbound.headers()) {
            Presented::Absent => None,
            presented @ (Presented::Malformed | Presented::Token(_)) => Some(presented),
        }
    }

    /// The bearer's word, and whether a cookie agrees with it.
    pub(super) async fn judge_bearer<B>(
        &self,
        way: Way<'_>,
        inbound: &Inbound<B>,
        presented: Presented<'_>,
        record: &mut Record,
    ) -> Result<Judgement, Refusal> {
        let (issuers, among) = (self.shared().issuers(), &way.route.rules.issuers);
        let certificate = inbound.shown().certificate.as_deref().map(ClientCertificate::thumbprint);
        let at = Presentation { now: record.now, certificate };
        let judged = match presented {
            Presented::Token(bearer) => match issuers.recall(bearer, among, at) {
                Some(judged) => judged,
                None => {
                    let client = inbound.origin().client;
                    if let Some(limiter) = self.limiter() {
                        limiter.lookup(client).map_err(|exceeded| self.limited(way.route, exceeded))?;
                    }
                    let judged = issuers.judge(bearer, among, at).await;
                    // A made-up token costs as much as a made-up session id, and counts as one.
                    if let (Some(limiter), Err(BearerError::Rejected(reject))) =
                        (self.limiter(), &judged.verdict)
                        && (way.state.elsewhere.is_none() || !is_anothers(reject))
                    {
                        limiter.found_none(client);
                    }
                    judged
                }
            },
            Presented::Malformed | Presented::Absent => Judged {
                issuer: None,
                own: None,
                from_memory: false,
                verdict: Err(BearerError::Rejected(BearerReject::MalformedBearer)),
            },
        };
        record.bearer(&judged);
        let judged = self.stand(way, judged, record).await?;
        match judged {
            Ok(session) => {
                let ambient = self.agree(way, inbound, &session, record).await?;
                Ok(Judgement { admitted: Admitted::Known(session), ambient })
            }
            Err(BearerError::Rejected(reject)) => {
                Err(Refusal::caused(Reason::BearerRejected, Cause::Bearer(reject)))
            }
            Err(BearerError::Unavailable(error)) => {
                Err(Refusal::caused(Reason::IssuerUnavailable, Cause::Issuer(error)))
            }
        }
    }

    /// Refuses a request whose cookie is another user's. A cookie that leads to no user, or about which its store cannot be
    /// asked, says nothing against the bearer. Whether there is a session cookie.
    async fn agree<B>(
        &self,
        way: Way<'_>,
        inbound: &Inbound<B>,
        session: &VerifiedSession<Slots>,
        record: &Record,
    ) -> Result<bool, Refusal> {
        let (cookies, profiles) = (inbound.cookies(), &way.route.rules.sessions);
        if profiles.is_empty() || cookies.is_empty() {
            return Ok(false);
        }
        let policy = way.state.policy;
        let judged = match self.authenticator.recall(cookies, profiles, policy, record.now) {
            Some(judged) => Ok(judged),
            None => self.authenticator.authenticate(cookies, profiles, policy, record.now).await,
        };
        let Ok(judged) = judged else { return Ok(true) };
        match judged.verdict {
            Verdict::Absent => Ok(false),
            Verdict::Rejected(_) => Ok(true),
            Verdict::Verified(other) => {
                let (user, other) = (session.session(), other.session());
                let agree = other.subject.is_none() || other.sub == user.sub;
                if agree { Ok(true) } else { Err(Reason::CredentialsDisagree.into()) }
            }
        }
    }
}

//! Who is calling, as far as the store and the rates let us ask, and what the access rule says to it.

use crate::config::Outage;
use crate::guard::{Admitted, Denied, admit};
use crate::pipeline::gateway::Gateway;
use crate::pipeline::record::Record;
use crate::pipeline::refusal::{Cause, Refusal};
use crate::pipeline::{Judgement, Way};
use crate::request::Inbound;
use crate::respond::Reason;
use crate::session::{Authenticated, SessionError, Source, Verdict, VerifiedSession};
use crate::token::Slots;

impl Gateway {
    /// The session, by asking its store, and the access rule.
    pub(super) async fn look_up<B>(
        &self,
        way: Way<'_>,
        inbound: &Inbound<B>,
        record: &mut Record,
    ) -> Result<Admitted<Slots>, Refusal> {
        let (cookies, profiles) = (inbound.cookies(), &way.route.rules.sessions);
        let client = inbound.origin().client;
        if let Some(limiter) = self.limiter() {
            limiter.lookup(client).map_err(|exceeded| self.limited(way.route, exceeded))?;
        }
        let asked = self.authenticator.authenticate(cookies, profiles, way.state.policy, record.now).await;
        if let (Some(limiter), Ok(Authenticated { verdict: Verdict::Rejected(_), .. })) =
            (self.limiter(), &asked)
        {
            limiter.found_none(client);
        }
        self.admit(way, asked, record)
    }

    /// The access rule.
    pub(super) fn admit(
        &self,
        way: Way<'_>,
        judged: Result<Authenticated<Slots>, SessionError>,
        record: &mut Record,
    ) -> Result<Admitted<Slots>, Refusal> {
        let outage = match &judged {
            Ok(Authenticated { source: Source::Known(store), .. }) => {
                self.bridged(*store, record);
                Outage::Deny
            }
            Ok(_) => Outage::Deny,
            Err(error) => {
                record.unknown(error.profile, &error.sid);
                self.outage(way.route, error, record)
            }
        };
        let verdict = judged.map(|judged| record.judged(judged));
        admit(way.state.grant, outage, verdict).map_err(|denied| match denied {
            Denied::Unauthenticated(reject) => Refusal {
                cause: reject.map(|reject| Box::new(Cause::Reject(reject))),
                ..Reason::LoginRequired.into()
            },
            Denied::StoreUnavailable(error) => Refusal::caused(Reason::StoreUnavailable, Cause::Store(error)),
        })
    }

    /// How often this may be asked for, whoever asks.
    pub(super) async fn limit<B>(&self, way: Way<'_>, inbound: &Inbound<B>) -> Result<(), Refusal> {
        let Some(limiter) = self.limiter() else { return Ok(()) };
        let (route, client) = (way.route.id, inbound.origin().client);
        let counted = match &self.sharing {
            Some(sharing) => Box::pin(sharing.count(limiter.counts_of(route, client))).await,
            None => limiter.request(route, client),
        };
        counted.map_err(|exceeded| self.limited(way.route, exceeded))
    }

    /// How often it may be with this session, where all gateways count together.
    pub(super) async fn limit_session_of_all(
        &self,
        way: Way<'_>,
        judged: Result<Judgement, Refusal>,
    ) -> Result<Judgement, Refusal> {
        let (Some(sharing), Some(limiter)) = (&self.sharing, self.limiter()) else { return judged };
        let judged = judged?;
        if let Admitted::Known(session) = &judged.admitted {
            let counts = limiter.counts_with(way.route.id, session.session().sid.as_str());
            let counted = Box::pin(sharing.count(counts)).await;
            counted.map_err(|exceeded| self.limited(way.route, exceeded))?;
        }
        Ok(judged)
    }

    /// How often it may be with this session, where this gateway counts for itself.
    pub(super) fn limit_session(
        &self,
        way: Way<'_>,
        session: &VerifiedSession<Slots>,
    ) -> Result<(), Refusal> {
        let Some(limiter) = self.limiter().filter(|_| self.sharing.is_none()) else { return Ok(()) };
        let counted = limiter.session(way.route.id, session.session().sid.as_str());
        counted.map_err(|exceeded| self.limited(way.route, exceeded))
    }
}

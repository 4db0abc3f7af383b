//! Bearers that are tokens of our own: each is judged by the session that it was made of, as that session's cookie would be.
//!
//! The question is the one that introspection asks: whether its `jti` or its session was ended, and whether the session that it names
//! lives and is still that user's. What leads to the session is noted in `[state]`, and remembered with the token; so only its
//! first request asks there, and the others cost what a cookie costs.

use crate::issuer::{BearerError, BearerReject, Judged, OwnBearer};
use crate::pipeline::Way;
use crate::pipeline::gateway::Gateway;
use crate::pipeline::record::Record;
use crate::pipeline::refusal::{Cause, Refusal};
use crate::respond::Reason;
use crate::revocation::Revoker;
use crate::route::Grant;
use crate::session::{Authenticated, Behind, Source, Verdict, VerifiedSession};
use crate::token::{OwnToken, Slots, StandsFor};
use std::sync::Arc;

/// A bearer that was judged.
type Bearer = Result<VerifiedSession<Slots>, BearerError>;

const INACTIVE: Bearer = Err(BearerError::Rejected(BearerReject::Inactive));

impl Gateway {
    /// What a bearer stands for; any but our own for itself. Where it is not kept which sessions there are, nobody can be asked.
    pub(super) async fn stand(
        &self,
        way: Way<'_>,
        judged: Judged<Slots>,
        record: &mut Record,
    ) -> Result<Bearer, Refusal> {
        match (judged.verdict, judged.own, &self.revoker) {
            (Ok(bearer), Some(own), Some(revoker)) => {
                let stands = self.stands(way, (&bearer, &own), revoker, record).await;
                if matches!(stands, Ok(Err(_))) {
                    record.verdict = Some("rejected");
                }
                stands
            }
            (verdict, _, _) => Ok(verdict),
        }
    }

    async fn stands(
        &self,
        way: Way<'_>,
        (bearer, own): (&VerifiedSession<Slots>, &OwnBearer<Slots>),
        revoker: &Revoker,
        record: &mut Record,
    ) -> Result<Bearer, Refusal> {
        let (minter, issuers, now) = (self.minter(), &self.shared().config.issuers, record.now);
        let token = OwnToken::proven(&own.claims);
        let sid = match token.stands_for(minter, issuers, Some(revoker.endings()), now) {
            StandsFor::Session(sid) => sid,
            StandsFor::Bearer => return Ok(Ok(bearer.clone())),
            StandsFor::Nothing => return Ok(INACTIVE),
        };
        let behind = match own.behind() {
            Some(behind) => behind,
            None => match revoker.behind(&self.authenticator, &sid).await {
                Ok(Some(behind)) => Arc::new(Behind { jti: token.text("jti").map(str::to_owned), ..behind }),
                Ok(None) => return Ok(INACTIVE),
                Err(error) => return Err(Refusal::caused(Reason::IssuerUnavailable, Cause::Behind(error))),
            },
        };
        let judged = self.judge_behind(way, &behind, record).await?;
        match judged.verdict {
            Verdict::Verified(live)
                if live.session().sid.as_str() == sid && token.is_of(minter, live.session()) =>
            {
                if live.session().subject.is_none() && !matches!(way.state.grant, Grant::Session) {
                    return Ok(INACTIVE);
                }
                if live.session().marks.is_due(now) {
                    revoker.note(&self.authenticator, &live, &behind.cookies, now).await;
                }
                // Services are told when the session ends while tokens of it go on, and this is one.
                live.session().marks.vouch_until(bearer.ends_at().unwrap_or(now));
                Ok(Ok(own.stand(&live, bearer, behind)))
            }
            Verdict::Verified(_) | Verdict::Absent | Verdict::Rejected(_) => Ok(INACTIVE),
        }
    }

    /// What the session's own cookies prove just now, under the route's rules for stores.
    async fn judge_behind(
        &self,
        way: Way<'_>,
        Behind { profile, cookies, .. }: &Behind,
        record: &mut Record,
    ) -> Result<Authenticated<Slots>, Refusal> {
        let (profiles, policy) = (std::slice::from_ref(profile), way.state.policy);
        let asked = match self.authenticator.recall(cookies, profiles, policy, record.now) {
            Some(judged) => Ok(judged),
            None => self.authenticator.authenticate(cookies, profiles, policy, record.now).await,
        };
        let judged = asked.map_err(|error| {
            record.unknown(error.profile, &error.sid);
            Refusal::caused(Reason::StoreUnavailable, Cause::Store(error))
        })?;
        if let Source::Known(store) = judged.source {
            self.bridged(store, record);
        }
        Ok(judged)
    }
}

//! The end of sessions by the word of who logged their users in: OpenID Connect Back-Channel Logout 1.0.

use crate::clock::UnixMillis;
use crate::config::{Backchannel, ProfileId};
use crate::door::answer;
use crate::door::fields::Fields;
use crate::door::pair::Done;
use crate::door::turned::Turned;
use crate::issuer::{BearerError, Issuers, LogoutRule, LogoutToken};
use crate::revocation::{Revoker, Whom};
use crate::session::Authenticator;
use crate::token::Slots;

/// A logout token that came.
pub struct Notice<'a> {
    /// `[logout.backchannel]`.
    pub rules: &'a [Backchannel],
    /// Who verifies it.
    pub issuers: &'a Issuers<Slots>,
    /// Who reads sessions, and ends them.
    pub authenticator: &'a Authenticator<Slots>,
    /// Who knows them.
    pub revoker: &'a Revoker,
    /// The request's body.
    pub fields: &'a Fields,
    /// The time.
    pub now: UnixMillis,
}

impl Notice<'_> {
    /// Ends what the token says is over. The same token again ends nothing: who logged in since did not mean that.
    ///
    /// # Errors
    /// [`Turned`] if it is no good, or if something could not be asked or ended: then it may be sent again.
    pub async fn heed(&self) -> Result<Done, Turned> {
        let token = self.fields.get("logout_token").ok_or(Turned::Unclear("`logout_token` is missing"))?;
        let rules: Vec<LogoutRule<'_>> = self
            .rules
            .iter()
            .map(|rule| LogoutRule { issuer: rule.issuer, audience: &rule.audience })
            .collect();
        let token = self.issuers.logout_token(token.as_bytes(), &rules, self.now).await;
        let token = token.map_err(|error| match error {
            BearerError::Rejected(reject) => Turned::LogoutToken(reject),
            BearerError::Unavailable(unavailable) => Turned::Issuer(unavailable),
        })?;
        let Some(rule) = self.rules.get(token.rule) else {
            return Err(Turned::Unclear("no rule for it"));
        };
        let name = format!("{}:{}", self.issuers.name(rule.issuer).unwrap_or_default(), token.jti);
        let state = self.revoker.state();
        if state.was_heard(&name).await.map_err(Turned::State)? {
            return Ok(Done { response: answer::done(), outcome: "repeated" });
        }
        for profile in &rule.sessions {
            self.end(rule, *profile, &token).await?;
        }
        let life = self.now.until(token.ends_at);
        state.hear(&name, life).await.map_err(Turned::State)?;
        Ok(Done { response: answer::done(), outcome: "ended" })
    }

    async fn end(&self, rule: &Backchannel, profile: ProfileId, token: &LogoutToken) -> Result<(), Turned> {
        let (authenticator, revoker, now) = (self.authenticator, self.revoker, self.now);
        let Some(known) = authenticator.profiles().get(profile.0) else { return Ok(()) };
        let sub = token.subject.as_deref().map(|subject| known.sub_of(subject));
        let user = sub.map(|sub| revoker.user(&known.name, &sub));
        let ended = match (&rule.sid, &token.sid, user) {
            (Some(attribute), Some(sid), user) => {
                let having = Some((attribute.clone(), sid.clone()));
                revoker.end_found(authenticator, Whom { profile, user, having, spared: None }, now).await
            }
            (_, _, Some(user)) => revoker.end_all(authenticator, (profile, user), None, now).await,
            (_, _, None) => {
                return Err(Turned::Unclear(
                    "the token has a `sid` alone, and no `sid` is configured for it",
                ));
            }
        };
        ended.map_err(Turned::revocation)
    }
}

//! The end of one token before its time (RFC 7009).

use crate::clients::answer::{Answer, Refused};
use crate::clients::desk::{Desk, Tools};
use crate::clock::UnixMillis;
use crate::config::Client;
use crate::door::Fields;
use crate::telemetry::chain;
use crate::token::OwnToken;
use serde_json::{Value, json};

impl Desk {
    /// Ends a token for this client: it is active no more, at no gateway, and its `jti` is on the list for services. A token that is none, or
    /// another's, is no mistake (§2.2).
    pub(super) async fn revoke(
        &self,
        client: &Client,
        fields: &Fields,
        tools: &Tools<'_>,
        now: UnixMillis,
    ) -> Result<Answer, Refused> {
        let shown = fields.get("token").ok_or(Refused::InvalidRequest("there is no `token`"))?;
        let read = (shown.as_bytes(), self.issuer.as_str());
        let token = OwnToken::read(&self.keys, tools.minter, read, &client.audience, now);
        let ended = token.as_ref().and_then(|token| {
            let ends = token.claims.get("exp").and_then(Value::as_u64)?;
            Some((token.text("jti")?, UnixMillis::from_secs(ends)))
        });
        let Some((jti, until)) = ended else { return Ok(Answer::of(&json!({}), "nothing-to-end")) };
        tools.revoker.end_token(jti, until, now).await.map_err(|error| {
            tracing::warn!(client = %client.name, error = %chain(&error), "a token could not be ended");
            Refused::Unavailable
        })?;
        Ok(Answer::of(&json!({}), "ended"))
    }
}

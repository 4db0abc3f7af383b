//! Whether a token counts (RFC 7662).

use crate::clients::answer::{Answer, Refused};
use crate::clients::behind::Behind;
use crate::clients::desk::{Desk, Tools};
use crate::clock::UnixMillis;
use crate::config::{Client, TokenProfile};
use crate::door::Fields;
use crate::telemetry::chain;
use crate::token::OwnToken;
use serde_json::{Value, json};

impl Desk {
    /// Says of a token for this client whether it counts, and what it says; of any other, that it does not.
    pub(super) async fn introspect(
        &self,
        client: &Client,
        fields: &Fields,
        tools: &Tools<'_>,
        now: UnixMillis,
    ) -> Result<Answer, Refused> {
        let shown = fields.get("token").ok_or(Refused::InvalidRequest("there is no `token`"))?;
        let read = (shown.as_bytes(), self.issuer.as_str());
        let Some(token) = OwnToken::read(&self.keys, tools.minter, read, &client.audience, now) else {
            return Ok(inactive("none-of-theirs"));
        };
        let behind = Behind::of(&token, tools, now).await.map_err(|error| {
            tracing::warn!(client = %client.name, error = %chain(&error), "a token could not be introspected");
            Refused::Unavailable
        })?;
        Ok(match behind {
            Behind::Nothing => inactive("session-over"),
            Behind::Session(_) | Behind::Bearer => {
                let kind = (token.profile != TokenProfile::Txn).then_some("Bearer");
                let mut said = token.claims.into_owned();
                said.insert("active".into(), true.into());
                if let Some(kind) = kind {
                    said.insert("token_type".into(), kind.into());
                }
                Answer::of(&Value::Object(said), "active")
            }
        })
    }
}

/// Nothing more is said: whoever may not see the token learns not even what it was.
fn inactive(outcome: &'static str) -> Answer {
    Answer::of(&json!({ "active": false }), outcome)
}

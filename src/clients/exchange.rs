//! A token for another service, in the name of who called this one (RFC 8693).

use crate::clients::answer::{Answer, Refused};
use crate::clients::behind::Behind;
use crate::clients::desk::{Desk, Tools};
use crate::clock::UnixMillis;
use crate::config::{Client, TokenProfile};
use crate::door::Fields;
use crate::telemetry::chain;
use crate::token::{Errand, InternalToken, OwnToken, TokenError};
use serde_json::{Value, json};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// Longest chain of who acts for whom: more services than one request goes through.
const ACTORS_MAX: usize = 8;
const UNKNOWN_TARGET: Refused = Refused::InvalidTarget("the client's `may_call` does not name it");

impl Desk {
    /// Trades the token with which the client was called for one with which it calls.
    pub(super) async fn exchange(
        &self,
        client: &Client,
        fields: &Fields,
        tools: &Tools<'_>,
        now: UnixMillis,
    ) -> Result<Answer, Refused> {
        match fields.get("grant_type") {
            Some(EXCHANGE) => {}
            Some(_) => return Err(Refused::UnsupportedGrantType),
            None => return Err(Refused::InvalidRequest("there is no `grant_type`")),
        }
        let shown = asked(fields)?;
        let target = target(client, fields)?;
        let exchanged = tools.minter.templates().for_exchange(target).ok_or(UNKNOWN_TARGET)?;
        let bad = Refused::InvalidRequest("the subject token does not count");
        let read = (shown.as_bytes(), self.issuer.as_str());
        let token = OwnToken::read(&self.keys, tools.minter, read, &client.audience, now).ok_or(bad)?;
        if token.is_pairwise() && !exchanged.is_pairwise {
            return Err(Refused::InvalidTarget(
                "the subject token knows the user by a pairwise `sub`, and tokens of that audience by the public one",
            ));
        }
        let scope = scope(token.text("scope"), exchanged.scope.as_deref(), fields.get("scope"))?;
        let live = match Behind::of(&token, tools, now).await {
            Ok(Behind::Session(live)) => live,
            Ok(Behind::Nothing) => return Err(bad),
            Ok(Behind::Bearer) => {
                return Err(Refused::InvalidRequest(
                    "the subject token was made of a bearer, which cannot be asked about",
                ));
            }
            Err(error) => {
                tracing::warn!(client = %client.name, error = %chain(&error), "a token could not be exchanged");
                return Err(Refused::Unavailable);
            }
        };
        if live.session.session().subject.is_none() && !exchanged.takes_guests {
            return Err(Refused::InvalidTarget(
                "the subject token is a guest's, and no route leads guests there",
            ));
        }
        let act = actors(client, &token)?;
        let errand =
            Errand { act: &act, certificate: client.certificate.as_deref(), scope: scope.as_deref() };
        let minted = tools.minter.mint_exchanged(&live.session, exchanged.template, &errand, now);
        let minted = minted.map_err(|error| match error {
            TokenError::SessionEnding => bad,
            TokenError::NoKey => Refused::Unavailable,
            TokenError::TooLarge { .. }
            | TokenError::RandomFailed
            | TokenError::SigningFailed
            | TokenError::UnknownTemplate => {
                tracing::error!(client = %client.name, error = %chain(&error), "a token could not be made");
                Refused::Failed
            }
        })?;
        Ok(given(&minted, scope, now))
    }
}

/// RFC 8693 §2.2.1.
fn given(minted: &InternalToken, scope: Option<String>, now: UnixMillis) -> Answer {
    let text = minted.expose().to_str().unwrap_or_default();
    let kind = match minted.profile() {
        TokenProfile::AtJwt | TokenProfile::Reference => ACCESS_TOKEN,
        TokenProfile::Jwt | TokenProfile::Txn => JWT,
    };
    let mut body = json!({
        "access_token": text.strip_prefix("Bearer ").unwrap_or(text),
        "issued_token_type": kind,
        "token_type": "Bearer",
        "expires_in": now.until(minted.expires_at()).as_secs(),
    });
    if let (Some(scope), Some(members)) = (scope, body.as_object_mut()) {
        members.insert("scope".into(), scope.into());
    }
    Answer::of(&body, "exchanged")
}

/// The token that is shown, if everything else that is asked for can be had.
fn asked(fields: &Fields) -> Result<&str, Refused> {
    let kind = |name| fields.get(name);
    match kind("subject_token_type") {
        Some(ACCESS_TOKEN | JWT) => {}
        Some(_) => {
            return Err(Refused::InvalidRequest("`subject_token_type` is neither access_token nor jwt"));
        }
        None => return Err(Refused::InvalidRequest("there is no `subject_token_type`")),
    }
    if !matches!(kind("requested_token_type"), None | Some(ACCESS_TOKEN | JWT)) {
        return Err(Refused::InvalidRequest("`requested_token_type` is neither access_token nor jwt"));
    }
    if kind("actor_token").is_some() || kind("actor_token_type").is_some() {
        return Err(Refused::InvalidRequest("an `actor_token` is not taken: who acts is who asks"));
    }
    kind("subject_token").ok_or(Refused::InvalidRequest("there is no `subject_token`"))
}

/// Which service it wants to call.
fn target<'f>(client: &Client, fields: &'f Fields) -> Result<&'f str, Refused> {
    let target = match (fields.get("audience"), fields.get("resource")) {
        (Some(audience), None) => audience,
        (None, Some(resource)) => resource,
        (Some(audience), Some(resource)) if audience == resource => audience,
        (Some(_), Some(_)) => return Err(UNKNOWN_TARGET),
        (None, None) => return Err(Refused::InvalidRequest("there is neither `audience` nor `resource`")),
    };
    client.may_call.iter().any(|known| known == target).then_some(target).ok_or(UNKNOWN_TARGET)
}

/// What the token will be for: what is asked, else all that both the shown token and the target's are for. One that says no scope limits
/// none, and what nobody says cannot be asked for.
fn scope(had: Option<&str>, target: Option<&str>, asked: Option<&str>) -> Result<Option<String>, Refused> {
    let has = |all: &str, one: &str| all.split(' ').any(|known| known == one);
    let mut allowed: Vec<&str> = had.or(target).map(|all| all.split(' ').collect()).unwrap_or_default();
    allowed.retain(|one| target.is_none_or(|target| has(target, one)));
    let Some(asked) = asked else {
        let nothing_left = allowed.is_empty() && (had.is_some() || target.is_some());
        let all = (!allowed.is_empty()).then(|| allowed.join(" "));
        return if nothing_left { Err(Refused::InvalidScope) } else { Ok(all) };
    };
    let within = asked.split(' ').all(|one| allowed.contains(&one));
    within.then(|| Some(asked.to_owned())).ok_or(Refused::InvalidScope)
}

/// Who acts now, and within that who acted before.
fn actors(client: &Client, token: &OwnToken) -> Result<Value, Refused> {
    let before = token.claims.get("act");
    let mut depth = 1;
    let mut next = before;
    while let Some(actor) = next {
        depth += 1;
        if depth > ACTORS_MAX {
            return Err(Refused::InvalidRequest("too many have acted before"));
        }
        next = actor.get("act");
    }
    let mut act = json!({ "sub": client.name });
    if let (Some(before), Some(members)) = (before, act.as_object_mut()) {
        members.insert("act".into(), before.clone());
    }
    Ok(act)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_within_the_shown_tokens_and_the_targets() {
        let narrow = Some("orders.read orders.write");
        for (had, target, asked, given) in [
            (narrow, Some("shop admin"), None, Err(())),
            (narrow, Some("shop admin"), Some("orders.read"), Err(())),
            (narrow, Some("shop admin"), Some("admin"), Err(())),
            (narrow, Some("shop orders.write"), None, Ok(Some("orders.write"))),
            (narrow, Some("shop orders.write"), Some("orders.write"), Ok(Some("orders.write"))),
            (narrow, Some("shop orders.write"), Some("orders.write shop"), Err(())),
            (narrow, None, None, Ok(narrow)),
            (narrow, None, Some("orders.read"), Ok(Some("orders.read"))),
            (None, Some("shop admin"), None, Ok(Some("shop admin"))),
            (None, Some("shop admin"), Some("admin"), Ok(Some("admin"))),
            (None, Some("shop admin"), Some("orders.read"), Err(())),
            (None, None, None, Ok(None)),
            (None, None, Some("all"), Err(())),
            (narrow, None, Some(""), Err(())),
            (narrow, None, Some("orders.read "), Err(())),
        ] {
            let got = scope(had, target, asked).map_err(|_| ());
            let given = given.map(|text| text.map(str::to_owned));
            assert_eq!(got, given, "{had:?} {target:?} {asked:?}");
        }
    }
}

//! Logout tokens (OpenID Connect Back-Channel Logout 1.0): an issuer's word that a login of its is over.
//!
//! They are signed by the keys that sign everything else of the issuer's, so what tells them apart is checked first: the one event, and no
//! `nonce`, which makes an ID token of it. A bearer that has the event is none, for the same reason.

use crate::clock::UnixMillis;
use crate::codec::Value;
use crate::config::IssuerId;
use crate::format::Reject;
use crate::format::claims::{ClaimRules, Claims};
use crate::format::jws::{Typ, Unverified};
use crate::issuer::issuers::{Issuers, claimed_issuer};
use crate::issuer::reject::{BearerError, BearerReject};
use crate::issuer::verifier::{CLAIMS, Proofs, Verifier};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// A name, whoever made it up.
const NAME_BYTES_MAX: usize = 255;

/// Whose logout tokens are taken, and for whom they must be.
#[derive(Clone, Copy, Debug)]
pub struct LogoutRule<'a> {
    /// The issuer.
    pub issuer: IssuerId,
    /// Values of `aud`.
    pub audience: &'a [String],
}

/// What a logout token says.
#[derive(Debug)]
pub struct LogoutToken {
    /// Which of the rules it is by.
    pub rule: usize,
    /// Whose sessions end.
    pub subject: Option<String>,
    /// Which session ends.
    pub sid: Option<String>,
    /// Its name, which comes once.
    pub jti: String,
    /// Until when it would be taken.
    pub ends_at: UnixMillis,
}

impl<T: Default + Send + Sync + 'static> Issuers<T> {
    /// Reads and verifies a logout token.
    ///
    /// # Errors
    /// [`BearerError`], as of a bearer.
    pub async fn logout_token(
        &self,
        token: &[u8],
        rules: &[LogoutRule<'_>],
        now: UnixMillis,
    ) -> Result<LogoutToken, BearerError> {
        let refused = |reject: Reject| BearerError::Rejected(reject.into());
        let token = Unverified::read(token).map_err(refused)?;
        let iss = claimed_issuer(&token).map_err(refused)?;
        let mut first = None;
        for (at, rule) in rules.iter().enumerate() {
            let Some(verifier) = self.verifier(rule.issuer).filter(|verifier| verifier.issuer == iss) else {
                continue;
            };
            match verifier.logout_token((&token, at), rule.audience, now).await {
                Ok(token) => return Ok(token),
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.unwrap_or(BearerError::Rejected(BearerReject::UnknownIssuer)))
    }
}

impl Verifier {
    async fn logout_token(
        &self,
        (token, rule): (&Unverified<'_>, usize),
        audience: &[String],
        now: UnixMillis,
    ) -> Result<LogoutToken, BearerError> {
        let refused = |reject: Reject| BearerError::Rejected(reject.into());
        let Proofs::Keys(keys) = &self.proofs else {
            return Err(BearerError::Rejected(BearerReject::UnknownKey));
        };
        // The type is younger than the tokens: `JWT`, or none, is what older issuers say.
        let is = |typ: &Typ| token.check_typ(typ);
        let typ = is(&Typ::Exactly("logout+jwt".to_owned())).or_else(|_| is(&Typ::Bare));
        typ.map_err(refused)?;
        let (payload, _) = self.proven(keys, token).await?;
        let rules = ClaimRules {
            issuer: Some(self.issuer.clone()),
            audience: audience.to_vec(),
            must_end: true,
            skew: self.leeway(),
        };
        let claims = rules.read(&payload, CLAIMS).map_err(refused)?;
        read(&claims, rule, (rules.skew, now)).map_err(refused)
    }
}

/// Whether these claims are those of a logout token.
pub(super) fn is_logout(claims: &Value) -> bool {
    claims.get("events").and_then(|events| events.get(EVENT)).is_some()
}

fn read(
    Claims { data, ends_at, begins_at }: &Claims,
    rule: usize,
    (skew, now): (std::time::Duration, UnixMillis),
) -> Result<LogoutToken, Reject> {
    let ends_at = ends_at.map(|end| end.plus(skew)).filter(|end| *end > now).ok_or(Reject::Expired)?;
    if begins_at.is_some_and(|begin| begin > now) {
        return Err(Reject::NotYetValid);
    }
    let name = |claim: &str| match data.get(claim) {
        None => Ok(None),
        Some(value) => {
            match value.as_text().filter(|text| !text.is_empty() && text.len() <= NAME_BYTES_MAX) {
                Some(text) => Ok(Some(text.to_owned())),
                None => Err(Reject::ClaimRefused("its `sub`, `sid` or `jti` is no name")),
            }
        }
    };
    if data.get("iat").is_none() {
        return Err(Reject::ClaimRefused("it has no `iat`"));
    }
    if !matches!(data.get("events").and_then(|events| events.get(EVENT)), Some(Value::Map(_))) {
        return Err(Reject::ClaimRefused("it has no logout event, so it is another kind of token"));
    }
    if data.get("nonce").is_some() {
        return Err(Reject::ClaimRefused("it has a `nonce`, which no logout token has"));
    }
    let (subject, sid) = (name("sub")?, name("sid")?);
    if subject.is_none() && sid.is_none() {
        return Err(Reject::ClaimRefused("it says neither whose session is over (`sub`) nor which (`sid`)"));
    }
    let jti = name("jti")?.ok_or(Reject::ClaimRefused("it has no `jti`"))?;
    Ok(LogoutToken { rule, subject, sid, jti, ends_at })
}

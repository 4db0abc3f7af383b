//! The claims of a JWT (RFC 7519 §4.1), checked the one way that RFC 8725 leaves, whoever signed it and however it came.

use crate::clock::UnixMillis;
use crate::codec::{Limits, Value, json};
use crate::format::{Reject, jws};
use std::time::Duration;

/// The last second of the year 9999. A time beyond it is one in milliseconds, and would be no end at all.
const SECONDS_MAX: f64 = 253_402_300_799.0;

/// What claims must say.
#[derive(Debug)]
pub struct ClaimRules {
    /// The `iss`; `None`: any.
    pub issuer: Option<String>,
    /// Values of `aud`, of which there must be one; none: there must be no `aud`, because it would be somebody else.
    pub audience: Vec<String>,
    /// Whether there must be an `exp`.
    pub must_end: bool,
    /// How far the issuer's clock and ours may differ about `nbf` and `iat`.
    pub skew: Duration,
}

/// Claims that are meant for us. Whether they have begun and not ended is for whoever knows the time.
#[derive(Debug)]
pub struct Claims {
    /// All of them.
    pub data: Value,
    /// `exp`.
    pub ends_at: Option<UnixMillis>,
    /// The later of `nbf` and `iat`, set back by the skew.
    pub begins_at: Option<UnixMillis>,
}

impl ClaimRules {
    /// Reads and checks a payload.
    ///
    /// # Errors
    /// [`Reject::MalformedCookie`] if these are no claims, [`Reject::ClaimRefused`] if they are not for us.
    pub fn read(&self, payload: &[u8], limits: Limits) -> Result<Claims, Reject> {
        let data = json::decode(payload, limits)
            .ok()
            .filter(|claims| matches!(claims, Value::Map(fields) if jws::each_once(fields)))
            .ok_or(Reject::MalformedCookie("the claims are not a JSON object with each name once"))?;
        self.check_parties(&data)?;
        let ends_at = time(&data, "exp", "`exp` is no time in seconds")?;
        if ends_at.is_none() && self.must_end {
            return Err(Reject::ClaimRefused("it has no `exp`, so it would never end"));
        }
        let from = time(&data, "nbf", "`nbf` is no time in seconds")?;
        let made = time(&data, "iat", "`iat` is no time in seconds")?;
        let begins_at = from.max(made).map(|begin| begin.minus(self.skew));
        Ok(Claims { data, ends_at, begins_at })
    }

    fn check_parties(&self, claims: &Value) -> Result<(), Reject> {
        if let Some(issuer) = &self.issuer
            && claims.get("iss").and_then(Value::as_text) != Some(issuer)
        {
            return Err(Reject::ClaimRefused("its `iss` is not the `issuer` that is configured"));
        }
        let known = |audience: &Value| {
            audience.as_text().is_some_and(|audience| self.audience.iter().any(|known| known == audience))
        };
        match claims.get("aud") {
            None if self.audience.is_empty() => Ok(()),
            None => Err(Reject::ClaimRefused("it has no `aud`, and an `audience` is configured")),
            Some(_) if self.audience.is_empty() => {
                Err(Reject::ClaimRefused("it has an `aud`, and no `audience` is configured"))
            }
            Some(Value::List(all)) if all.iter().any(known) => Ok(()),
            Some(one) if known(one) => Ok(()),
            Some(_) => Err(Reject::ClaimRefused("its `aud` is not the `audience` that is configured")),
        }
    }
}

/// A NumericDate (RFC 7519 §2); a negative one is long past.
fn time(claims: &Value, name: &str, otherwise: &'static str) -> Result<Option<UnixMillis>, Reject> {
    let seconds = match claims.get(name) {
        None => return Ok(None),
        #[expect(clippy::cast_precision_loss, reason = "exact up to the year 9999, and refused beyond")]
        Some(Value::Int(seconds)) => *seconds as f64,
        Some(Value::Float(seconds)) => *seconds,
        Some(_) => return Err(Reject::MalformedCookie(otherwise)),
    };
    if !seconds.is_finite() || seconds > SECONDS_MAX {
        return Err(Reject::MalformedCookie(otherwise));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 0 and at most the year 9999"
    )]
    let millis = (seconds.max(0.0) * 1000.0) as u64;
    Ok(Some(UnixMillis::new(millis)))
}

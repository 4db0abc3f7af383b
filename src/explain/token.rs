//! The token as the service would see it, but for its signature.

use crate::clock::UnixMillis;
use crate::explain::shown::{Mask, clip};
use crate::explain::step::Step;
use crate::token::{InternalToken, inspect};

/// Claims that say nothing about a person.
const PLAIN: [&str; 7] = ["iss", "aud", "exp", "iat", "client_id", "sid", "anonymous"];

pub(super) fn step(
    token: Option<&InternalToken>,
    says_anonymous: bool,
    stand_in_keys: bool,
    now: UnixMillis,
    mask: Mask,
) -> Step {
    let Some(token) = token else {
        return if says_anonymous {
            Step::skipped("token", "none; `Cloakroom-Verdict: anonymous` goes instead")
        } else {
            Step::skipped("token", "none")
        };
    };
    let header = token.header();
    let mut step =
        Step::passed("token", format!("in `{header}`, for {}", clip(&token.template().audience.join(", "))));
    if stand_in_keys {
        step.fact("keys", "`serve` has made none yet; this token and the sid are of stand-ins");
    }
    let Ok(found) =
        token.expose().to_str().map_err(drop).and_then(|text| inspect(text, None, now).map_err(drop))
    else {
        return step;
    };
    step.fact("header", found.header.to_string());
    for (name, value) in found.claims.as_object().into_iter().flatten().filter(|(name, _)| *name != "jti") {
        let plain = PLAIN.contains(&name.as_str());
        let shown = if plain { clip(&value.to_string()) } else { mask.json(name, value) };
        let when = found.moments.iter().find(|moment| moment.claim == name);
        let when = when.map(|moment| format!(" ({})", moment.words)).unwrap_or_default();
        step.fact("claim", format!("{}: {shown}{when}", clip(name)));
    }
    step
}

//! The token as the service would see it, but for its signature.

use crate::clock::UnixMillis;
use crate::explain::shown::{Mask, clip};
use crate::explain::step::Step;
use crate::token::{InternalToken, inspect};

/// Claims that say nothing about a person.
const PLAIN: [&str; 10] =
    ["iss", "aud", "exp", "iat", "client_id", "sid", "anonymous", "scope", "req_wl", "txn"];

/// There is no token.
pub(super) fn none(says_anonymous: bool) -> Step {
    let instead = if says_anonymous { "none; `Cloakroom-Verdict: anonymous` goes instead" } else { "none" };
    Step::skipped("token", instead)
}

pub(super) fn step(token: &InternalToken, stand_in_keys: bool, now: UnixMillis, mask: Mask) -> Step {
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
    if token.template().is_pairwise {
        step.fact("sub", "pairwise: of this audience alone, and no sid");
    }
    if token.template().is_for_one_request() {
        step.fact("signed", "for this request alone");
    }
    for (name, value) in found.claims.as_object().into_iter().flatten().filter(|(name, _)| *name != "jti") {
        let plain = PLAIN.contains(&name.as_str());
        let shown = if plain { clip(&value.to_string()) } else { mask.json(name, value) };
        let when = found.moments.iter().find(|moment| moment.claim == name);
        let when = when.map(|moment| format!(" ({})", moment.words)).unwrap_or_default();
        step.fact("claim", format!("{}: {shown}{when}", clip(name)));
    }
    step
}

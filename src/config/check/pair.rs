//! `[pair]`.

use std::time::Duration;

use crate::config::check::names::Names;
use crate::config::check::route::{audiences, profiles_named};
use crate::config::check::table::{Checker, Table};
use crate::config::check::token;
use crate::config::raw::RawPair;
use crate::config::suggest::list;
use crate::config::{Config, Confirmation, Pair, ProfileId, RefreshPlace, TokenOptions, TokenProfile};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A copy of a token that is a minute old is not a client in a hurry.
const GRACE_MAX: Duration = Duration::from_secs(60);

/// Checks `[pair]`, if it is there.
pub(crate) fn check(checker: &mut Checker<'_>, config: &Config, profiles: &Names<'_>) -> Option<Pair> {
    let (file, raw) = checker.main()?;
    let raw = raw.pair.as_ref()?;
    let mut table = Table { checker, file, name: "pair".to_owned(), at: file.at(raw) };
    let raw = raw.get();
    if config.state.is_none() {
        let found = "there is nowhere to keep refresh tokens";
        let hint = "name a store for what the gateway keeps: [state] store = \"app\"";
        table.refuse_with(table.at, "state", found, "[state] beside it", hint);
    }
    let sessions = match &raw.sessions {
        None => profiles.only(&mut table, "sessions").map(ProfileId).into_iter().collect(),
        Some(raw) => profiles_named(&mut table, raw, profiles, "leave it out for the only profile there is"),
    };
    let base = TokenOptions {
        ttl: 5 * MINUTE,
        // A transaction token is for one request of one service: no client holds one.
        profiles: profiles_for_clients(&config.tokens.defaults.profiles),
        header: ::http::header::AUTHORIZATION,
        // A client renews its pair over whichever connection it has.
        cnf: Confirmation::None,
        ..config.tokens.defaults.clone()
    };
    let given = token::Given {
        profile: None,
        header: None,
        algorithm: None,
        ttl: raw.ttl.as_ref(),
        claims: raw.claims.as_deref(),
        scope: None,
        subject_type: None,
        cnf: raw.cnf.as_ref(),
    };
    let year = MINUTE..=366 * DAY;
    let absolute = table.duration_within("absolute", raw.absolute.as_ref(), 30 * DAY, year.clone());
    let idle = table.duration_within("idle", raw.idle.as_ref(), absolute.min(7 * DAY), year);
    if let Some(raw) = raw.idle.as_ref().filter(|_| idle > absolute) {
        let found = format!("{idle:?}, and the pair ends after {absolute:?} (`absolute`)");
        table.refuse(table.file.at(raw), "idle", found, "no longer than `absolute`");
    }
    let pair = Pair {
        audience: audiences(&mut table, &raw.audience, "at least one audience"),
        token: token::options(&mut table, given, &base),
        sessions,
        refresh: raw.refresh.as_ref().map_or(RefreshPlace::Cookie, |raw| *raw.get()),
        idle,
        absolute,
        grace: grace(&mut table, raw),
    };
    attributes(&mut table, &pair, config);
    Some(pair)
}

fn profiles_for_clients(profiles: &[TokenProfile]) -> Vec<TokenProfile> {
    let lasting = profiles.iter().find(|profile| **profile != TokenProfile::Txn);
    vec![lasting.copied().unwrap_or(TokenProfile::AtJwt)]
}

fn grace(table: &mut Table<'_, '_>, raw: &RawPair) -> Duration {
    let grace = table.duration_or_zero("grace", raw.grace.as_ref(), Duration::from_secs(10));
    if let Some(raw) = raw.grace.as_ref().filter(|_| grace > GRACE_MAX) {
        let accepted = "up to 60s; whoever holds a stolen token has that long";
        table.refuse(table.file.at(raw), "grace", format!("{grace:?} is out of range"), accepted);
    }
    grace
}

/// Notes claims that a profile has no attribute for.
fn attributes(table: &mut Table<'_, '_>, pair: &Pair, config: &Config) {
    for claim in &pair.token.claims {
        for profile in pair.sessions.iter().filter_map(|id| config.profiles.get(id.0)) {
            let known = profile.attributes.iter().any(|(attribute, _)| *attribute == claim.value);
            if !known && !table.checker.damaged(profile.at) {
                let found = format!("profile `{}` has no attribute `{}`", profile.name, claim.value);
                let accepted = list(profile.attributes.iter().map(|(attribute, _)| attribute.as_str()));
                table.refuse(claim.at, "claims", found, accepted);
            }
        }
    }
}

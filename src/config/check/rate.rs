//! `[limits]`, and `rate` of a route.

use crate::config::check::server::open;
use crate::config::check::table::{Checker, Table};
use crate::config::raw::{Placed, RateText, RawRates, RawRouteRate};
use crate::config::{At, Rate, Rates, RouteRates};

const RATE: &str = "a rate, as \"10/s\", \"100/min\", \"1000/h\", \"10/s burst 50\", or \"none\"";

/// `[limits]`.
pub(crate) fn check(checker: &mut Checker<'_>) -> Rates {
    let given = checker.main().and_then(|(file, raw)| raw.limits.as_ref().map(|table| (file, table)));
    let absent = RawRates::default();
    let (mut table, raw) = open(checker, "limits", given, &absent);
    Rates {
        client: rate(&mut table, "client", raw.client.as_ref()),
        session: rate(&mut table, "session", raw.session.as_ref()),
        lookups: rate(&mut table, "lookups", raw.lookups.as_ref()),
        shared: raw.shared.as_ref().is_some_and(|shared| *shared.get()),
        keys: table.count("keys", raw.keys.as_ref(), 100_000, 1_000..=10_000_000),
    }
}

/// Rates that all count need a place where they do.
pub(crate) fn shared(checker: &mut Checker<'_>, rates: &Rates, has_state: bool) {
    let given = checker.main().and_then(|(file, raw)| Some((file, raw.limits.as_ref()?)));
    if let (true, false, Some((file, raw))) = (rates.shared, has_state, given) {
        let mut table = Table { checker, file, name: "limits".to_owned(), at: file.at(raw) };
        let at = raw.get().shared.as_ref().map_or(table.at, |shared| file.at(shared));
        let hint = "name a store for what the gateway keeps: [state] store = \"app\"";
        table.refuse_with(at, "shared", "there is nowhere to count together", "[state] beside it", hint);
    }
}

/// `rate` of a route.
pub(crate) fn of_route(table: &mut Table<'_, '_>, raw: Option<&Placed<RawRouteRate>>) -> RouteRates {
    let Some(raw) = raw else { return RouteRates::default() };
    match raw.get() {
        RawRouteRate::Client(text) => {
            let client = read(table, "rate", text, table.file.at(raw));
            RouteRates { client, ..RouteRates::default() }
        }
        RawRouteRate::Each(each) => RouteRates {
            client: rate(table, "rate.client", each.client.as_ref()),
            session: rate(table, "rate.session", each.session.as_ref()),
            route: rate(table, "rate.route", each.route.as_ref()),
        },
    }
}

fn rate(table: &mut Table<'_, '_>, key: &str, raw: Option<&Placed<RateText>>) -> Option<Rate> {
    let raw = raw?;
    read(table, key, raw.get(), table.file.at(raw))
}

fn read(table: &mut Table<'_, '_>, key: &str, RateText(text): &RateText, at: At) -> Option<Rate> {
    if text == "none" {
        return None;
    }
    let rate = Rate::parse(text);
    if rate.is_none() {
        let found = format!("`{text}` is not a rate");
        match hint(text) {
            Some(hint) => table.refuse_with(at, key, found, RATE, hint),
            None => table.refuse(at, key, found, RATE),
        }
    }
    rate
}

fn hint(text: &str) -> Option<String> {
    let near = text.to_ascii_lowercase().replace(' ', "");
    let near =
        near.replace("/second", "/s").replace("/minute", "/min").replace("r/", "/").replace("per", "/");
    if text.starts_with("0/") {
        return Some("nothing at all is `access` to say, or leave the route out".to_owned());
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(format!("in how long: \"{text}/s\" or \"{text}/min\"?"));
    }
    Rate::parse(&near).map(|rate| format!("did you mean \"{rate}\"?"))
}

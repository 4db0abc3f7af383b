//! `cloakroom check`

use crate::app::{Bound, Checked, CheckedIssuer, CheckedRoute, check};
use crate::cli::printer::Printer;
use crate::cli::{ConfigFile, Outcome};
use crate::config::{ConfigError, Sources};
use std::time::Duration;

/// Find every mistake in the configuration, and print what each route guarantees.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    file: ConfigFile,
    /// Machine-readable output.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self, printer: &Printer) -> Outcome {
        let (config, sources) = match crate::config::load(&self.file.config) {
            Ok(loaded) => loaded,
            Err((errors, sources)) => return self.refuse(&errors, &sources, printer),
        };
        match check(config) {
            Ok(checked) if self.json => printer.json(&as_json(&checked)),
            Ok(checked) => print(&checked, printer),
            Err(errors) => return self.refuse(&errors, &sources, printer),
        }
        Outcome::Fine
    }

    fn refuse(&self, errors: &[ConfigError], sources: &Sources, printer: &Printer) -> Outcome {
        if self.json {
            let mistakes: Vec<_> = errors.iter().map(|error| mistake(error, sources)).collect();
            printer.json(&serde_json::json!({ "mistakes": mistakes }));
        } else {
            printer.mistakes(errors, sources);
        }
        Outcome::BadInput
    }
}

fn print(checked: &Checked, printer: &Printer) {
    for route in &checked.routes {
        let bound = match &route.bound {
            Some(bound) => in_words(bound),
            None => "open: the store is never asked".to_owned(),
        };
        let token = token_in_words(route);
        let CheckedRoute { pattern, access, upstream, .. } = route;
        printer.line(format!("{pattern:<28} {access:<9} -> {upstream:<12} {bound}{token}"));
    }
    for issuer in &checked.issuers {
        let CheckedIssuer { name, issuer, keys, audience } = issuer;
        let audience = audience.join(", ");
        printer.line(format!("{:<28} bearers of {issuer} for {audience}; {keys}", format!("issuer {name}")));
    }
    for warning in &checked.warnings {
        printer.note(format!("warning: {warning}"));
    }
    let routes = if checked.routes.len() == 1 { "route" } else { "routes" };
    printer.line(format!("fine: {} {routes}", checked.routes.len()));
}

/// What is not the usual about a route's token, and for whom it is.
fn token_in_words(route: &CheckedRoute) -> String {
    let mut words = String::new();
    if !matches!(*route.tokens, [] | ["at+jwt"]) {
        words = format!("; token: {}", route.tokens.join(" and "));
    }
    if route.is_pairwise && !route.tokens.is_empty() {
        words.push_str("; sub: pairwise");
    }
    if route.is_bound && !route.tokens.is_empty() {
        words.push_str("; token: for one request each, so one signature each");
    }
    if let Some(upstream) = &route.other_bearers {
        words.push_str("; other bearers: to ");
        words.push_str(upstream);
        words.push_str(", judged by nobody here");
    }
    if let Some(transit) = &route.transit {
        words.push_str("; ");
        words.push_str(transit);
    }
    words
}

fn in_words(bound: &Bound) -> String {
    let Bound { revocation, serve_known, ttl, skew, total, carried } = bound;
    let known = match *serve_known {
        Duration::ZERO => String::new(),
        time => format!(" + {time:?} in an outage (serve_known)"),
    };
    // `Duration` writes nothing as `0ns`, which is not how anybody says it.
    let here = if revocation.is_zero() { "0s".to_owned() } else { format!("{revocation:?}") };
    let parts = format!("{total:?}: {here} here{known} + {ttl:?} token + {skew:?} skew");
    if carried.is_empty() {
        return format!("a revoked session is honoured for at most {parts}");
    }
    let carried = carried.join("`, `");
    format!(
        "a session of `{carried}` is honoured until its `exp`, any other, once revoked, for at most {parts}"
    )
}

fn mistake(error: &ConfigError, sources: &Sources) -> serde_json::Value {
    let position = sources.position(error.at);
    serde_json::json!({
        "file": position.map(|(path, _, _)| path.display().to_string()),
        "line": position.map(|(_, line, _)| line),
        "column": position.map(|(_, _, column)| column),
        "key": error.key,
        "found": error.found,
        "accepted": error.accepted,
        "hint": error.hint,
    })
}

fn as_json(checked: &Checked) -> serde_json::Value {
    let routes = checked.routes.iter().map(|route| {
        serde_json::json!({
            "route": route.pattern,
            "access": route.access,
            "upstream": route.upstream,
            "issuers": route.issuers,
            "tokens": route.tokens,
            "pairwise": route.is_pairwise,
            "bound_to_request": route.is_bound,
            "other_bearers": route.other_bearers,
            "transit": route.transit,
            "bound_seconds": route
                .bound
                .as_ref()
                .filter(|bound| bound.carried.is_empty())
                .map(|bound| bound.total.as_secs_f64()),
            "until_exp": route.bound.as_ref().map(|bound| bound.carried.as_slice()).unwrap_or_default(),
            "serve_known_seconds": route.bound.as_ref().map(|bound| bound.serve_known.as_secs_f64()),
        })
    });
    let issuers = checked.issuers.iter().map(|CheckedIssuer { name, issuer, keys, audience }| {
        serde_json::json!({ "name": name, "issuer": issuer, "keys": keys, "audience": audience })
    });
    serde_json::json!({
        "routes": routes.collect::<Vec<_>>(),
        "issuers": issuers.collect::<Vec<_>>(),
        "warnings": checked.warnings,
    })
}

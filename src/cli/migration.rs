//! `cloakroom migration`

use crate::cli::Outcome;
use crate::cli::live::Live;
use crate::cli::printer::Printer;
use http::Method;
use serde_json::{Value, json};

/// Show how far every route and upstream is on its way from the app's sessions to our tokens.
#[derive(Debug, clap::Args)]
pub(super) struct Migration {
    #[command(flatten)]
    live: Live,
    /// Begin the rollout of this route again, after everybody went back to the old side.
    #[arg(long, value_name = "ROUTE")]
    resume: Option<String>,
}

impl Migration {
    pub(super) fn run(self, printer: &Printer) -> Outcome {
        let call = match self.resume {
            None => (Method::GET, "/api/migration", None),
            Some(route) => (Method::POST, "/api/migration/resume", Some(json!({ "route": route }))),
        };
        self.live.call(printer, call, |report| print(report, printer))
    }
}

fn print(report: &Value, printer: &Printer) {
    printer.line(format!("as counted by this gateway since {}", text(report, "since")));
    for reader in list(report, "fetched_by") {
        printer.line(format!("key set fetched by {}", reader.as_str().unwrap_or_default()));
    }
    for route in list(report, "routes") {
        printer.line("");
        printer.line(format!(
            "{}  ->  {}  ({})",
            text(route, "route"),
            text(route, "upstream"),
            text(route, "state")
        ));
        printer.line(format!(
            "  {} with a token, {} with a cookie alone, {} with neither, {} refused",
            number(route, "with_token"),
            number(route, "with_cookie"),
            number(route, "with_neither"),
            number(route, "refused")
        ));
        if let Some(rollout) = route.get("rollout") {
            print_rollout(rollout, printer);
        }
        for compared in list(route, "compared") {
            print_compared(compared, printer);
        }
    }
    for upstream in list(report, "upstreams") {
        let on_tokens = upstream.get("on_tokens").and_then(Value::as_f64);
        let share =
            on_tokens.map_or("nothing yet".to_owned(), |share| format!("{:.1}% on tokens", share * 100.0));
        let safe = upstream.get("safe_without_cookie").and_then(Value::as_bool).unwrap_or(false);
        let verdict =
            if safe { "safe to set `forward_cookie = false`" } else { "not safe without the cookie yet" };
        printer.line("");
        printer.line(format!("upstream {}: {share}; {verdict}", text(upstream, "upstream")));
        for why in list(upstream, "because") {
            printer.line(format!("  - {}", why.as_str().unwrap_or_default()));
        }
    }
}

fn print_rollout(rollout: &Value, printer: &Printer) {
    let planned: Vec<&str> = list(rollout, "planned").filter_map(Value::as_str).collect();
    printer.line(format!(
        "  rollout: {} since {}, of {}; the others at {}",
        text(rollout, "share"),
        text(rollout, "since"),
        planned.join(" -> "),
        text(rollout, "rest")
    ));
    if let Some(why) = rollout.get("went_back").and_then(Value::as_str) {
        printer.line(format!("  WENT BACK: {why}; `cloakroom migration --resume ROUTE` begins again"));
    }
}

fn print_compared(compared: &Value, printer: &Printer) {
    printer.line(format!(
        "  {:<12} {:<20} {}",
        text(compared, "agreement"),
        text(compared, "cause"),
        number(compared, "count")
    ));
    for example in list(compared, "examples") {
        printer.line(format!(
            "      {} {} {} -> {}",
            text(example, "time"),
            text(example, "request_id"),
            text(example, "asked"),
            number(example, "status")
        ));
    }
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or("-")
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

//! `cloakroom detect`

mod answer;
mod known;

use crate::cli::Outcome;
use crate::cli::printer::Printer;
use crate::clock::Clock;
use crate::config::Store;
use crate::detect::{Given, RedisSource, Report, Source, detect};
use crate::store::RedisOptions;
use crate::telemetry::chain;
use answer::{as_json, print};
use std::path::{Path, PathBuf};

pub(super) use answer::{plain, print_finding};
pub(super) use known::{Known, Login, place};

/// Look at a store, and tell which framework keeps its sessions there: read-only, at most 2,000 keys and 200 values.
#[derive(Debug, clap::Args)]
pub(super) struct Detect {
    /// The store, as `redis://host:6379/0`; no password in it, since every user of the machine could see it.
    #[arg(value_name = "URL", required_unless_present = "config", conflicts_with_all = ["config", "store"])]
    url: Option<String>,
    /// A configuration that has the store, instead of a URL.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which of its stores; the only one if left out.
    #[arg(long, value_name = "NAME", requires = "config")]
    store: Option<String>,
    #[command(flatten)]
    login: Login,
    #[command(flatten)]
    known: Known,
    /// Show the user that was found, not only its first character.
    #[arg(long)]
    show_values: bool,
    /// Machine-readable output.
    #[arg(long)]
    json: bool,
}

impl Detect {
    pub(super) fn run(self, printer: &Printer) -> Outcome {
        let (store, db) = match self.place(printer) {
            Ok(place) => place,
            Err(outcome) => return outcome,
        };
        let given = match self.known.read() {
            Ok(given) => given,
            Err(error) => {
                printer.note(error);
                return Outcome::BadInput;
            }
        };
        let report = match look(&store, db, self.login.pattern.clone(), &given) {
            Ok(report) => report,
            Err(error) => {
                printer.note(error);
                return Outcome::CouldNot;
            }
        };
        let secrets = self.known.secrets();
        if self.json {
            printer.json(&as_json(&report, &secrets, self.show_values));
        } else {
            print(&report, &secrets, self.show_values, printer);
        }
        let refuted = matches!(report.proof, Some(Err(_)));
        if report.findings.is_empty() && !matches!(report.proof, Some(Ok(_))) || refuted {
            Outcome::CouldNot
        } else {
            Outcome::Fine
        }
    }

    fn place(&self, printer: &Printer) -> Result<(Store, Option<i64>), Outcome> {
        let bad = |error: String| {
            printer.note(error);
            Outcome::BadInput
        };
        if let Some(url) = &self.url {
            return Ok((self.login.store(url).map_err(bad)?, self.login.db));
        }
        let path = self.config.as_deref().unwrap_or(Path::new("gateway.toml"));
        let (config, _) = crate::config::load(path).map_err(|(errors, sources)| {
            printer.mistakes(&errors, &sources);
            Outcome::BadInput
        })?;
        let mut stores = config.stores;
        if let Some(name) = &self.store {
            stores.retain(|store| store.name == *name);
        }
        let names: Vec<_> = stores.iter().map(|store| store.name.clone()).collect();
        match (stores.pop(), stores.is_empty()) {
            (Some(store), true) => Ok((store, self.login.db)),
            (None, _) => Err(bad("there is no such store in the configuration".to_owned())),
            (Some(_), false) => Err(bad(format!("say which one with --store: {}", names.join(", ")))),
        }
    }
}

/// Looks at the store.
///
/// # Errors
/// Why it cannot be read, in words; never its URL's user or password.
pub(super) fn look(
    store: &Store,
    db: Option<i64>,
    pattern: Option<String>,
    given: &Given,
) -> Result<Report, String> {
    let options = RedisOptions::new(store).map_err(|error| format!("the store's URL: {}", chain(&error)))?;
    let options = options.ok_or("a store inside a gateway's process cannot be looked at from outside")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(async {
        let failed = |error: redis::RedisError| format!("cannot read the store: {}", chain(&error));
        let redis = RedisSource::connect(&options, db, pattern).await.map_err(failed)?;
        detect(&mut Source::Redis(redis), given, Clock::System.now()).await.map_err(failed)
    })
}

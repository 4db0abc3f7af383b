//! `cloakroom attest`

mod expected;

use crate::app::kept_ring;
use crate::attest::{Attack, AttackError, Flaw, KINDS, Report, Service, Severity, Target, attack, junit};
use crate::cli::printer::Printer;
use crate::cli::{ConfigFile, Outcome};
use crate::clock::Clock;
use crate::config::{Algorithm, At, Config, KeySource, WebAddress};
use crate::listen::spawn_worker;
use crate::telemetry::chain;
use crate::token::{Key, KeyRing};
use crate::web::Web;
use expected::{Expected, expected};
use http::Method;
use std::path::PathBuf;
use std::sync::Arc;

/// Attack a service's validation of tokens: send it forged ones of every kind, signed with the gateway's own keys where that is the
/// point, and say what it wrongly takes or refuses, and how to mend it. Exit status 0 if nothing was found, 1 if something was.
#[derive(Debug, clap::Args)]
pub(super) struct Attest {
    /// A URL of the service itself, not of the gateway: one that a good token may GET without harm.
    url: String,
    /// The audience that is the service's own.
    #[arg(long)]
    audience: String,
    /// The issuer that it expects; default: `[tokens] issuer`.
    #[arg(long)]
    issuer: Option<String>,
    /// The method.
    #[arg(long, default_value = "GET")]
    method: Method,
    /// The route that leads to the service, as `check` writes it, where several routes have the audience and their tokens differ.
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,
    /// A claim that the service asks for, as `roles=["admin"]`, or another value of one; may be given several times.
    #[arg(long, value_name = "NAME=JSON")]
    claim: Vec<String>,
    /// PEM file with the certificate authorities to trust for an https:// URL; default: the system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Also write the results as JUnit's XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    file: ConfigFile,
    /// Machine-readable output.
    #[arg(long)]
    json: bool,
}

/// What an attack works with.
struct Plan {
    service: Service,
    target: Target,
    key: Arc<Key>,
}

impl Attest {
    pub(super) fn run(self, printer: &Printer) -> Outcome {
        let config = match crate::config::load(&self.file.config) {
            Ok((config, _)) => config,
            Err((errors, sources)) => {
                printer.mistakes(&errors, &sources);
                return Outcome::BadInput;
            }
        };
        let plan = match self.plan(config) {
            Ok(plan) => plan,
            Err((outcome, why)) => {
                printer.note(why);
                return outcome;
            }
        };
        match run(plan) {
            Ok(report) => self.tell(&report, printer),
            Err(error) => {
                printer.note(error);
                Outcome::CouldNot
            }
        }
    }

    fn plan(&self, mut config: Config) -> Result<Plan, (Outcome, String)> {
        let bad = |why: String| (Outcome::BadInput, why);
        let Expected { algorithm, typ, header, scope } =
            expected(&config, &self.audience, self.route.as_deref()).map_err(bad)?;
        if algorithm == Algorithm::HS256 {
            return Err(bad(format!(
                "`{}` shares a secret with the gateway (HS256): what is tried here is about public keys",
                self.audience
            )));
        }
        let ca = self.ca.as_ref().map(std::fs::read).transpose();
        let ca = ca.map_err(|error| bad(format!("cannot read the certificates: {error}")))?;
        let nowhere = At { file: 0, start: 0, end: 0 };
        let address = WebAddress::parse(&self.url, nowhere, ca)
            .ok_or_else(|| bad(format!("`{}` is no URL with http:// or https:// and a host", self.url)))?;
        let web =
            Web::new(&address, "url").map_err(|error| bad(format!("{}: {}", error.key, error.found)))?;
        let scope = scope.map(|scope| ("scope".to_owned(), serde_json::Value::from(scope).to_string()));
        let claims = self.claim.iter().map(|claim| {
            let (name, value) = claim.split_once('=').ok_or("a claim is NAME=JSON")?;
            let value: serde_json::Value =
                serde_json::from_str(value).map_err(|_| "the value of a claim is JSON: text has quotes")?;
            Ok((name.to_owned(), value.to_string()))
        });
        let claims = scope.into_iter().map(Ok).chain(claims).collect::<Result<_, &str>>();
        // Nothing is written, and a key that stands in is one that no service knows.
        config.tokens.stand_in = true;
        let config = Arc::new(config);
        let target = Target {
            issuer: self.issuer.clone().unwrap_or_else(|| config.tokens.issuer.clone()),
            audience: self.audience.clone(),
            typ,
            claims: claims.map_err(|why| bad(why.to_owned()))?,
        };
        let service = Service { web, target: address.target, method: self.method.clone(), header };
        Ok(Plan { service, target, key: signer(&config, algorithm)? })
    }

    fn tell(&self, report: &Report, printer: &Printer) -> Outcome {
        if let Some(path) = &self.junit
            && let Err(error) = std::fs::write(path, junit(report, &self.url))
        {
            printer.note(format!("cannot write `{}`: {error}", path.display()));
            return Outcome::BadInput;
        }
        if self.json {
            printer.json(&as_json(report));
        } else {
            print(report, printer);
        }
        if report.flaws().is_empty() { Outcome::Fine } else { Outcome::CouldNot }
    }
}

/// The key that signs now, where the ring is kept.
fn signer(config: &Arc<Config>, algorithm: Algorithm) -> Result<Arc<Key>, (Outcome, String)> {
    let could_not = |why: String| (Outcome::CouldNot, why);
    let key = match &config.tokens.keys {
        KeySource::State { .. } => {
            let ring =
                kept_ring(config).map_err(|error| could_not(format!("cannot look at the keys: {error}")))?;
            let ring =
                ring.map_err(|trouble| could_not(format!("cannot read the key ring: {}", chain(&trouble))))?;
            ring.signer(algorithm).cloned()
        }
        KeySource::Directory(_) | KeySource::Files(_) => {
            let ring = KeyRing::load(&config.tokens).map_err(|errors| {
                let found: Vec<_> = errors.iter().map(|error| error.found.as_str()).collect();
                (Outcome::BadInput, found.join("\n"))
            })?;
            ring.now().signer(algorithm).filter(|_| !ring.stands_in()).cloned()
        }
    };
    let none = "there are no keys yet: `cloakroom serve` makes them, and services must know them";
    key.ok_or_else(|| (Outcome::BadInput, none.to_owned()))
}

fn run(plan: Plan) -> Result<Report, String> {
    let worker = spawn_worker("attest", move || async move {
        let Plan { service, target, key } = plan;
        let attacked =
            attack(&Attack { service: &service, target: &target, key: &key, clock: &Clock::System }).await;
        attacked.map_err(|error: AttackError| error.to_string())
    });
    let worker = worker.map_err(|error| format!("the system gave no thread: {error}"))?;
    worker.join().unwrap_or_else(|_| Err("the attack panicked".to_owned()))
}

fn print(report: &Report, printer: &Printer) {
    let flaws = report.flaws();
    for (kind, outcome, flaw) in &flaws {
        let severity = flaw.severity(kind).word();
        printer.line(format!("{severity:<10}{:<28}{:<10}{outcome}", kind.name, flaw.word()));
    }
    let mut fixes: Vec<&str> = flaws.iter().map(|(kind, _, flaw)| fix(kind.fix, *flaw)).collect();
    fixes.dedup();
    let mut told: Vec<&str> = Vec::new();
    for fix in fixes {
        if !told.contains(&fix) {
            printer.line(format!("  -> {fix}"));
            told.push(fix);
        }
    }
    let worst = flaws.first().map(|(kind, _, flaw)| flaw.severity(kind)).map_or("", Severity::word);
    printer.line(match flaws.len() {
        0 => format!("fine: {} kinds of token, and nothing wrong with what it did", KINDS.len()),
        count => format!("{count} of {} kinds of token: not fine; the worst is {worst}", report.tried.len()),
    });
}

const fn fix(fix: &'static str, flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::Accepted | Flaw::Refused => fix,
        Flaw::Broke => "answer 401, not 5xx, whatever cannot be read",
    }
}

fn as_json(report: &Report) -> serde_json::Value {
    let tried = report.tried.iter().map(|(kind, outcome)| {
        let flaw = outcome.flaw(kind);
        serde_json::json!({
            "kind": kind.name,
            "outcome": outcome.to_string(),
            "flaw": flaw.map(Flaw::word),
            "severity": flaw.map(|flaw| flaw.severity(kind).word()),
            "fix": flaw.map(|flaw| fix(kind.fix, flaw)),
        })
    });
    serde_json::json!({ "tried": tried.collect::<Vec<_>>(), "flaws": report.flaws().len() })
}

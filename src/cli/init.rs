//! `cloakroom init`

use crate::cli::Outcome;
use crate::cli::detect::{Known, Login, look, place, plain, print_finding};
use crate::cli::printer::Printer;
use crate::detect::{Explanation, Finding, GatewayFile, Report, SecretRef, Subject};
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Stands in for a secret that is not set yet while the file is checked; every framework that counts takes one of the two.
const PLACEHOLDERS: [&str; 2] = [
    "hex:07070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707",
    "hex:0707070707070707070707070707070707070707070707070707070707070707",
];
/// What is below this deserves a word of doubt.
const SURE: u8 = 60;

/// Write a gateway.toml for an app, from a look at its store: everything still goes to the app, and one route is ready to move.
#[derive(Debug, clap::Args)]
pub(super) struct Init {
    /// The app's store, as `redis://host:6379/0`, without a password.
    #[arg(long, value_name = "URL")]
    redis: String,
    /// The app, as `http://127.0.0.1:3000`.
    #[arg(long, value_name = "URL")]
    app: String,
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    output: PathBuf,
    /// Ask nothing and take the best.
    #[arg(long)]
    yes: bool,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    login: Login,
    #[command(flatten)]
    known: Known,
}

/// What was chosen of a look.
struct Choice {
    how: Explanation,
    key: String,
    subject: Subject,
    attributes: Vec<(&'static str, String)>,
    secrets: Vec<SecretRef>,
    encryption: Vec<SecretRef>,
}

impl Init {
    pub(super) fn run(self, printer: &Printer) -> Outcome {
        if self.output.exists() && !self.force {
            printer.note(format!("`{}` is there already; --force writes over it", self.output.display()));
            return Outcome::BadInput;
        }
        let store = self.login.store(&self.redis);
        let (store, given) = match store.and_then(|store| Ok((store, self.known.read()?))) {
            Ok(both) => both,
            Err(error) => {
                printer.note(error);
                return Outcome::BadInput;
            }
        };
        let report = match look(&store, self.login.db, self.login.pattern.clone(), &given) {
            Ok(report) => report,
            Err(error) => {
                printer.note(error);
                return Outcome::CouldNot;
            }
        };
        let asking = !self.yes && std::io::stdin().is_terminal();
        let Some(choice) = choose(report, &self.known.secrets(), asking, printer) else {
            return Outcome::CouldNot;
        };
        let file = GatewayFile {
            store: self.login.connection(&self.redis),
            how: choice.how,
            key: choice.key,
            subject: choice.subject,
            attributes: choice.attributes,
            secrets: choice.secrets,
            encryption_secrets: choice.encryption,
            app: self.app.clone(),
        };
        self.write(&file, printer)
    }

    fn write(&self, file: &GatewayFile, printer: &Printer) -> Outcome {
        let text = file.text();
        let directory = self.output.parent().unwrap_or_else(|| Path::new(""));
        let check = |stand_in: &str| {
            let environment =
                |name: &str| crate::config::environment(name).or_else(|| Some(stand_in.to_owned()));
            crate::config::from_text(&self.output.to_string_lossy(), &text, directory, &environment)
        };
        let [long, short] = PLACEHOLDERS;
        if let Err((errors, sources)) = check(long).or_else(|first| check(short).map_err(|_| first)) {
            printer.mistakes(&errors, &sources);
            return Outcome::BadInput;
        }
        let mut open = std::fs::OpenOptions::new();
        open.write(true).truncate(true).create(self.force).create_new(!self.force);
        let written = open.open(&self.output).and_then(|mut output| output.write_all(text.as_bytes()));
        if let Err(error) = written {
            printer.note(format!("cannot write `{}`: {error}", self.output.display()));
            return Outcome::CouldNot;
        }
        let output = self.output.display();
        printer.line(format!("wrote {output}"));
        let missing = |secret: &SecretRef| match secret {
            SecretRef::Env(name) => crate::config::environment(name).is_none(),
            SecretRef::Typed(nth) => crate::config::environment(&SecretRef::variable(*nth)).is_none(),
            SecretRef::File(_) => false,
        };
        let named = |secret: &SecretRef| match secret {
            SecretRef::Typed(nth) => format!("${}", SecretRef::variable(*nth)),
            SecretRef::Env(_) | SecretRef::File(_) => place(secret),
        };
        let secrets = file.secrets();
        let missing: Vec<_> = secrets.iter().filter(|secret| missing(secret)).map(named).collect();
        if !missing.is_empty() {
            printer.line(format!("set {} to the app's own secret first", missing.join(" and ")));
        }
        printer
            .line(format!("next:\n  cloakroom check --config {output}\n  cloakroom serve --config {output}"));
        Outcome::Fine
    }
}

/// What to write: what the cookie proved, else the best finding, or the one that is asked for.
fn choose(report: Report, secrets: &[SecretRef], asking: bool, printer: &Printer) -> Option<Choice> {
    let Report { look, mut findings, proof, .. } = report;
    for (place, finding) in findings.iter().enumerate().take(if asking { usize::MAX } else { 1 }) {
        print_finding(place + 1, finding, printer);
    }
    let named = |at: Option<usize>| at.and_then(|at| secrets.get(at)).cloned();
    let attributes = |key: &str| {
        findings.iter().find(|finding| finding.key == key).map(|finding| finding.attributes.clone())
    };
    match proof {
        Some(Ok(proof)) => {
            printer.line("\nthe cookie proves it");
            // The one that verified goes first; the others may be those of a rotation.
            let first = named(proof.secret);
            let rest =
                secrets.iter().filter(|secret| Some(*secret) != first.as_ref() && proof.encryption.is_none());
            return Some(Choice {
                secrets: first.iter().chain(rest).cloned().collect(),
                encryption: named(proof.encryption).into_iter().collect(),
                attributes: attributes(&proof.key).unwrap_or_default(),
                how: proof.how,
                key: proof.key,
                subject: proof.subject,
            });
        }
        Some(Err(why)) => {
            printer.note("the cookie proves nothing, so nothing is written:");
            why.iter().for_each(|why| printer.note(format!("  {}", plain(why))));
            return None;
        }
        None => {}
    }
    if findings.is_empty() {
        printer.note(format!(
            "nothing among {} keys looks like sessions of a framework that is known",
            look.keys
        ));
        for (database, keys) in look.databases.iter().filter(|(database, _)| *database != look.database) {
            printer.note(format!("database {database} has {keys} keys: look there with --db {database}"));
        }
        return None;
    }
    let mut at = 0;
    if asking && findings.len() > 1 {
        let answer = ask(&format!("which one, 1 to {}", findings.len()), "1");
        at = answer.parse::<usize>().ok()?.checked_sub(1).filter(|at| *at < findings.len())?;
    }
    let finding = findings.swap_remove(at);
    Some(settle(finding, secrets, asking, printer))
}

/// The finding, with what only a person knows.
fn settle(finding: Finding, secrets: &[SecretRef], asking: bool, printer: &Printer) -> Choice {
    let Finding { mut how, key, mut subject, attributes, .. } = finding;
    if asking {
        how.cookie = ask("name of the session cookie", &how.cookie);
        if subject.path.is_some() || subject.confidence == 0 {
            let path = ask("path of the user id", subject.path.as_deref().unwrap_or("userId"));
            subject = Subject { words: format!("`{path}`"), path: Some(path), confidence: 100 };
        }
    } else if how.confidence < SURE {
        printer.note("that is hardly more than a guess: prove it with --cookie-file and the app's secret");
    }
    if !asking && subject.confidence == 0 {
        printer.note("no user was found in any session: set `subject` before the first route needs one");
    }
    Choice { how, key, subject, attributes, secrets: secrets.to_vec(), encryption: Vec::new() }
}

/// Asks on standard error, so that standard output stays the result; an empty line takes the default.
fn ask(question: &str, default: &str) -> String {
    let _ = write!(std::io::stderr(), "{} [{}]: ", question, plain(default));
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    let answer = answer.trim();
    if answer.is_empty() { default.to_owned() } else { answer.to_owned() }
}

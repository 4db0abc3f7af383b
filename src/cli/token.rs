//! `cloakroom token`

use crate::cli::Outcome;
use crate::cli::printer::Printer;
use crate::clock::Clock;
use crate::token::{Inspection, Signature, inspect};
use std::io::Read;
use std::path::PathBuf;

/// Longest key set that is read.
const JWKS_BYTES_MAX: u64 = 256 * 1024;
/// Longest token that is read.
const TOKEN_BYTES_MAX: u64 = 256 * 1024;

/// Look at tokens.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Token {
    /// Show what a token says; it is read from standard input or a file, never from the command line, where every user of the
    /// machine could see it.
    Inspect(Inspect),
}

/// Show what a token says.
#[derive(Debug, clap::Args)]
pub(super) struct Inspect {
    /// The file with the token; `-` is standard input.
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
    /// A file with a JWKS, to check the signature: `curl http://127.0.0.1:9900/.well-known/jwks.json`.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// Machine-readable output.
    #[arg(long)]
    json: bool,
}

impl Token {
    pub(super) fn run(self, printer: &Printer) -> Outcome {
        let Self::Inspect(inspect) = self;
        inspect.run(printer)
    }
}

impl Inspect {
    fn run(self, printer: &Printer) -> Outcome {
        let text = match read(&self.file, TOKEN_BYTES_MAX) {
            Ok(text) => text,
            Err(error) => {
                printer.note(format!("cannot read `{}`: {error}", self.file.display()));
                return Outcome::BadInput;
            }
        };
        let jwks = match self.jwks.as_ref().map(|path| read(path, JWKS_BYTES_MAX)).transpose() {
            Ok(jwks) => jwks,
            Err(error) => {
                printer.note(format!("cannot read the key set: {error}"));
                return Outcome::BadInput;
            }
        };
        match inspect(text.trim(), jwks.as_deref(), Clock::System.now()) {
            Ok(found) => {
                if self.json {
                    printer.json(&as_json(&found));
                } else {
                    print(&found, printer);
                }
                let holds = !matches!(found.signature, Signature::NotVerified { .. });
                if holds { Outcome::Fine } else { Outcome::CouldNot }
            }
            Err(error) => {
                printer.note(error.to_string());
                Outcome::CouldNot
            }
        }
    }
}

fn read(path: &PathBuf, limit: u64) -> std::io::Result<String> {
    let mut text = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin().take(limit).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(path)?.take(limit).read_to_string(&mut text)?;
    }
    Ok(text)
}

fn print(found: &Inspection, printer: &Printer) {
    printer.line(format!("header  {:#}", found.header));
    printer.line(format!("claims  {:#}", found.claims));
    for member in &found.repeated {
        printer
            .line(format!("twice     {member}: the last is shown, and verifiers differ in which they take"));
    }
    for moment in &found.moments {
        printer.line(format!("{:<9} {}", moment.claim, moment.words));
    }
    printer.line(match &found.signature {
        Signature::NotChecked => "signature not checked: give the issuer's keys with --jwks".to_owned(),
        Signature::NotVerified { why } => format!("signature does NOT hold: {why}"),
        Signature::Verified { kid, algorithm } => format!("signature holds: {algorithm}, key {kid}"),
    });
}

fn as_json(found: &Inspection) -> serde_json::Value {
    let moments = found.moments.iter().map(|moment| (moment.claim.to_owned(), moment.words.clone().into()));
    let signature = match &found.signature {
        Signature::NotChecked => serde_json::json!({ "checked": false }),
        Signature::NotVerified { why } => serde_json::json!({ "checked": true, "holds": false, "why": why }),
        Signature::Verified { kid, algorithm } => {
            serde_json::json!({ "checked": true, "holds": true, "kid": kid, "algorithm": algorithm })
        }
    };
    serde_json::json!({
        "header": found.header,
        "claims": found.claims,
        "repeated": found.repeated,
        "times": moments.collect::<serde_json::Map<_, _>>(),
        "signature": signature,
    })
}

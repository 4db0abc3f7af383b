//! `cloakroom explain`

use crate::app::{Rehearsal, Stage};
use crate::cli::printer::Printer;
use crate::cli::{ConfigFile, Outcome};
use crate::clock::Clock;
use crate::explain::{Answer, Explanation, Look, Mark, Question, Step, explain};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest cookie or header file that is read.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Width of the column of marks and of names.
const NAME_WIDTH: usize = 10;

/// Say what would happen to a request, stage by stage, and why. Nothing is sent, and nothing is written; the store is read. Exit
/// status 0 if it would be forwarded, 1 if it would be refused.
#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    /// The method, as GET.
    method: String,
    /// The URL that a client would ask for, as https://shop.example.com/api/orders.
    url: String,
    /// A file with the Cookie header, or with a `name=value` a line; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    cookie_file: Option<PathBuf>,
    /// A file with more headers, a `Name: value` a line: Origin, Accept, Sec-Fetch-Site.
    #[arg(long, value_name = "FILE")]
    header_file: Option<PathBuf>,
    /// Show the session's id and values, and the claims. The cookie, secrets and signatures are never shown.
    #[arg(long)]
    show_values: bool,
    #[command(flatten)]
    file: ConfigFile,
    /// Machine-readable output.
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn run(self, printer: &Printer) -> Outcome {
        let question = match self.question() {
            Ok(question) => question,
            Err(wrong) => {
                printer.note(wrong);
                return Outcome::BadInput;
            }
        };
        let (config, sources) = match crate::config::load(&self.file.config) {
            Ok(loaded) => loaded,
            Err((errors, sources)) => {
                printer.mistakes(&errors, &sources);
                return Outcome::BadInput;
            }
        };
        let rehearsal = match Rehearsal::prepare(config, Clock::System) {
            Ok(rehearsal) => rehearsal,
            Err(errors) => {
                printer.mistakes(&errors, &sources);
                return Outcome::BadInput;
            }
        };
        match ask(&rehearsal, question, self.show_values) {
            Ok(explanation) => {
                if self.json {
                    printer.json(&as_json(&explanation));
                } else {
                    as_text(&explanation).iter().for_each(|line| printer.line(line));
                }
                match explanation.answer {
                    Answer::Forwarded { .. } | Answer::Published | Answer::Own(_) => Outcome::Fine,
                    Answer::Refused { .. } => Outcome::CouldNot,
                }
            }
            Err(error) => {
                printer.note(format!("cannot look: {error}"));
                Outcome::BadInput
            }
        }
    }

    fn question(&self) -> Result<Question, String> {
        let cookies = self.cookie_file.as_deref().map(read).transpose()?;
        let headers = self.header_file.as_deref().map(read).transpose()?;
        Question::new(&self.method, &self.url, cookies.as_deref(), headers.as_deref())
            .map_err(|error| error.to_string())
    }
}

fn ask(rehearsal: &Rehearsal, question: Question, show_values: bool) -> std::io::Result<Explanation> {
    rehearsal.run(move |stage: Stage| async move {
        let trouble = |store| stage.trouble(store);
        let look = Look {
            gateway: &stage.gateway,
            stores: &stage.stores,
            trouble: &trouble,
            stand_in_keys: stage.stand_in_keys,
            show_values,
        };
        explain(&look, question).await
    })
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().take(FILE_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
    };
    read.map(|_| text).map_err(|error| format!("cannot read `{}`: {error}", path.display()))
}

/// Every line of the human output.
fn as_text(explanation: &Explanation) -> Vec<String> {
    let mut lines = vec![explanation.asked.clone()];
    for Step { stage, mark, text, facts, .. } in &explanation.steps {
        lines.push(format!("  {:<NAME_WIDTH$}{stage:<NAME_WIDTH$}{text}", word(*mark)));
        for fact in facts {
            lines.push(format!("  {:<NAME_WIDTH$}{:<NAME_WIDTH$}  {}", "", fact.name, fact.text));
        }
    }
    lines.push(match &explanation.answer {
        Answer::Forwarded { upstream, with_token: true } => {
            format!("=> forwarded to `{upstream}` with a token")
        }
        Answer::Forwarded { upstream, with_token: false } => {
            format!("=> forwarded to `{upstream}` without a token")
        }
        Answer::Own(endpoint) => {
            format!("=> answered by the gateway's own `{endpoint}`, which judges the session then")
        }
        Answer::Published => "=> answered with a document of the gateway's own (`publish_jwks`)".to_owned(),
        Answer::Refused { status, code, why, allow, login } => {
            let why = why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            let allow = allow.as_ref().map(|allow| format!("; Allow: {allow}")).unwrap_or_default();
            let login = login.as_ref().map(|to| format!("; the browser is sent to {to}")).unwrap_or_default();
            format!("=> refused: {status} {code}{why}{allow}{login}")
        }
    });
    lines
}

const fn word(mark: Mark) -> &'static str {
    match mark {
        Mark::Passed => "ok",
        Mark::Refused => "REFUSED",
        Mark::Skipped => "-",
    }
}

fn as_json(explanation: &Explanation) -> serde_json::Value {
    let steps = explanation.steps.iter().map(|step| {
        let facts = step.facts.iter().map(|fact| serde_json::json!({ "name": fact.name, "text": fact.text }));
        let mark = match step.mark {
            Mark::Passed => "passed",
            Mark::Refused => "refused",
            Mark::Skipped => "skipped",
        };
        serde_json::json!({ "stage": step.stage, "mark": mark, "text": step.text, "facts": facts.collect::<Vec<_>>() })
    });
    let answer = match &explanation.answer {
        Answer::Forwarded { upstream, with_token } => {
            serde_json::json!({ "forwarded": true, "upstream": upstream, "with_token": with_token })
        }
        Answer::Own(endpoint) => serde_json::json!({ "forwarded": false, "own": endpoint }),
        Answer::Published => serde_json::json!({ "forwarded": false, "published": true }),
        Answer::Refused { status, code, why, allow, login } => serde_json::json!({
            "forwarded": false, "status": status, "code": code, "reason": why, "allow": allow, "login": login,
        }),
    };
    serde_json::json!({ "asked": explanation.asked, "steps": steps.collect::<Vec<_>>(), "answer": answer })
}

#[cfg(test)]
mod tests;

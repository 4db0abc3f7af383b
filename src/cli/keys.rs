//! `cloakroom keys`

use crate::cli::Outcome;
use crate::cli::live::Live;
use crate::cli::printer::Printer;
use http::Method;
use serde_json::{Value, json};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Longest key that is read.
const PEM_BYTES_MAX: u64 = 32 * 1024;

/// Look at the key ring of a running gateway, and change it.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Keys {
    /// Show every key, and which services have fetched the key set.
    List(Live),
    /// Have the standby keys sign: as soon as every service can know them, or at once.
    Rotate(Rotate),
    /// Bring a private key of your own; it signs as soon as every service can know it.
    Import(Import),
    /// Take a key out that does not sign.
    Retire(Retire),
}

/// Have the standby keys sign.
#[derive(Debug, clap::Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    live: Live,
    /// At once, and the keys before them are not valid any more: for keys that somebody may have copied.
    #[arg(long)]
    now: bool,
}

/// Bring a private key.
#[derive(Debug, clap::Args)]
pub(super) struct Import {
    #[command(flatten)]
    live: Live,
    /// The PEM file with it; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Take a key out.
#[derive(Debug, clap::Args)]
pub(super) struct Retire {
    #[command(flatten)]
    live: Live,
    /// Its name, as `keys list` shows it.
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: String,
}

impl Keys {
    pub(super) fn run(self, printer: &Printer) -> Outcome {
        let post = |path: &str, body: Value| (Method::POST, path.to_owned(), Some(body));
        let (live, (method, path, body), now) = match &self {
            Self::List(live) => (live, (Method::GET, "/api/keys".to_owned(), None), false),
            Self::Rotate(rotate) => {
                (&rotate.live, post("/api/keys/rotate", json!({ "now": rotate.now })), rotate.now)
            }
            Self::Import(import) => match read(&import.file) {
                Ok(pem) => (&import.live, post("/api/keys/import", json!({ "pem": *pem })), false),
                Err(error) => {
                    printer.note(format!("cannot read `{}`: {error}", import.file.display()));
                    return Outcome::BadInput;
                }
            },
            Self::Retire(Retire { live, kid }) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
                if kid.is_empty() || !kid.chars().all(plain) {
                    printer.note(format!("`{kid}` is not the name of a key"));
                    return Outcome::BadInput;
                }
                (live, post(&format!("/api/keys/{kid}/retire"), json!({})), false)
            }
        };
        live.call(printer, (method, &path, body), |answer| print(answer, now, printer))
    }
}

fn read(path: &PathBuf) -> std::io::Result<Zeroizing<String>> {
    use std::io::Read;
    let mut text = Zeroizing::new(String::with_capacity(PEM_BYTES_MAX as usize));
    if path.as_os_str() == "-" {
        std::io::stdin().take(PEM_BYTES_MAX).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(path)?.take(PEM_BYTES_MAX).read_to_string(&mut text)?;
    }
    Ok(text)
}

fn print(answer: &Value, now: bool, printer: &Printer) {
    let list = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    for key in list("keys") {
        let (phase, next) = (text(&key, "phase"), text(&key, "next_at"));
        let when = match phase.as_str() {
            "signs" => format!("since {}", text(&key, "signs_from")),
            "standby" => format!("published {}, signs {next}", text(&key, "published_at")),
            _ => format!("until {}, gone {next}", text(&key, "signs_until")),
        };
        let (algorithm, kid) = (text(&key, "algorithm"), text(&key, "kid"));
        printer.line(format!("{algorithm:<6} {kid}  {phase:<8} {when}"));
    }
    let signers: Vec<String> =
        list("keys").iter().filter(|key| text(key, "phase") == "signs").map(|key| text(key, "kid")).collect();
    let readers = list("readers");
    if readers.is_empty() {
        let of_all = answer.get("readers_of").and_then(Value::as_str) == Some("all");
        let whom = if of_all {
            "`[internal]` of any gateway"
        } else {
            "`[internal]` of this gateway since it started"
        };
        printer.line(format!("no service has fetched the key set from {whom}"));
    }
    for reader in readers {
        let knows = reader.get("knows").and_then(Value::as_array).cloned().unwrap_or_default();
        let knows = signers.iter().all(|kid| knows.iter().any(|known| known.as_str() == Some(kid)));
        let (client, agent) = (text(&reader, "client"), text(&reader, "agent"));
        let (fetched, until) = (text(&reader, "fetched_at"), text(&reader, "cached_until"));
        let then = if now { format!(", drops the old keys by {until}") } else { String::new() };
        let but = if knows { "" } else { ", and NOT since the key that signs was published" };
        printer.line(format!("{client} ({agent}) fetched the key set {fetched}{then}{but}"));
    }
}

//! Calls and words that belong in one room, or in none.

use crate::source::Source;

/// What, where it may be, and what to do instead.
struct Ban {
    what: &'static str,
    home: &'static [&'static str],
    instead: &'static str,
}

const BANS: [Ban; 12] = [
    Ban { what: "println!(", home: &["src/cli/"], instead: "cli has the one printer" },
    Ban { what: "print!(", home: &["src/cli/"], instead: "cli has the one printer" },
    Ban { what: "io::stdout", home: &["src/cli/"], instead: "cli has the one printer" },
    Ban { what: "io::stderr", home: &["src/cli/"], instead: "cli has the one printer" },
    Ban { what: "dbg!(", home: &[], instead: "tracing" },
    Ban { what: "SystemTime", home: &["src/clock.rs"], instead: "take a UnixMillis from clock::Clock" },
    Ban {
        what: "env::var",
        home: &["src/config/check/"],
        instead: "the environment is read in config::check",
    },
    Ban { what: "unbounded_channel", home: &[], instead: "every queue has a limit" },
    Ban { what: "mpsc::channel()", home: &[], instead: "every queue has a limit" },
    Ban { what: ".unwrap()", home: &[], instead: "a typed error, or `expect` with the invariant" },
    Ban { what: "unsafe {", home: &[], instead: "safe Rust" },
    Ban { what: "process::exit", home: &["src/cli/"], instead: "return an outcome" },
];

/// Every banned call in a file of `src`.
pub(crate) fn findings(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    if source.is_test() {
        return findings;
    }
    for (at, line) in source.code() {
        for Ban { what, home, instead } in &BANS {
            let at_home = home.iter().any(|home| source.path.starts_with(home));
            if line.contains(what) && !at_home {
                findings.push(format!("{}:{at}: `{what}`; {instead}: {}", source.path, line.trim()));
            }
        }
    }
    findings
}

#[test]
fn each_call_is_made_in_its_room_only() {
    let findings = Source::below("src").iter().flat_map(findings).collect();
    crate::expect_none("not here", findings);
}

/// A note to oneself is an issue, or it is forgotten. Written in two parts, or this file would be its own finding.
#[test]
fn nothing_is_left_for_later() {
    let notes = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|parts| parts.concat());
    let mut findings = Vec::new();
    for source in crate::all_rust() {
        for (at, line) in source.lines.iter().enumerate() {
            let words = line.split(|c: char| !c.is_ascii_alphanumeric());
            if words.into_iter().any(|word| notes.iter().any(|note| note == word)) {
                findings.push(format!("{}:{}: {}", source.path, at + 1, line.trim()));
            }
        }
    }
    crate::expect_none("open an issue instead", findings);
}

/// Names that attract dirt.
#[test]
fn no_file_is_called_after_nothing() {
    let dirt = ["util", "utils", "common", "helper", "helpers", "manager", "misc", "middleware", "backend"];
    let findings = crate::all_rust()
        .iter()
        .filter(|source| source.path.split(['/', '.']).any(|part| dirt.contains(&part)))
        .map(|source| source.path.clone())
        .collect();
    crate::expect_none("name it after the one thing it holds", findings);
}

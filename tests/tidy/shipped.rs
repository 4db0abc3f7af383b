//! What is shipped and what the README shows must load, and the README must know every refusal.

use cloakroom::config::{from_text, render};
use cloakroom::respond::{Side, TABLE};
use std::path::{Path, PathBuf};

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The mistakes in a configuration, whose references are all set.
fn mistakes(name: &str, text: &str, directory: &Path) -> Option<String> {
    let environment = |name: &str| {
        Some(if name.ends_with("_URL") { "redis://127.0.0.1:6379/0".to_owned() } else { "x".repeat(48) })
    };
    let (errors, sources) = from_text(name, text, directory, &environment).err()?;
    Some(render(&errors, &sources, false))
}

/// TOML files below a folder, if there is one.
fn toml_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(toml_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_configuration_that_is_shipped_loads() {
    let mut files = toml_below(&top().join("deploy"));
    assert!(!files.is_empty());
    files.push(top().join("gateway.toml"));
    let mut findings = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        findings.extend(mistakes(&file.display().to_string(), &text, file.parent().unwrap()));
    }
    crate::expect_none("it must load as it stands", findings);
}

/// The `toml` blocks of the README: a whole file, or tables that are added to one.
#[test]
fn every_configuration_that_the_readme_shows_loads() {
    let readme = std::fs::read_to_string(top().join("README.md")).unwrap();
    let blocks: Vec<&str> =
        readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty());
    let findings = blocks.iter().filter_map(|block| mistakes("README.md", block, &top())).collect();
    crate::expect_none("it must load as it stands", findings);
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Gateway => "gateway",
        Side::Upstream => "upstream",
    }
}

#[test]
fn the_readme_lists_every_refusal_with_its_status_and_side_and_no_other() {
    let readme = std::fs::read_to_string(top().join("README.md")).unwrap();
    let section = readme.split("\n## Refusals\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let mut listed: Vec<String> = Vec::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let codes = cells[0].split('`').filter(|part| part.starts_with(|c: char| c.is_ascii_lowercase()));
        listed.extend(codes.map(|code| format!("{code} {} {}", cells[1], cells[2])));
    }
    let answers = TABLE.iter().map(|reason| reason.answer());
    let mut meant: Vec<String> = answers
        .map(|answer| format!("{} {} {}", answer.code, answer.status.as_u16(), side(answer.side)))
        .collect();
    listed.sort();
    meant.sort();
    assert_eq!(listed, meant);
}

/// Text that people read is checked as code is: nothing of the machine it was written on may be in it.
#[test]
fn nothing_that_is_shipped_names_a_machine() {
    let home = ["/ro", "ot/"].concat();
    let mut findings = Vec::new();
    for file in ["README.md", "gateway.toml", "Cargo.toml", ".ci/run", "tests/node/package-lock.json"] {
        let Ok(text) = std::fs::read_to_string(top().join(file)) else { continue };
        for (at, line) in text.lines().enumerate() {
            if line.contains(&home) || line.contains("\"resolved\"") {
                findings.push(format!("{file}:{}: {line}", at + 1));
            }
        }
    }
    crate::expect_none("remove it", findings);
}

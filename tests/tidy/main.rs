//! The rules of the house, as tests: each names the file, the line and the rule.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod levels;
mod shipped;
mod source;
mod words;

use source::Source;

/// Fails with every finding at once.
fn expect_none(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

/// Every Rust file below `src` and `tests`.
fn all_rust() -> Vec<Source> {
    Source::below("src").into_iter().chain(Source::below("tests")).collect()
}

#[test]
fn a_file_is_read_in_one_sitting_and_a_function_on_one_screen() {
    let mut findings = Vec::new();
    for source in all_rust() {
        let lines = source.lines.len();
        if lines > 500 {
            findings.push(format!("{}: {lines} lines, at most 500", source.path));
        }
        for (name, at, length) in source.functions() {
            if length > 70 {
                findings.push(format!("{}:{at}: `{name}` has {length} lines, at most 70", source.path));
            }
        }
    }
    expect_none("too long", findings);
}

#[test]
fn every_room_begins_with_its_essay() {
    let mut findings = Vec::new();
    for source in Source::below("src") {
        let parts: Vec<&str> = source.path.split('/').collect();
        let is_room = match parts[..] {
            ["src", file] => file != "main.rs",
            [.., file] => file == "mod.rs",
            [] => false,
        };
        let lines = source.lines.iter().take_while(|line| line.starts_with("//!")).count();
        if is_room && lines < 3 {
            findings.push(format!("{}: {lines} lines of essay", source.path));
        }
    }
    expect_none("a room's first lines say its job, its non-job and its invariant", findings);
}

#[test]
fn the_rules_bite() {
    let source = Source::of("src/store/x.rs", "use crate::session::Verdict;\nfn long() {\n    x();\n}\n");
    assert_eq!(source.functions(), [("long".to_owned(), 2, 3)]);
    assert_eq!(levels::findings(&source).len(), 1);
    let sibling = Source::of("src/store/x.rs", "use crate::{\n    codec::Value,\n    clock::Clock,\n};\n");
    assert_eq!(levels::findings(&sibling).len(), 1);
    let down =
        Source::of("src/store/x.rs", "// crate::cli\nuse crate::config::{self, At};\nuse crate::store::Y;\n");
    assert!(levels::findings(&down).is_empty());
    let test = "fn a() {}\n#[cfg(test)]\nmod tests {\n    use crate::cli::X;\n}\n";
    assert!(levels::findings(&Source::of("src/store/x.rs", test)).is_empty());
    let loud = Source::of("src/store/x.rs", "fn a() {\n    println!(\"x\"); // TO\n}\n");
    assert_eq!(words::findings(&loud).len(), 1);
}

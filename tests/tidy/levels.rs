//! Imports go one way: from a room only to rooms of a lower level.

use crate::source::Source;

/// From the top to the bottom; siblings of one level do not import each other.
const LEVELS: [&[&str]; 15] = [
    &["main"],
    &["cli"],
    &["demo"],
    &["app"],
    &["attest", "detect", "explain"],
    &["pipeline", "internal", "admin"],
    &["clients"],
    &["door"],
    &["respond"],
    &["guard"],
    &["upstream"],
    &["token", "issuer", "revocation", "acme"],
    &["session", "limit", "migration"],
    &["format", "state"],
    &["store", "codec", "route", "listen"],
];
const LOWER: [&[&str]; 3] = [&["request", "telemetry", "web"], &["tls"], &["config", "clock", "disk"]];

fn level(room: &str) -> Option<usize> {
    LEVELS.iter().chain(&LOWER).position(|rooms| rooms.contains(&room))
}

/// Every import that goes up or sideways.
pub(crate) fn findings(source: &Source) -> Vec<String> {
    let Some(room) = source.room() else { return Vec::new() };
    if room == "lib" || source.is_test() {
        return Vec::new();
    }
    let Some(own) = level(room) else {
        return vec![format!("{}: `{room}` has no level; give it one in {}", source.path, file!())];
    };
    let mut findings = Vec::new();
    let mut in_group = false;
    for (at, line) in source.code() {
        for named in rooms_named(line, &mut in_group) {
            if named != room && level(&named).is_none_or(|level| level <= own) {
                findings.push(format!("{}:{at}: `{room}` imports `{named}`: {}", source.path, line.trim()));
            }
        }
    }
    findings
}

/// The rooms that a line names by `crate::room`, or in a group `use crate::{ ... }` over several lines.
fn rooms_named(line: &str, in_group: &mut bool) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect()
    };
    let mut named: Vec<String> = Vec::new();
    if *in_group {
        *in_group = !line.starts_with("};");
        // rustfmt puts one room on a line of a group.
        named.push(word(line));
    }
    for (at, _) in line.match_indices("crate::") {
        let before = line[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) if group.contains('}') => named.extend(group.split(',').map(word)),
            Some(_) => *in_group = true,
            None => named.push(word(rest)),
        }
    }
    // A macro's `$crate::` or an item of the crate's own root has no lower-case room.
    named.retain(|name| !name.is_empty());
    named
}

#[test]
fn imports_go_one_way() {
    let findings = Source::below("src").iter().flat_map(findings).collect();
    crate::expect_none("a room imports only lower ones", findings);
}

/// In a folder, the children use each other by `crate::room::child`; `super::` would make a cycle out of a roof.
#[test]
fn no_child_reaches_for_its_parent() {
    let mut findings = Vec::new();
    for source in Source::below("src").iter().filter(|source| !source.is_test()) {
        for (at, line) in source.code() {
            if line.contains("super::") {
                findings.push(format!("{}:{at}: {}", source.path, line.trim()));
            }
        }
    }
    crate::expect_none("`crate::room::child` instead of `super::`", findings);
}

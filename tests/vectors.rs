//! Every captured session, read as the gateway reads it: cookie, keys, record, expiry, user.
//!
//! A vector file is what one real app wrote and what it answered (`sessions/vectors`). The format is built from the file's
//! `profile` alone. Files come from the folders, or single files, in `CLOAKROOM_VECTORS`, parted by colons; the
//! repository's own by default: the captured ones, other versions and options with less about each in `sessions/more`, and
//! the tokens in `sessions/jwt`. Nothing is skipped: a framework that is not there is a failure.
//!
//! What must hold, for both policies on cookies that come twice:
//! * `positive`: exactly the user and exactly the data; `anonymous`: a session, no user, exactly the data.
//! * `negative`: no user.
//! * `app-accepts` and `limit`: the app's user or nobody; never somebody else.
//! * `cookie-shape`: the app's user or nobody; with `as-framework`, where the name comes twice, what the app answered.

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test: its panics are failures, and it reports"
)]

#[path = "vectors/compare.rs"]
mod compare;
#[path = "vectors/gateway.rs"]
mod gateway;
#[path = "vectors/moment.rs"]
mod moment;
#[path = "vectors/profile.rs"]
mod profile;

use cloakroom::clock::UnixMillis;
use cloakroom::config::DuplicateCookie;
use gateway::{Gateway, Seen};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

const SESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sessions");

#[test]
fn every_captured_session_is_read_as_its_app_reads_it() {
    let files = files();
    assert!(!files.is_empty(), "no vector files");
    let (mut vectors, mut failures, mut table) = (0, Vec::new(), BTreeMap::new());
    for path in &files {
        let file = read(path);
        let list = file["vectors"].as_array().expect("a file has vectors");
        vectors += list.len();
        row(&mut table, &file, list.len());
        failures.extend(check(&file, list).into_iter().map(|what| format!("{}: {what}", name(path))));
    }
    if std::env::var_os("CLOAKROOM_TABLE").is_some() {
        print_table(&table);
    }
    for failure in &failures {
        println!("{failure}");
    }
    // Past the capture of the test harness: this line is for whoever reads the log. Nothing can be skipped.
    let _ = writeln!(std::io::stdout(), "vectors: {} files, {vectors} vectors, 0 skipped", files.len());
    assert!(failures.is_empty(), "{} readings differ from what the apps said", failures.len());
}

fn files() -> Vec<PathBuf> {
    let own = || ["vectors", "more", "jwt"].map(|folder| format!("{SESSIONS}/{folder}")).join(":");
    let folders = std::env::var_os("CLOAKROOM_VECTORS").unwrap_or_else(|| own().into());
    let mut files = Vec::new();
    for path in std::env::split_paths(&folders) {
        if path.is_file() {
            files.push(path);
            continue;
        }
        let entries = std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let entries = entries.map(|entry| entry.expect("a readable folder").path());
        files.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")));
    }
    files.sort();
    files
}

fn read(path: &Path) -> Json {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// What is read differently in one file.
fn check(file: &Json, vectors: &[Json]) -> Vec<String> {
    let now = moment::of(file);
    let mut failures = Vec::new();
    for policy in [DuplicateCookie::Reject, DuplicateCookie::AsFramework] {
        let gateway = match profile::read(&file["profile"], policy).and_then(Gateway::new) {
            Ok(gateway) => gateway,
            Err(error) => return vec![format!("all {} vectors: {error}", vectors.len())],
        };
        for vector in vectors {
            if let Err(what) = judge(&gateway, file, vector, policy, now) {
                let id = vector["id"].as_str().unwrap_or_default();
                failures.push(format!("{id} ({}, {policy:?}): {what}", vector["kind"]));
            }
        }
    }
    failures
}

fn judge(
    gateway: &Gateway,
    file: &Json,
    vector: &Json,
    policy: DuplicateCookie,
    now: UnixMillis,
) -> Result<(), String> {
    let state = &file["states"][vector["redis"].as_str().unwrap_or_default()];
    let seen = gateway.see(vector["cookie_header"].as_str().unwrap_or_default(), state, now);
    let user = seen.user();
    let expect = &vector["expect"];
    match vector["kind"].as_str().unwrap_or_default() {
        "positive" | "anonymous" => {
            let Seen::Session { data, .. } = &seen else { return Err(format!("{seen:?}")) };
            equal(user, text(&expect["user_id"]).as_deref())?;
            match expect.get("data") {
                Some(expected) => compare::same(expected, data).map_err(|at| format!("data differ: {at}")),
                None => Ok(()),
            }
        }
        "negative" => equal(user, None),
        "app-accepts" | "limit" => equal_or_nobody(user, text(&expect["user_id"]).as_deref()),
        "cookie-shape" => {
            let app = text(&expect["app_user"]);
            let twice = vector["id"].as_str().is_some_and(|id| id.contains("-dup-"));
            if twice && policy == DuplicateCookie::AsFramework {
                return equal(user, app.as_deref()).map_err(|what| format!("{what}: {seen:?}"));
            }
            equal_or_nobody(user, app.as_deref())
        }
        other => Err(format!("an unknown kind, `{other}`")),
    }
}

fn equal(user: Option<&str>, expected: Option<&str>) -> Result<(), String> {
    (user == expected).then_some(()).ok_or(format!("user {user:?} instead of {expected:?}"))
}

fn equal_or_nobody(user: Option<&str>, expected: Option<&str>) -> Result<(), String> {
    if user.is_none() { Ok(()) } else { equal(user, expected) }
}

/// An id of either type as the text it is compared as.
fn text(id: &Json) -> Option<String> {
    match id {
        Json::Null | Json::Bool(false) => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Versions, files and vectors of one framework.
#[derive(Default)]
struct Row {
    versions: BTreeMap<String, Vec<String>>,
    files: usize,
    vectors: usize,
}

fn row(table: &mut BTreeMap<String, Row>, file: &Json, vectors: usize) {
    let framework = file["profile"]["framework"].as_str().unwrap_or_default().to_owned();
    let row = table.entry(framework).or_default();
    row.files += 1;
    row.vectors += vectors;
    for (package, version) in file["versions"].as_object().into_iter().flatten() {
        let version = version.as_str().unwrap_or_default().split(' ').next().unwrap_or_default();
        let versions = row.versions.entry(package.clone()).or_default();
        if !versions.iter().any(|known| known == version) {
            versions.push(version.to_owned());
        }
    }
}

fn print_table(table: &BTreeMap<String, Row>) {
    println!("| framework | tested with | files | vectors |\n|---|---|---|---|");
    for (framework, row) in table {
        let packages = row.versions.iter().filter(|(package, _)| *package != "redis-server");
        let tested: Vec<_> = packages.map(|(package, is)| format!("{package} {}", is.join(", "))).collect();
        println!("| `{framework}` | {} | {} | {} |", tested.join("; "), row.files, row.vectors);
    }
}

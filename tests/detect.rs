//! Every captured store, looked at as `cloakroom detect` looks at one.
//!
//! Each file's states are loaded as one store, junk included, first with what live sessions hold and then with all that the
//! capture tried. What must come out is what the file's `profile` says: framework, key, serializer, options and subject. Then
//! each positive vector's cookie and the profile's secrets must prove the right user. Where two frameworks write the same bytes
//! either may come first, as long as the other is told as an alternative and the cookie tells them apart.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test: its panics are failures, and it reports"
)]

#[expect(dead_code, reason = "shared with the vectors' test, which uses all of it")]
#[path = "vectors/gateway.rs"]
mod gateway;
#[path = "vectors/moment.rs"]
mod moment;
#[path = "detect/server.rs"]
mod server;

use cloakroom::config::Secret;
use cloakroom::detect::{Content, Explanation, Finding, Given, Need, Reading, Report, Source, detect};
use cloakroom::format::options::word;
use cloakroom::request::Cookies;
use cloakroom::store::{Record, StoreKey};
use gateway::unhex;
use serde_json::Value as Json;
use server::Server;
use std::path::PathBuf;

/// What a store alone does not tell apart, as framework and serializer of the profile and of what may be found instead. gin
/// signs and writes as gorilla does; what Rack writes, Rails may have written; a sealed value shows nothing.
const EITHER: [(&str, &str, &str, &str); 6] = [
    ("gin", "gob", "gorilla", "gob"),
    ("gin", "json", "gorilla", "json"),
    ("rack", "marshal", "rails", "marshal"),
    ("laravel", "json", "laravel", "php"),
    ("rails", "hybrid", "rails", "json"),
    ("rails", "json", "rails", "hybrid"),
];
#[test]
fn every_captured_store_is_recognised() {
    let mut failures = Vec::new();
    for (name, file) in files() {
        for all in [false, true] {
            let report = look(&file, all, Given::default());
            let found = report.findings.first();
            let line = found.map_or("nothing".to_owned(), shown);
            println!("{name} {}: {line}", if all { "with junk" } else { "live" });
            if let Err(what) =
                found.ok_or("nothing found".to_owned()).and_then(|found| matches(found, &file["profile"]))
            {
                failures.push(format!("{name} (all: {all}): {what}; found {line}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_cookie_of_every_positive_vector_proves_its_user() {
    let (mut failures, mut proven) = (Vec::new(), 0);
    for (name, file) in files() {
        for vector in file["vectors"].as_array().unwrap() {
            if vector["kind"] != "positive" {
                continue;
            }
            let report = prove(&file, vector);
            if let Err(what) = proves(&report, &file["profile"], vector) {
                failures.push(format!("{name} {}: {what}", vector["id"]));
            }
            proven += 1;
        }
    }
    println!("{proven} cookies");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_token_in_a_cookie_is_told_with_the_key_that_verifies_it() {
    let mut failures = Vec::new();
    for (name, file) in in_folders(&["jwt"]) {
        for vector in file["vectors"].as_array().unwrap().iter().filter(|one| one["kind"] == "positive") {
            let told = match prove(&file, vector).proof {
                Some(Err(notes)) => notes.concat(),
                other => format!("{other:?}"),
            };
            let cookie = format!("cookie `{}` is a JWT", file["profile"]["cookie"].as_str().unwrap());
            if !told.contains(&cookie)
                || !told.contains("verifies it")
                || told.contains("none of the secrets")
            {
                failures.push(format!("{name} {}: {told}", vector["id"]));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_cookie_that_was_tampered_with_proves_nobody() {
    let mut failures = Vec::new();
    for (_, file) in files() {
        for vector in file["vectors"].as_array().unwrap() {
            let id = vector["id"].as_str().unwrap();
            if vector["kind"] != "negative" || !signs(&file["profile"]) {
                continue;
            }
            if !id.contains("tampered") && !id.contains("wrong-secret") {
                continue;
            }
            // An app that may leave the signature away is believed to do so by a cookie without one, and told of it.
            // What is before the id is not signed: another prefix is taken for the app's own, and told.
            if let Some(Ok(proof)) = prove(&file, vector).proof
                && !(proof.how.secrets == Need::Perhaps && proof.secret.is_none())
                && proof.how.cookie_prefix.as_deref() == file["profile"]["cookie_prefix"].as_str()
            {
                failures.push(format!("{id}: {} as {}", proof.key, word(proof.how.framework)));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_real_store_becomes_a_gateway_file_through_a_user_who_may_only_read() {
    let (_, file) = files().into_iter().find(|(name, _)| name == "express-passport").unwrap();
    let vector =
        file["vectors"].as_array().unwrap().iter().find(|vector| vector["kind"] == "positive").unwrap();
    let server = Server::start();
    let state = file["states"][vector["redis"].as_str().unwrap()].as_array().unwrap();
    for reading in readings(state.iter(), &file) {
        let Some(Record::String(value)) = reading.record() else { continue };
        server.run(&[b"SET", reading.key.expose(), value, b"PX", b"600000"]);
    }
    server.run(&[b"LPUSH", b"queue:mail", b"1"]);
    let url = server.reader();
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
    std::fs::write(at("cookie"), vector["cookie_header"].as_str().unwrap()).unwrap();
    let cloakroom = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cloakroom"));
        command.args(arguments).env("LOOK_PASSWORD", server::PASSWORD).stdin(std::process::Stdio::null());
        let secrets = file["profile"]["secrets"].as_array().unwrap();
        command.env("NEW", secrets[0].as_str().unwrap()).env("OLD", secrets[1].as_str().unwrap());
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let cookie = at("cookie");
    let known = [
        "--password-env",
        "LOOK_PASSWORD",
        "--cookie-file",
        &cookie,
        "--secret-env",
        "NEW",
        "--secret-env",
        "OLD",
    ];

    let (code, out, err) = cloakroom(&[&["detect", &url, "--json", "--show-values"], &known[..]].concat());
    assert_eq!(code, Some(0), "{out}{err}");
    let found: Json = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&found["proof"]["framework"], &found["proof"]["user"]),
        (&"express".into(), &"42".into()),
        "{out}"
    );
    assert_eq!(found["findings"][0]["subject"], "passport.user");
    assert_eq!(found["others"][0], serde_json::json!({ "key": "queue:{id}", "keys": 1, "holds": "list" }));

    let (code, out, err) = cloakroom(&["detect", &url, "--db", "5", "--password-env", "LOOK_PASSWORD"]);
    assert!(code == Some(1) && out.contains("--db 0"), "{out}{err}");
    std::fs::write(at("wrong.toml"), "[[routes]]\npath = \"x\"\nupstream = \"app\"\n").unwrap();
    let (code, out, _) = cloakroom(&["check", "--json", "--config", &at("wrong.toml")]);
    let told: Json = serde_json::from_str(&out).unwrap();
    let mistake =
        told["mistakes"].as_array().unwrap().iter().find(|told| told["key"] == "routes.path").unwrap();
    assert_eq!((code, &mistake["line"], &mistake["column"]), (Some(2), &2.into(), &8.into()), "{out}");
    let output = at("gateway.toml");
    let init = ["init", "--redis", &url, "--app", "http://127.0.0.1:3000", "--output", &output, "--yes"];
    let (code, out, err) = cloakroom(&[&init, &known[..]].concat());
    assert_eq!(code, Some(0), "{out}{err}");
    let (code, ..) = cloakroom(&[&init, &known[..]].concat());
    assert_eq!(code, Some(2), "a file that is there is not written over");
    let (code, out, err) = cloakroom(&["check", "--config", &output]);
    assert_eq!(code, Some(0), "{}\n{out}{err}", std::fs::read_to_string(&output).unwrap());
    let (code, out, err) =
        cloakroom(&["detect", "--config", &output, "--cookie-file", &cookie, "--secret-env", "NEW"]);
    let told = out.contains("verified by $NEW") && out.contains("4*** (2 characters");
    assert!(code == Some(0) && told && !out.contains(server::PASSWORD), "{code:?} {out}{err}");
}

fn files() -> Vec<(String, Json)> {
    in_folders(&["vectors", "more"])
}

fn in_folders(folders: &[&str]) -> Vec<(String, Json)> {
    let list = |folder: &&str| {
        let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/sessions", folder].iter().collect();
        std::fs::read_dir(folder).unwrap()
    };
    let listed = folders.iter().flat_map(list).map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = listed.filter(|path| path.extension().is_some_and(|ext| ext == "json")).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap())
    };
    paths.into_iter().map(read).collect()
}

fn look(file: &Json, all: bool, given: Given) -> Report {
    let states = file["states"].as_object().unwrap();
    let named = |kind: &str| {
        let vectors = file["vectors"].as_array().unwrap().iter().filter(move |vector| vector["kind"] == kind);
        vectors.filter_map(|vector| states.get(vector["redis"].as_str()?)).collect::<Vec<_>>()
    };
    // Where one key is rewritten at login, as it is after it.
    let live = named("positive").into_iter().chain(named("anonymous"));
    let rest = states.values().filter(|_| all);
    run(readings(live.chain(rest).flat_map(|state| state.as_array().unwrap()), file), given, file)
}

fn prove<'f>(file: &'f Json, vector: &'f Json) -> Report {
    let secrets =
        ["secrets", "encryption_secrets"].into_iter().flat_map(|name| file["profile"][name].as_array());
    let secrets = secrets.flatten().map(|secret| Secret::new(secret.as_str().unwrap().into()));
    let cookies = Cookies::from_line(vector["cookie_header"].as_str().unwrap().as_bytes().to_vec());
    let given = Given { cookies: Some(cookies), secrets: secrets.collect() };
    // The vector's own state first, since one key holds other things in other states.
    let state = |vector: &'f Json| {
        file["states"][vector["redis"].as_str().unwrap_or_default()].as_array().into_iter().flatten()
    };
    let positive = |vector: &&Json| vector["kind"] == "positive";
    let others = file["vectors"].as_array().unwrap().iter().filter(positive).flat_map(state);
    run(readings(state(vector).chain(others), file), given, file)
}

fn run(readings: Vec<Reading>, given: Given, file: &Json) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut source = Source::Memory(readings);
    runtime.block_on(detect(&mut source, &given, moment::of(file))).unwrap()
}

/// Each key as it was first seen, in the profile's database.
fn readings<'f>(entries: impl Iterator<Item = &'f Json>, file: &Json) -> Vec<Reading> {
    let mut readings: Vec<Reading> = Vec::new();
    for entry in entries.filter(|entry| entry["db"] == file["profile"]["db"]) {
        let key = match entry["key_hex"].as_str() {
            Some(hex) => unhex(hex),
            None => entry["key"].as_str().unwrap().into(),
        };
        let key = StoreKey::new(key);
        let ttl = entry["ttl_ms"].as_i64().unwrap();
        if ttl == 0 || readings.iter().any(|reading| reading.key == key) {
            continue;
        }
        let content = match entry["type"].as_str().unwrap() {
            "string" => Content::Record(Record::String(unhex(entry["value_hex"].as_str().unwrap()))),
            "hash" => {
                let fields = entry["hash_hex"].as_object().unwrap().iter();
                let field = |(name, value): (&String, &Json)| {
                    (name.clone().into_bytes(), unhex(value.as_str().unwrap()))
                };
                Content::Record(Record::Hash(fields.map(field).collect()))
            }
            other => Content::Other(other.to_owned()),
        };
        readings.push(Reading { key, content, ttl_ms: u64::try_from(ttl).ok() });
    }
    readings
}

fn shown(finding: &Finding) -> String {
    let one = |how: &Explanation| format!("{} {}", word(how.framework), how.confidence);
    let others: Vec<_> = finding.alternatives.iter().map(one).collect();
    format!(
        "{} {} {} {:?}, subject {:?} ({}); then {others:?}",
        one(&finding.how),
        finding.key,
        finding.how.serializer,
        finding.how.options,
        finding.subject.path,
        finding.subject.confidence
    )
}

fn matches(found: &Finding, profile: &Json) -> Result<(), String> {
    let mut all = std::iter::once(&found.how).chain(&found.alternatives);
    let right = all.find(|other| how(other, profile, false).is_ok());
    match right {
        Some(_) if is_either(&found.how, profile) => {}
        Some(_) | None => how(&found.how, profile, false)?,
    }
    // What koa-session was told to put before the id is in its cookie: only that tells it from a prefix of the key.
    let of_cookie = profile["framework"] == "koa" && profile["key"] == "{id}" && found.key.ends_with("{id}");
    if !of_cookie {
        equal("key", &Json::from(found.key.as_str()), &profile["key"])?;
    }
    equal("subject", &Json::from(found.subject.path.clone()), &profile["subject"])
}

fn is_either(found: &Explanation, profile: &Json) -> bool {
    let pair = |(framework, serializer, other, others): &(&str, &str, &str, &str)| {
        profile["framework"] == *framework
            && profile["serializer"] == *serializer
            && word(found.framework) == *other
            && found.serializer == *others
    };
    EITHER.iter().any(pair)
}

fn how(how: &Explanation, profile: &Json, proven: bool) -> Result<(), String> {
    equal("framework", &Json::from(word(how.framework)), &profile["framework"])?;
    // The same bytes for the same cookie: nothing tells them apart.
    let hybrid = profile["serializer"] == "hybrid" && how.serializer == "json";
    if !(proven && hybrid) {
        equal("serializer", &Json::from(how.serializer), &profile["serializer"])?;
    }
    for name in ["engine", "compressor", "store_serializer", "encrypted"] {
        let found = how.options.iter().find(|(option, _)| *option == name).map(|(_, value)| *value);
        let expected = match &profile[name] {
            Json::Bool(flag) => Some(flag.to_string()),
            other => other.as_str().map(ToOwned::to_owned),
        };
        // What Rails' two stores write is read alike.
        let alike = name == "engine"
            && proven
            && expected.as_deref() == Some("redis_session_store")
            && found.is_none();
        let default = alike || matches!(expected.as_deref(), Some("cache" | "redis_store" | "false"));
        // A token's hash looks like a token, and the record does not know how its cookie was made.
        let unseen = !proven
            && (expected.as_deref() == Some("hash_token")
                || profile["framework"] == "tower" && name == "encrypted");
        if found != expected.as_deref() && !(found.is_none() && (default || unseen)) {
            return Err(format!("{name} {found:?} instead of {expected:?}"));
        }
    }
    Ok(())
}

fn proves(report: &Report, profile: &Json, vector: &Json) -> Result<(), String> {
    let proof = match &report.proof {
        Some(Ok(proof)) => proof,
        Some(Err(why)) => return Err(format!("not proven: {why:?}")),
        None => return Err("not tried".to_owned()),
    };
    how(&proof.how, profile, true)?;
    equal("user", &Json::from(proof.user.clone()), &vector["expect"]["user_id"])?;
    equal("key", &Json::from(proof.key.as_str()), &profile["key"])?;
    equal("cookie", &Json::from(proof.how.cookie.as_str()), &profile["cookie"])?;
    equal("cookie_prefix", &Json::from(proof.how.cookie_prefix.clone()), &profile["cookie_prefix"])?;
    equal("subject", &Json::from(proof.subject.path.clone()), &profile["subject"])?;
    if signs(profile) == proof.secret.is_some() { Ok(()) } else { Err(format!("secret {:?}", proof.secret)) }
}

/// Whether the cookie is signed or encrypted; of Django's records with secrets only the value is.
fn signs(profile: &Json) -> bool {
    !profile["secrets"].as_array().unwrap().is_empty() && profile["framework"] != "django"
}

fn equal(what: &str, found: &Json, expected: &Json) -> Result<(), String> {
    (found == expected).then_some(()).ok_or(format!("{what} {found} instead of {expected}"))
}

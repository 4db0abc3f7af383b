//! Whole files: what loads, what is said about what does not, and that the documented default is the default.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;

use crate::config::schema::{Kinds, SCHEMA};
use crate::config::{Config, from_text, load_with, render, schema};

/// The environment of all tests.
fn environment(name: &str) -> Option<String> {
    match name {
        "SESSION_SECRET" | "OLD_SECRET" => Some("correct horse".to_owned()),
        "REDIS_URL" => Some("rediss://app:battery@redis.example:6380/1".to_owned()),
        "BAD_URL" => Some("redis://app:staple@/x".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

/// What is wrong with `text`, as it is printed; empty if nothing is.
fn mistakes(text: &str) -> String {
    match from_text("gateway.toml", text, Path::new("tests/config"), &environment) {
        Ok(_) => String::new(),
        Err((errors, sources)) => render(&errors, &sources, false),
    }
}

fn config(text: &str) -> Config {
    match from_text("gateway.toml", text, Path::new("tests/config"), &environment) {
        Ok((config, _)) => config,
        Err((errors, sources)) => panic!("{}", render(&errors, &sources, false)),
    }
}

fn cases(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new("tests/config").join(folder);
    let entries = std::fs::read_dir(&folder).expect("the folder of cases");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut cases: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    cases.sort();
    cases
}

/// Whether expectations are to be written anew instead of compared.
#[allow(clippy::disallowed_methods, reason = "a developer's switch, not configuration")]
fn bless() -> bool {
    std::env::var("CLOAKROOM_BLESS").is_ok()
}

#[test]
fn every_invalid_file_is_told_what_its_text_says() {
    let cases = cases("invalid");
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let mut differing = Vec::new();
    for case in cases {
        let told = match load_with(&case, &environment) {
            Ok(_) => panic!("{} loads", case.display()),
            Err((errors, sources)) => render(&errors, &sources, false),
        };
        let expectation = case.with_extension("txt");
        if bless() {
            std::fs::write(&expectation, &told).expect("writing the expectation");
        }
        if std::fs::read_to_string(&expectation).unwrap_or_default() != told {
            differing.push(format!("{}:\n{told}", expectation.display()));
        }
    }
    assert!(differing.is_empty(), "CLOAKROOM_BLESS=1 accepts these:\n\n{}", differing.join("\n"));
}

#[test]
fn every_valid_file_loads() {
    for case in cases("valid") {
        if let Err((errors, sources)) = load_with(&case, &environment) {
            panic!("{}:\n{}", case.display(), render(&errors, &sources, false));
        }
    }
}

#[test]
fn an_empty_file_is_the_default() {
    let config = config("");
    assert_eq!(config.server.listen, ["127.0.0.1:8080".parse().expect("an address")]);
    assert!(config.internal.is_none() && config.routes.is_empty());
}

#[test]
fn no_message_shows_a_secret_that_the_file_holds() {
    let files = [
        "[stores.a]\nurl = \"redis://u:hunter2@h:x/0\"\npassword = \"hunter2\"",
        "[stores.a]\nurl = \"memory:\"\npasword = \"hunter2\"",
        "[stores.a]\nurl = { insecure_literal = \"redis://:hunter2@/0\" }",
        "[sessions.a]\nframework = \"express\"\nsecrets = [\"hunter2\"]",
        "[sessions.a]\nframework = \"express\"\nsecrets = \"hunter2\"",
        "[sessions.a]\nframework = \"express\"\nsecret = \"hunter2\"",
        "[sessions.a]\nsecrets = [{ insecure_literal = \"hunter2\", env = \"X\" }]",
        "[sessions.a]\nsecrets = [{ literal = \"hunter2\" }]",
        "[sessions.a]\nsecrets = [{ insecure_literal = \"hunter2\" ]",
        "[sessions.a]\nsecrets = [\"hunter2]",
    ];
    for file in files {
        let told = mistakes(file);
        assert!(!told.is_empty() && !told.contains("hunter2"), "{told}");
    }
    let told = mistakes("[stores.a]\nurl = { env = \"BAD_URL\" }");
    assert!(told.contains("url") && !told.contains("staple"), "{told}");
}

#[test]
fn a_wrong_value_does_not_hide_the_mistakes_behind_it() {
    let told = mistakes("[server]\nlisten = 5\nworkers = \"x\"\n[stores.a]\nurl = \"redis://\"\n[audit]\n");
    assert!(told.ends_with("4 mistakes; nothing was started\n"), "{told}");
}

#[test]
fn what_only_follows_from_another_mistake_is_not_told() {
    let told = mistakes(
        "[store.a]\nurl = \"memory:\"\n[sessions.s]\nframework = \"json\"\nstore = \"a\"\natributes = { x = \"y\" }\n\
         [upstreams.u]\nendpoint = [\"http://h\"]\n[[routes]]\npath = \"/\"\nupstream = \"u\"\nclaims = [\"x\"]\n",
    );
    assert!(told.ends_with("4 mistakes; nothing was started\n"), "{told}");
}

#[test]
fn names_that_a_missing_include_may_define_are_not_told() {
    let told = mistakes(
        "include = [\"none.toml\"]\n[sessions.s]\nframework = \"json\"\n\
         [[routes]]\npath = \"/\"\nupstream = \"u\"\nsessions = [\"t\"]\n",
    );
    assert!(told.ends_with("1 mistake; nothing was started\n"), "{told}");
}

#[test]
fn the_place_of_a_lone_host_is_its_own() {
    let config = config(
        "[upstreams.u]\nendpoints = [\"http://[::1]:3000\"]\n\
         [[routes]]\npath = \"/\"\nupstream = \"u\"\naccess = \"open\"\nhost = \"*.Shop.example\"\n",
    );
    let host = &config.routes[0].hosts[0];
    assert_eq!((host.value.as_str(), host.at.end - host.at.start), ("*.shop.example", 16));
    assert_eq!(config.upstreams[0].endpoints[0].host, "::1");
}

#[test]
fn tables_keep_the_order_of_the_file() {
    let config = config("[stores.b]\nurl = \"memory:\"\n[stores.a]\nurl = \"memory:\"\n");
    let names: Vec<_> = config.stores.iter().map(|store| store.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
}

#[test]
fn a_secret_loses_one_newline_and_no_more() {
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::write(folder.path().join("secret"), "one\n\n").expect("writing");
    let text = "[stores.s]\nurl = \"memory:\"\n[sessions.s]\nframework = \"express\"\nsecrets = [{ file = \"secret\" }]";
    let (config, _) = from_text("gateway.toml", text, folder.path(), &environment).expect("a configuration");
    assert_eq!(config.profiles[0].options.secrets[0].value.expose(), b"one\n");
}

#[test]
fn an_unreadable_main_file_is_one_mistake() {
    let (errors, sources) =
        load_with(Path::new("tests/config/none.toml"), &environment).expect_err("no file");
    assert!(render(&errors, &sources, false).contains("it does not exist"));
}

#[test]
fn included_files_share_one_namespace_and_come_in_order() {
    let folder = tempfile::tempdir().expect("a directory");
    let routes = folder.path().join("routes.d");
    std::fs::create_dir(&routes).expect("a directory");
    let route = |path| format!("[[routes]]\npath = \"{path}\"\nupstream = \"u\"\naccess = \"open\"\n");
    std::fs::write(routes.join("b.toml"), route("/b")).expect("writing");
    std::fs::write(routes.join("a.toml"), route("/a")).expect("writing");
    std::fs::write(routes.join(".a.toml.swp"), "not toml").expect("writing");
    std::fs::write(routes.join("note.txt"), "not toml").expect("writing");
    let main = "include = [\"routes.d/*.toml\"]\n[upstreams.u]\nendpoints = [\"http://127.0.0.1:1\"]\n";
    let (config, _) = from_text("gateway.toml", main, folder.path(), &environment).expect("a configuration");
    let paths: Vec<_> = config.routes.iter().map(|route| route.path.value.as_str()).collect();
    assert_eq!(paths, ["/a", "/b"]);
    assert_eq!(config.routes[1].at.file, 2);
}

/// `gateway.toml` with every setting active: a comment sign without a space behind it stands before a setting.
fn documented() -> (String, String) {
    let shipped = std::fs::read_to_string("gateway.toml").expect("the documented default");
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest.to_owned(),
        _ => line.to_owned(),
    };
    let active = shipped.lines().map(line).collect::<Vec<_>>().join("\n");
    (shipped, active)
}

/// Every key of the schema below `schema`, as its dotted path, its own schema beside it.
fn keys<'s>(schema: &'s Value, path: &str, found: &mut Vec<(String, &'s Value)>) {
    let kinds = Kinds::of(&SCHEMA, schema);
    let items = kinds.list.map(|items| Kinds::of(&SCHEMA, items)).unwrap_or_default();
    if let Some(named) = kinds.map {
        let inner = Kinds::of(&SCHEMA, named);
        if let [table] = inner.tables.as_slice() {
            keys(table, &format!("{path}.*"), found);
        }
    }
    let tables =
        if schema.get("properties").is_some() { vec![schema] } else { [kinds.tables, items.tables].concat() };
    // A table that stands in the place of a word is documented with it.
    if let ([table], false) = (tables.as_slice(), kinds.secret || items.secret || !kinds.words.is_empty()) {
        for (name, property) in table.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            found.push((path.clone(), property));
            keys(property, &path, found);
        }
    }
}

/// Whether the TOML at `path` of `value` is there, and what it is.
fn values<'v>(value: &'v toml::Value, path: &[&str]) -> Vec<&'v toml::Value> {
    let Some((first, rest)) = path.split_first() else { return vec![value] };
    match value {
        toml::Value::Array(items) => items.iter().flat_map(|item| values(item, path)).collect(),
        toml::Value::Table(table) if *first == "*" => {
            table.values().flat_map(|item| values(item, rest)).collect()
        }
        toml::Value::Table(table) => {
            table.get(*first).into_iter().flat_map(|item| values(item, rest)).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn the_documented_default_loads_as_it_stands_without_any_environment() {
    if let Err((errors, sources)) = load_with(Path::new("gateway.toml"), &|_| None) {
        panic!("{}", render(&errors, &sources, false));
    }
}

#[test]
fn the_documented_default_has_every_key_with_its_doc_and_its_default() {
    let (shipped, active) = documented();
    let document: toml::Value = toml::from_str(&active).expect("gateway.toml with every setting active");
    let prose: Vec<&str> = shipped.lines().filter_map(|line| line.strip_prefix('#')).collect();
    let prose = prose.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found = Vec::new();
    keys(&SCHEMA, "", &mut found);
    assert!(found.len() > 80, "{} keys", found.len());
    let mut missing = BTreeSet::new();
    for (path, schema) in found {
        let steps: Vec<&str> = path.split('.').collect();
        let written = values(&document, &steps);
        if written.is_empty() {
            missing.insert(format!("{path}: not there"));
        }
        let doc = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let doc = doc.split_whitespace().collect::<Vec<_>>().join(" ");
        let sentence = doc.split_once(". ").map_or(doc.as_str(), |(first, _)| first);
        if sentence.is_empty() || !prose.contains(sentence) {
            missing.insert(format!("{path}: without its doc: {doc}"));
        }
        let default = schema.get("default").map(|value| serde_json::from_value::<toml::Value>(value.clone()));
        if let Some(Ok(default)) = default
            && !written.contains(&&default)
        {
            missing.insert(format!("{path}: not with its default, {default}"));
        }
    }
    assert!(missing.is_empty(), "{}", missing.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn every_setting_of_the_documented_default_is_accepted() {
    let (_, active) = documented();
    let told = mistakes(&active);
    let allowed = [
        "`ca.pem`",
        "is not set",
        "does not accept bearers",
        "has no TLS",
        "no endpoint has TLS",
        "there are no sentinels",
        "cannot read `tls/",
        "`directory` is there too",
        "cannot read `secrets/",
    ];
    for block in told.split("\n\n").filter(|block| block.starts_with("error")) {
        assert!(allowed.iter().any(|part| block.contains(part)), "{block}");
    }
}

#[test]
fn the_defaults_of_the_schema_are_those_of_the_code() {
    let parts = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config/parts");
    let tls = format!(
        "[server]\nhsts = {{ max_age = \"1h\" }}\nredirect_http = {{ listen = [\"127.0.0.1:0\"] }}\n\
         [[server.certificates]]\ncert = \"{parts}/edge.pem\"\nkey = \"{parts}/edge.key\"\n\
         [[server.client_certificates]]\nca = \"{parts}/edge.pem\"\n\
         [server.acme]\nnames = [\"a.test\"]\nagree_to_terms = true\nstorage = \"acme\"\n"
    );
    let minimal = tls
        + "[internal]\n[admin]\n[state]\n[pair]\naudience = \"u\"\n[logout]\n[clients.c]\nsecrets = [{ insecure_literal = \"0123456789abcdef\" }]\n[stores.s]\nurl = \"redis://h\"\n[sessions.p]\nframework = \"json\"\n\
                   [upstreams.u]\nendpoints = [\"https://h\"]\nhealth = { path = \"/h\" }\n\
                   [[routes]]\npath = \"/\"\nupstream = \"u\"\nrollout = { share = \"10%\", rest = \"u\" }\n";
    let mut full: toml::Value = toml::from_str(&minimal).expect("TOML");
    let mut found = Vec::new();
    keys(&SCHEMA, "", &mut found);
    for (path, schema) in found {
        let Some(default) = schema.get("default").cloned() else { continue };
        let default: toml::Value = serde_json::from_value(default).expect("a default is TOML");
        put(&mut full, &path.split('.').collect::<Vec<_>>(), &default);
    }
    let full = toml::to_string(&full).expect("TOML");
    let (left, right) = (format!("{:?}", config(&minimal)), format!("{:?}", config(&full)));
    assert_eq!(placeless(&left), placeless(&right), "{full}");
}

fn put(value: &mut toml::Value, path: &[&str], default: &toml::Value) {
    let Some((first, rest)) = path.split_first() else {
        *value = default.clone();
        return;
    };
    match value {
        toml::Value::Array(items) => items.iter_mut().for_each(|item| put(item, path, default)),
        toml::Value::Table(table) if *first == "*" => {
            table.iter_mut().for_each(|(_, item)| put(item, rest, default))
        }
        toml::Value::Table(table) => {
            let empty = toml::Value::Table(toml::Table::new());
            put(table.entry((*first).to_owned()).or_insert(empty), rest, default);
        }
        _ => {}
    }
}

/// A debug print without the places in it.
fn placeless(text: &str) -> String {
    let mut parts = text.split("At {");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('}').map_or(part, |(_, rest)| rest))
}

#[test]
fn the_schema_knows_every_table_and_no_null() {
    let schema = schema();
    let text = schema.to_string();
    assert!(!text.contains("\"null\""), "{text}");
    assert_eq!(schema["additionalProperties"], false);
    for table in [
        "server",
        "internal",
        "admin",
        "stores",
        "state",
        "logout",
        "pair",
        "sessions",
        "issuers",
        "tokens",
        "csrf",
        "upstreams",
        "routes",
    ] {
        assert!(schema["properties"][table]["description"].is_string(), "{table}");
    }
}

/// Lines that are almost right, so that the walk and the checks get something to do.
fn lines() -> impl Strategy<Value = String> {
    let tables: Vec<&str> = vec![
        "[server]",
        "[stores.a]",
        "[sessions.a]",
        "[issuers.a]",
        "[tokens]",
        "[tokens.keys]",
        "[admin.tokens.a]",
        "[upstreams.u]",
        "[[routes]]",
    ];
    let keys: Vec<&str> = vec![
        "url",
        "listen",
        "secrets",
        "host",
        "endpoints",
        "require",
        "attributes",
        "path",
        "ttl",
        "outage",
        "jwks",
        "audience",
        "sub",
    ];
    let values: Vec<&str> = vec![
        "5",
        "\"x\"",
        "\"redis://a@b:1/2\"",
        "[]",
        "{}",
        "[{ env = 1 }]",
        "{ const = 1e999 }",
        "\"\\u00e9\"",
        "1979-05-27",
    ];
    let setting =
        (prop::sample::select(keys), prop::sample::select(values)).prop_map(|(k, v)| format!("{k} = {v}"));
    let line = prop_oneof![
        2 => prop::sample::select(tables).prop_map(str::to_owned),
        5 => setting,
        1 => "[ -~é\u{1F980}]{0,12}",
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(text in "\\PC*") {
        mistakes(&text);
    }

    #[test]
    fn no_almost_right_text_makes_the_loader_panic(text in lines()) {
        mistakes(&text);
    }
}

#[test]
fn deep_nesting_is_an_error_and_not_an_overflow() {
    for open in ["[", "{a=", "[{a="] {
        let told = mistakes(&format!("x = {}", open.repeat(20_000)));
        assert!(!told.is_empty());
    }
    let keys = vec!["a"; 20_000].join(".");
    assert!(!mistakes(&format!("[{keys}]")).is_empty());
}

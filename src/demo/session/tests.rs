use super::*;
use crate::clock::{Clock, UnixMillis};
use crate::codec::Value as Data;
use crate::config::{FormatOptions, Framework};
use crate::format::fixture::{present, profile, secret};
use crate::format::{Lookup, SessionFormat};
use crate::store::{MemoryStore, Reading, RecordKind, Stored};

const SECRET: &str = "keyboard cat";

fn sessions() -> (Sessions, MemoryStore) {
    let memory = MemoryStore::new(Clock::manual(UnixMillis::from_secs(1)));
    (Sessions::new(Keeper::Memory(memory.clone()), &Secret::new(SECRET.into())), memory)
}

fn gateway(secret_text: &str) -> Box<dyn SessionFormat> {
    let options = FormatOptions { secrets: secret(secret_text), ..FormatOptions::default() };
    crate::format::build(&profile(Framework::Express, options)).unwrap()
}

/// What a browser sends back for a Set-Cookie.
fn sent_back(set_cookie: &str) -> String {
    set_cookie.split(';').next().unwrap().to_owned()
}

fn login(sessions: &Sessions, id: &str, old: Option<&Session>) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let started = runtime.block_on(sessions.start(Person::find(id).unwrap(), old));
    sent_back(&started.unwrap())
}

fn find(sessions: &Sessions, cookie: &str) -> Option<Session> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(sessions.find(&Cookies::from_line(cookie.to_owned()))).unwrap()
}

fn looked_up(cookie: &str) -> Lookup {
    present(&*gateway(SECRET), cookie).expect("a session cookie").unwrap()
}

#[test]
fn a_cookie_of_another_secret_is_neither_taken_by_the_app_nor_by_the_gateway() {
    let (sessions, _) = sessions();
    let cookie = login(&sessions, "alice", None);
    let forged = cookie.replacen("s%3A", "s%3Aa", 1);
    assert!(find(&sessions, &forged).is_none());
    assert!(present(&*gateway(SECRET), &forged).unwrap().is_err());
    assert!(present(&*gateway("another secret"), &cookie).unwrap().is_err());
}

#[test]
fn the_gateway_reads_what_the_app_writes() {
    let (sessions, memory) = sessions();
    let lookup = looked_up(&login(&sessions, "alice", None));
    let Reading::Found(Stored { record, ttl_ms }) = memory.read(&lookup.keys[0], RecordKind::String) else {
        panic!("no record under the key of the cookie");
    };
    assert_eq!(ttl_ms, Some(86_400_000));
    let decoded = gateway(SECRET).decode(&record, &lookup).unwrap();
    let user = decoded.data.get("passport").and_then(|passport| passport.get("user"));
    assert!(matches!(user, Some(Data::Text(user)) if user == "alice"), "{user:?}");
    assert_eq!(lookup.id.expose().len(), 32);
}

#[test]
fn the_record_begins_as_the_frameworks_own_does() {
    let record = String::from_utf8(record(Person::find("bob").unwrap())).unwrap();
    let start = r#"{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/","sameSite":"lax"},"passport":{"user":"bob"},"#;
    assert!(record.starts_with(start), "{record}");
}

#[test]
fn a_captured_cookie_of_the_framework_is_what_the_app_would_have_written() {
    let vector = include_str!("../../../tests/sessions/vectors/express-passport.json");
    let vector: Value = serde_json::from_str(vector).unwrap();
    let secret = Secret::new(vector["config"]["secret"][0].as_str().unwrap().into());
    let sessions = Sessions::new(Keeper::Memory(MemoryStore::new(Clock::System)), &secret);
    let set = vector["steps"][2]["set_cookie"][0].as_str().unwrap();
    let id = vector["steps"][2]["body"]["sid"].as_str().unwrap();
    assert_eq!(sent_back(set), format!("{COOKIE}={}", sessions.cookie(id)));
}

#[test]
fn a_login_leaves_the_old_id_without_a_record_and_so_does_a_logout() {
    let (sessions, _) = sessions();
    let first = login(&sessions, "alice", None);
    let old = find(&sessions, &first);
    let second = login(&sessions, "bob", old.as_ref());
    assert!(find(&sessions, &first).unwrap().record.is_none());
    let session = find(&sessions, &second).unwrap();
    assert!(session.record.is_some());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(sessions.end(&session)).unwrap();
    assert!(find(&sessions, &second).unwrap().record.is_none());
}

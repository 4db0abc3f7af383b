//! What an app keeps of each user beside the sessions, and `valid_if`: a user who changes is refused at once, in every session.

use crate::support::{Ask, Client, Response, Running, SESSIONS, Upstream, World, eventually, verify};
use cloakroom::clock::Clock;
use cloakroom::codec::seal::{Base64, Hash, MacKey};
use serde_json::{Value, json};

/// A machine that is shared may be slow to answer; the lease is long, so that only what a test does ends it.
const PATIENT: &str = "timeout = \"5s\"\nrevocation_bound = \"60s\"";
const USERS: &str = "user_record = \"user:{subject}\"";
const RULES: &str = "valid_if = { \"record.active\" = true, \"hash\" = \"{record.session_hash}\" }\n\
    attributes = { plan = \"record.plan\", theme = \"theme\" }";

const ADDING: &str = "attributes = { plan = \"record.plan\", theme = \"theme\" }";

/// Two sessions of alice's, one of bob's.
fn world(upstream: &Upstream, rules: &str) -> Running {
    let world = World::new()
        .workers(2)
        .store(PATIENT)
        .profile("app", &format!("{SESSIONS}\n{USERS}\n{rules}"))
        .recorded("app", upstream)
        .route("path = \"/*\"\nupstream = \"app\"\nclaims = [\"plan\", \"theme\"]")
        .route("path = \"/strict/*\"\nupstream = \"app\"\nfreshness = \"strict\"");
    for (id, user) in [("a1", "alice"), ("a2", "alice"), ("b1", "bob")] {
        let session = json!({ "user": { "id": user }, "hash": format!("{user}-h1"), "theme": "dark" });
        world.redis().set(&format!("sess:{id}"), &session.to_string());
    }
    for user in ["alice", "bob"] {
        world.redis().set(&format!("user:{user}"), &record(user, true, "h1", "free"));
    }
    world.start()
}

fn record(user: &str, active: bool, hash: &str, plan: &str) -> String {
    json!({ "active": active, "session_hash": format!("{user}-{hash}"), "plan": plan }).to_string()
}

fn ask(world: &Running, target: &str, id: &str) -> Response {
    world.ask(&Ask::get(target).cookie(&format!("sid={id}")))
}

fn becomes(world: &Running, id: &str, status: u16) {
    for target in ["/x", "/strict/x"] {
        eventually(&format!("{status} for {id}"), || {
            let answer = ask(world, target, id);
            assert!(matches!(answer.status, 200 | 401), "{}", answer.text());
            (answer.status == status).then_some(())
        });
    }
}

fn claims(world: &Running, response: &Response) -> Value {
    let token = response.echoed("authorization").unwrap_or_else(|| panic!("{}", response.text()));
    verify(token.strip_prefix("Bearer ").unwrap(), &world.gateway.keys(), "app").unwrap()
}

/// Asks until a request is answered from memory.
fn warm(world: &mut Running, id: &str) {
    eventually("a hit", || {
        let before = world.redis().calls("get");
        assert_eq!(ask(world, "/x", id).status, 200);
        (world.redis().calls("get") == before).then_some(())
    });
}

#[test]
fn who_is_switched_off_is_refused_in_every_session_at_once_and_let_in_again() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, RULES);
    for id in ["a1", "a2", "b1"] {
        warm(&mut world, id);
    }
    world.redis().set("user:alice", &record("alice", false, "h1", "free"));
    becomes(&world, "a1", 401);
    becomes(&world, "a2", 401);
    assert_eq!(ask(&world, "/x", "b1").status, 200);
    let refused = ask(&world, "/x", "a1");
    assert_eq!(refused.refusal(), Some("login-required"), "{}", refused.text());
    let line = world.gateway.line(|line| line["reason"] == "user-changed");
    assert_eq!(line["status"], 401);
    world.redis().set("user:alice", &record("alice", true, "h1", "free"));
    becomes(&world, "a1", 200);
}

#[test]
fn another_password_ends_the_sessions_before_it() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, RULES);
    warm(&mut world, "a1");
    world.redis().set("user:alice", &record("alice", true, "h2", "free"));
    becomes(&world, "a1", 401);
    let session = json!({ "user": { "id": "alice" }, "hash": "alice-h2" });
    world.redis().set("sess:a2", &session.to_string());
    becomes(&world, "a2", 200);
    assert_eq!(ask(&world, "/x", "a1").status, 401);
}

#[test]
fn a_user_without_a_record_meets_no_condition_on_it() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, RULES);
    warm(&mut world, "a1");
    world.redis().delete("user:alice");
    becomes(&world, "a1", 401);
}

#[test]
fn without_conditions_a_record_only_adds_to_what_tokens_say() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, ADDING);
    warm(&mut world, "a1");
    let first = ask(&world, "/x", "a1");
    assert_eq!(claims(&world, &first)["plan"], "free");
    assert_eq!(claims(&world, &first)["theme"], "dark");
    world.redis().set("user:alice", &record("alice", false, "h9", "pro"));
    eventually("the new plan", || (claims(&world, &ask(&world, "/x", "a1"))["plan"] == "pro").then_some(()));
    world.redis().delete("user:alice");
    eventually("no plan", || claims(&world, &ask(&world, "/x", "a1")).get("plan").is_none().then_some(()));
}

#[test]
fn a_hit_costs_no_command_and_the_same_token_goes_on() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, RULES);
    warm(&mut world, "a1");
    let (reads, token) = (world.redis().calls("get"), ask(&world, "/x", "a1").echoed("authorization"));
    for _ in 0..50 {
        assert_eq!(ask(&world, "/x", "a1").echoed("authorization"), token);
    }
    assert_eq!(world.redis().calls("get"), reads);
    // The app writes both again with nothing new in them that anybody asked for.
    world.redis().set("user:alice", &record("alice", true, "h1", "free").replace('{', "{ "));
    let session = json!({ "user": { "id": "alice" }, "hash": "alice-h1", "theme": "dark", "seen": 7 });
    world.redis().set("sess:a1", &session.to_string());
    warm(&mut world, "a1");
    assert_eq!(
        ask(&world, "/x", "a1").echoed("authorization"),
        token,
        "nothing that a token says has changed"
    );
}

#[test]
fn a_record_may_be_a_hash_and_become_one() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, RULES);
    warm(&mut world, "a1");
    world.redis().delete("user:alice");
    let fields = ["HSET", "user:alice", "active", "true", "session_hash", "alice-h1", "plan", "pro"];
    let _: i64 = world.redis().command(&fields);
    becomes(&world, "a1", 200);
    eventually("the plan of the hash", || {
        (claims(&world, &ask(&world, "/x", "a1"))["plan"] == "pro").then_some(())
    });
    becomes(&world, "b1", 200);
    let _: i64 = world.redis().command(&["HSET", "user:alice", "active", "false"]);
    becomes(&world, "a1", 401);
}

#[test]
fn what_is_no_record_is_no_permission() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, ADDING);
    for odd in ["[]", "\"x\"", "{\"active\":true", "", "\u{1}"] {
        world.redis().set("user:alice", odd);
        becomes(&world, "a1", 401);
        world.redis().delete("user:alice");
        becomes(&world, "a1", 200);
    }
    let _: i64 = world.redis().command(&["RPUSH", "user:alice", "x"]);
    becomes(&world, "a1", 401);
}

#[test]
fn a_session_of_nobody_has_nothing_to_meet() {
    let upstream = Upstream::echoing();
    let world = World::new()
        .profile("app", &format!("{SESSIONS}\n{USERS}\n{RULES}"))
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"session\"");
    world.redis().set("sess:g1", "{\"cart\":[1]}");
    let world = world.start();
    assert_eq!(ask(&world, "/x", "g1").status, 200);
}

#[test]
fn a_store_that_does_not_answer_is_503_and_nobodys_change() {
    let upstream = Upstream::echoing();
    let world = World::new()
        .store("timeout = \"200ms\"\nrevocation_bound = \"400ms\"")
        .profile("app", &format!("{SESSIONS}\n{USERS}\n{RULES}"))
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"");
    world.redis().set("sess:a1", "{\"user\":{\"id\":\"alice\"},\"hash\":\"alice-h1\"}");
    world.redis().set("user:alice", &record("alice", true, "h1", "free"));
    let mut world = world.start();
    eventually("an answer", || (ask(&world, "/x", "a1").status == 200).then_some(()));
    world.redis().freeze();
    eventually("an end of the lease", || {
        let answer = ask(&world, "/x", "a1");
        assert!(matches!(answer.status, 200 | 503), "{}", answer.text());
        (answer.status == 503).then_some(())
    });
    world.redis().thaw();
    eventually("an answer again", || {
        let answer = ask(&world, "/x", "a1");
        assert!(matches!(answer.status, 200 | 503), "{}", answer.text());
        (answer.status == 200).then_some(())
    });
}

#[test]
fn a_stream_ends_with_what_its_user_may() {
    let upstream = Upstream::playing(|wire| {
        wire.request();
        wire.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n:\n\n");
        wire.hear_out();
    });
    let mut world = world(&upstream, RULES);
    let mut client = Client::connect(world.gateway.public);
    client.send(Ask::get("/x").cookie("sid=a1").bytes());
    assert_eq!(client.head().expect("an answer").status, 200);
    world.redis().set("user:alice", &record("alice", false, "h1", "free"));
    // The upstream ends nothing.
    let mut body = Vec::new();
    while !body.ends_with(b"\r\n0\r\n\r\n") {
        body.extend(client.read_exact(1));
    }
    let line = world.gateway.line(|line| line["decision"] == "closed");
    assert_eq!(line["reason"], "session-changed");
}

#[test]
fn a_session_that_is_all_in_its_cookie_ends_with_its_user_too() {
    let upstream = Upstream::echoing();
    let secret = "the app's own secret, of more than thirty-two bytes";
    let world = World::new()
        .store(PATIENT)
        .environment("JWT_SECRET", secret)
        .profile(
            "app",
            "framework = \"jwt\"\nsecrets = [{ env = \"JWT_SECRET\" }]\nstore = \"app\"\n\
             user_record = \"user:{subject}\"\nvalid_if = { \"record.active\" = true }",
        )
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"");
    world.redis().set("user:42", "{\"active\":true}");
    let mut world = world.start();
    let claims = json!({ "sub": "42", "exp": Clock::System.now().as_secs() + 600 });
    let signed = [json!({ "alg": "HS256" }), claims];
    let signed = signed.map(|part| Base64::UrlNoPad.encode(part.to_string().as_bytes())).join(".");
    let tag = MacKey::new(Hash::Sha256, secret.as_bytes()).sign(&[signed.as_bytes()]);
    let cookie = format!("token={signed}.{}", Base64::UrlNoPad.encode(&tag));
    let status = |world: &Running| world.ask(&Ask::get("/x").cookie(&cookie)).status;
    eventually("an answer", || (status(&world) == 200).then_some(()));
    world.redis().set("user:42", "{\"active\":false}");
    eventually("a refusal", || (status(&world) == 401).then_some(()));
    world.redis().set("user:42", "{\"active\":true}");
    eventually("an answer again", || (status(&world) == 200).then_some(()));
}

//! What a service gets to read.

use crate::support::{Ask, Running, SESSIONS, Upstream, World, eventually, verify};
use serde_json::{Value, json};

const ID: &str = "id-for-tokens-90bd";

fn world(upstream: &Upstream, tokens: &str, route: &str) -> Running {
    let attributes =
        "attributes = { email = \"user.email\", roles = \"user.roles\", plan = { const = \"free\" } }";
    let world = World::new()
        .profile("app", &format!("{SESSIONS}\n{attributes}"))
        .tokens(tokens)
        .recorded("app", upstream)
        .route(&format!("path = \"/*\"\nupstream = \"app\"\n{route}"));
    let record =
        json!({ "user": { "id": 12_345_678_901_234_567_890_u64, "roles": ["a", "b"], "email": "ä@b.test" } });
    world.redis().set(&format!("sess:{ID}"), &record.to_string());
    world.start()
}

fn token(world: &Running) -> String {
    let response = world.ask(&Ask::get("/x").cookie(&format!("sid={ID}")));
    let value = response.echoed("authorization").unwrap_or_else(|| panic!("{}", response.text()));
    value.strip_prefix("Bearer ").unwrap().to_owned()
}

fn claims(world: &Running, audience: &str) -> Value {
    verify(&token(world), &world.gateway.keys(), audience).unwrap()
}

#[test]
fn claims_are_the_standard_ones_and_the_named_attributes_with_their_types() {
    let upstream = Upstream::echoing();
    let world = world(&upstream, "", "claims = [\"email\", \"roles\", \"plan\"]");
    let claims = claims(&world, "app");
    let mut names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["aud", "client_id", "email", "exp", "iat", "iss", "jti", "plan", "roles", "sid", "sub"]
    );
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("12345678901234567890"), &json!("app")));
    assert_eq!((&claims["email"], &claims["roles"]), (&json!("ä@b.test"), &json!(["a", "b"])));
    assert!(!claims["sid"].as_str().unwrap().contains(ID));
}

#[test]
fn a_token_never_outlives_its_session() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, "ttl = \"1h\"", "");
    let ttl = |claims: &Value| claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert!(ttl(&claims(&world, "app")) > 3000);
    // One that was made for a longer session is not used any more.
    world.redis().command::<()>(&["EXPIRE", &format!("sess:{ID}"), "100"]);
    // The five seconds are the skew that `iat` is set back by.
    eventually("the change to be seen", || (ttl(&claims(&world, "app")) <= 105).then_some(()));
}

#[test]
fn one_signature_serves_until_the_session_changes() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, "", "");
    let first = token(&world);
    assert_eq!(first, token(&world));
    world.redis().set(&format!("sess:{ID}"), r#"{"user":{"id":"someone else"}}"#);
    eventually("the change to be seen", || (claims(&world, "app")["sub"] == "someone else").then_some(()));
}

#[test]
fn an_audience_is_what_the_route_says_and_the_header_what_it_names() {
    let upstream = Upstream::echoing();
    let world = world(&upstream, "header = \"x-internal-token\"", "audience = [\"orders\", \"bills\"]");
    let response = world.ask(&Ask::get("/x").cookie(&format!("sid={ID}")).header("X-Internal-Token", "evil"));
    let token = response.echoed("x-internal-token").unwrap();
    for audience in ["orders", "bills"] {
        verify(&token, &world.gateway.keys(), audience).unwrap();
    }
    assert!(verify(&token, &world.gateway.keys(), "app").is_err());
    assert_eq!(response.echoed("authorization"), None);
}

#[test]
fn a_token_that_no_service_could_take_is_not_sent() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, "max_bytes = \"1KiB\"", "claims = [\"email\"]");
    let record = json!({ "user": { "id": 1, "email": "e".repeat(1024) } });
    world.redis().set(&format!("sess:{ID}"), &record.to_string());
    let response = world.ask(&Ask::get("/x").cookie(&format!("sid={ID}")));
    assert_eq!((response.status, response.refusal()), (500, Some("token-too-large")));
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_bound_token_names_its_request_and_is_made_for_it_alone() {
    let upstream = Upstream::echoing();
    let world = World::with_sessions(&[("s1", "alice")])
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"\nbind_request = true")
        .start();
    let claims = |ask: Ask| {
        let value = world.ask(&ask.cookie("sid=s1")).echoed("authorization").unwrap();
        verify(value.strip_prefix("Bearer ").unwrap(), &world.gateway.keys(), "app").unwrap()
    };
    let first = claims(Ask::get("/a/b%20c?d=e"));
    assert_eq!((&first["htm"], &first["htu"]), (&json!("GET"), &json!("http://gw.test/a/b%20c")));
    let second = claims(Ask::new("POST", "/a/b%20c").body(""));
    assert_eq!(second["htm"], "POST");
    assert_ne!(first["jti"], second["jti"]);
    assert_ne!(claims(Ask::get("/a"))["jti"], claims(Ask::get("/a"))["jti"], "never used twice");
}

#[test]
fn check_says_of_a_route_what_its_tokens_cost_and_who_gets_other_bearers() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("gateway.toml");
    let config = "[sessions.app]\nframework = \"jwt\"\nsecrets = [{ insecure_literal = \"s\" }]\n\
                  [issuers.mobile]\nissuer = \"https://login.test\"\naudience = \"shop\"\n\
                  secret = { insecure_literal = \"0123456789abcdef0123456789abcdef\" }\n\
                  [upstreams]\napp.endpoints = [\"http://127.0.0.1:1\"]\nold.endpoints = [\"http://127.0.0.1:2\"]\n\
                  [[routes]]\npath = \"/*\"\nupstream = \"app\"\nbind_request = true\n\
                  accept = [\"session\", \"bearer\"]\nother_bearers = \"old\"\n";
    std::fs::write(&file, config).unwrap();
    let check = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cloakroom"));
        let output =
            command.arg("check").args(more).arg("--config").arg(&file).current_dir(dir.path()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let told = check(&[]);
    assert!(told.contains("token: for one request each, so one signature each"), "{told}");
    assert!(told.contains("other bearers: to old, judged by nobody here"), "{told}");
    let told: Value = serde_json::from_str(&check(&["--json"])).unwrap();
    let route = &told["routes"][0];
    assert_eq!(
        (&route["bound_to_request"], &route["other_bearers"]),
        (&json!(true), &json!("old")),
        "{told}"
    );
}

//! Logout tokens of issuers (OpenID Connect Back-Channel Logout 1.0).

use crate::support::{Ask, Issuer, Redis, Response, Running, Upstream, World, eventually, now};
use serde_json::{Value, json};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Alice has three sessions of two logins, of which one never came by, and Bob has one.
fn world(upstream: &Upstream, issuer: &Issuer, more: &str) -> World {
    let world = World::new()
        .profile("app", &format!("{}\nattributes.login = \"login\"", crate::support::SESSIONS))
        .table(&format!(
            "[issuers.login]\nissuer = \"https://login.test\"\njwks = \"{}\"\naudience = \"shop\"",
            issuer.url()
        ))
        .table("[state]\n[logout]")
        .table(&format!("[logout.backchannel.login]\naudience = \"shop-web\"\n{more}"))
        .recorded("app", upstream)
        .route(
            "path = \"/*\"\nupstream = \"app\"\naccept = [\"session\", \"bearer\"]\nissuers = [\"login\"]",
        );
    for (id, user, login) in
        [("a1", "alice", "one"), ("a2", "alice", "two"), ("unseen", "alice", "one"), ("b1", "bob", "three")]
    {
        let record = json!({ "user": { "id": user }, "login": login });
        world.redis().set(&format!("sess:{id}"), &record.to_string());
    }
    world
}

fn claims() -> Value {
    let events = json!({ EVENT: {} });
    json!({ "iss": "https://login.test", "aud": "shop-web", "iat": now(), "exp": now() + 120, "jti": "j1", "sub": "alice",
        "events": events })
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut claims = claims();
    for (name, value) in changes {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(*name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn signed(issuer: &Issuer, claims: &Value) -> String {
    issuer.sign(&json!({ "alg": "ES256", "kid": "one", "typ": "logout+jwt" }), claims)
}

fn tell(running: &Running, token: &str) -> Response {
    let ask = Ask::new("POST", "/.cloakroom/backchannel-logout");
    let ask = ask.header("Content-Type", "application/x-www-form-urlencoded");
    running.ask(&ask.body(format!("logout_token={token}")))
}

fn get(running: &Running, id: &str) -> u16 {
    running.ask(&Ask::get("/x").cookie(&format!("sid={id}"))).status
}

fn left(redis: &mut Redis) -> Vec<String> {
    let mut keys: Vec<String> = redis.command(&["KEYS", "sess:*"]);
    keys.sort();
    keys
}

#[test]
fn a_token_that_is_no_logout_token_for_us_ends_nothing() {
    let (upstream, issuer, stranger) = (Upstream::echoing(), Issuer::start(), Issuer::start());
    let mut running = world(&upstream, &issuer, "").start();
    let header = |typ: &str| json!({ "alg": "ES256", "kid": "one", "typ": typ });
    let bad = [
        signed(&stranger, &claims()),
        issuer.sign(&header("at+jwt"), &with(&[("events", Value::Null)])),
        issuer.sign(&header("at+jwt"), &claims()),
        issuer.sign(&header("dpop+jwt"), &claims()),
        issuer.sign(&json!({ "alg": "none" }), &claims()),
        signed(&issuer, &with(&[("events", json!({ "http://schemas.openid.net/event/other": {} }))])),
        signed(&issuer, &with(&[("events", json!({ EVENT: true }))])),
        signed(&issuer, &with(&[("events", json!([EVENT]))])),
        signed(&issuer, &with(&[("nonce", json!("n"))])),
        signed(&issuer, &with(&[("aud", json!("shop"))])),
        signed(&issuer, &with(&[("iss", json!("https://elsewhere.test"))])),
        signed(&issuer, &with(&[("exp", json!(now() - 60))])),
        signed(&issuer, &with(&[("exp", Value::Null)])),
        signed(&issuer, &with(&[("iat", json!(now() + 600))])),
        signed(&issuer, &with(&[("iat", Value::Null)])),
        signed(&issuer, &with(&[("jti", Value::Null)])),
        signed(&issuer, &with(&[("jti", json!(7))])),
        signed(&issuer, &with(&[("sub", Value::Null)])),
        signed(&issuer, &with(&[("sub", json!(""))])),
        signed(&issuer, &with(&[("sub", Value::Null), ("sid", json!("one"))])),
        "garbage".to_owned(),
        String::new(),
    ];
    for token in bad {
        let answer = tell(&running, &token);
        assert_eq!((answer.status, answer.refusal()), (400, Some("invalid-request")), "{token}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let get = running.ask(&Ask::get("/.cloakroom/backchannel-logout"));
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    assert_eq!(running.ask(&Ask::new("POST", "/.cloakroom/backchannel-logout").body("")).status, 400);
    assert_eq!(left(running.redis()).len(), 4);
}

#[test]
fn all_sessions_of_the_user_end_and_nobody_elses() {
    let (upstream, issuer) = (Upstream::echoing(), Issuer::start());
    let mut running = world(&upstream, &issuer, "").start();
    assert_eq!((get(&running, "a1"), get(&running, "a2"), get(&running, "b1")), (200, 200, 200));
    let told = tell(&running, &signed(&issuer, &claims()));
    assert_eq!((told.status, told.header("cache-control")), (200, Some("no-store")), "{}", told.text());
    for id in ["a1", "a2", "unseen"] {
        assert_eq!(get(&running, id), 401, "{id}: at once");
    }
    eventually("the search to end", || (left(running.redis()) == ["sess:b1"]).then_some(()));
    assert_eq!(get(&running, "b1"), 200);
}

#[test]
fn the_same_token_again_does_not_end_what_began_since() {
    let (upstream, issuer) = (Upstream::echoing(), Issuer::start());
    let mut running = world(&upstream, &issuer, "").start();
    let token = signed(&issuer, &claims());
    assert_eq!(tell(&running, &token).status, 200);
    eventually("the search to end", || (left(running.redis()) == ["sess:b1"]).then_some(()));
    running.redis().set("sess:a9", r#"{"user":{"id":"alice"},"login":"four"}"#);
    eventually("a login to count", || (get(&running, "a9") == 200).then_some(()));
    assert_eq!(tell(&running, &token).status, 200, "an issuer that missed our answer asks again");
    assert_eq!(get(&running, "a9"), 200);
    assert_eq!(tell(&running, &signed(&issuer, &with(&[("jti", json!("j2"))]))).status, 200);
    assert_eq!(get(&running, "a9"), 401);
    let own: Vec<Value> = eventually("the lines", || {
        let lines = running.gateway.lines().into_iter();
        let own: Vec<Value> = lines.filter_map(|line| line.get("own").cloned()).collect();
        (own.len() == 3).then_some(own)
    });
    assert_eq!(own, ["ended", "repeated", "ended"]);
}

#[test]
fn a_login_that_is_named_ends_alone_with_and_without_its_user() {
    let (upstream, issuer) = (Upstream::echoing(), Issuer::start());
    let mut running = world(&upstream, &issuer, "sid = \"login\"").start();
    assert_eq!((get(&running, "a1"), get(&running, "a2"), get(&running, "b1")), (200, 200, 200));
    assert_eq!(tell(&running, &signed(&issuer, &with(&[("sid", json!("one"))]))).status, 200);
    assert_eq!((get(&running, "a1"), get(&running, "a2")), (401, 200), "what was noted, at once");
    eventually("the search to end", || (left(running.redis()) == ["sess:a2", "sess:b1"]).then_some(()));
    let of_bob = with(&[("sid", json!("three")), ("jti", json!("j2"))]);
    assert_eq!(tell(&running, &signed(&issuer, &of_bob)).status, 200);
    let nameless = with(&[("sid", json!("two")), ("sub", Value::Null), ("jti", json!("j3"))]);
    assert_eq!(tell(&running, &signed(&issuer, &nameless)).status, 200);
    eventually("the search to end", || (left(running.redis()) == ["sess:b1"]).then_some(()));
    assert_eq!(
        (get(&running, "a2"), get(&running, "b1")),
        (401, 200),
        "another user's login is not alice's to end"
    );
}

#[test]
fn a_logout_token_is_no_bearer() {
    let (upstream, issuer) = (Upstream::echoing(), Issuer::start());
    let running = world(&upstream, &issuer, "").start();
    for typ in ["JWT", "at+jwt", "logout+jwt"] {
        let token = issuer
            .sign(&json!({ "alg": "ES256", "kid": "one", "typ": typ }), &with(&[("aud", json!("shop"))]));
        let asked = running.ask(&Ask::get("/x").header("Authorization", &format!("Bearer {token}")));
        assert_eq!((asked.status, asked.refusal()), (401, Some("bearer-rejected")), "{typ}");
    }
    let token = issuer.token(&with(&[("aud", json!("shop")), ("events", Value::Null)]));
    assert_eq!(running.ask(&Ask::get("/x").header("Authorization", &format!("Bearer {token}"))).status, 200);
}

#[test]
fn while_the_issuers_keys_cannot_be_had_the_token_may_come_again() {
    let (upstream, issuer) = (Upstream::echoing(), Issuer::start());
    issuer.serve("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    let mut running = world(&upstream, &issuer, "").start();
    let answer = tell(&running, &signed(&issuer, &claims()));
    assert_eq!((answer.status, answer.refusal()), (503, Some("issuer-unavailable")));
    assert_eq!(left(running.redis()).len(), 4);
    issuer.serve(&issuer.answer("one"));
    eventually("the keys", || (tell(&running, &signed(&issuer, &claims())).status == 200).then_some(()));
}

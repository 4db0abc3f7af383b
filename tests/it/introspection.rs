//! Bearers that only their issuer can read.

use crate::support::{Ask, Running, Upstream, World, answer_with, now, verify};
use serde_json::{Value, json};
use std::time::Duration;

/// Knows tokens by their names: `good…` is alice's for us, `elsewhere` for another audience, `broken` makes it fail.
fn endpoint() -> Upstream {
    Upstream::playing(|wire| {
        let Some(request) = wire.request() else { return };
        let form = String::from_utf8(request.body.clone()).unwrap();
        let token = form.split(['=', '&']).nth(1).unwrap().to_owned();
        std::thread::sleep(Duration::from_millis(if token.contains("slow") { 300 } else { 0 }));
        let audience = if token == "elsewhere" { "orders" } else { "shop" };
        let answer = match token.as_str() {
            "broken" => json!({ "error": "server_error" }),
            "unsure" => json!({ "active": "true", "sub": "alice" }),
            token if token.starts_with("good") || token == "elsewhere" => {
                json!({ "active": true, "sub": "alice", "aud": audience, "exp": now() + 600, "scope": "read" })
            }
            _ => json!({ "active": false }),
        };
        wire.say(answer_with(&request, answer.to_string().as_bytes()));
        wire.hang_up();
    })
}

fn world(upstream: &Upstream, endpoint: &Upstream) -> Running {
    World::with_sessions(&[("s1", "alice")])
        .workers(2)
        .recorded("app", upstream)
        .environment("PARTNER", "p@ss word")
        .table(&format!(
            "[issuers.partner]\naudience = \"shop\"\nattributes = {{ scope = \"scope\" }}\n\
             introspection = {{ url = \"http://{}/introspect\", client_id = \"us\", client_secret = {{ env = \"PARTNER\" }} }}",
            endpoint.address()
        ))
        .route("path = \"/*\"\nupstream = \"app\"\naccept = [\"session\", \"bearer\"]")
        .start()
}

fn get(token: &str) -> Ask {
    Ask::get("/x").header("Authorization", &format!("Bearer {token}"))
}

fn asked(endpoint: &Upstream, token: &str) -> usize {
    let form = format!("token={token}&");
    let is_it = |request: &&crate::support::Request| request.body.starts_with(form.as_bytes());
    endpoint.requests().iter().filter(is_it).count()
}

#[test]
fn what_the_issuer_does_not_vouch_for_is_401_and_what_it_cannot_be_asked_about_503() {
    let (upstream, endpoint) = (Upstream::echoing(), endpoint());
    let running = world(&upstream, &endpoint);
    for token in ["revoked", "elsewhere", "a.b.c", "..", "x=="] {
        assert_eq!(running.ask(&get(token).cookie("sid=s1")).refusal(), Some("bearer-rejected"), "{token}");
    }
    for token in ["broken", "unsure"] {
        let response = running.ask(&get(token).cookie("sid=s1"));
        assert_eq!((response.status, response.refusal()), (503, Some("issuer-unavailable")), "{token}");
    }
    assert_eq!(running.ask(&get("revoked")).status, 401);
    assert_eq!(asked(&endpoint, "revoked"), 1, "a client that insists costs one question");
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_token_is_asked_about_once_however_many_requests_bring_it() {
    let (upstream, endpoint) = (Upstream::echoing(), endpoint());
    let running = world(&upstream, &endpoint);
    let public = running.gateway.public;
    let ask = || std::thread::spawn(move || get("good-slow").at(public).status);
    let asking: Vec<_> = (0..20).map(|_| ask()).collect();
    assert!(asking.into_iter().all(|asking| asking.join().unwrap() == 200));
    assert_eq!(asked(&endpoint, "good%2Dslow"), 1);
    let request = endpoint.requests()[0].clone();
    assert_eq!(request.method, "POST");
    assert_eq!(request.one("authorization"), Some("Basic dXM6cCU0MHNzJTIwd29yZA=="));
    let response = running.ask(&get("good-slow"));
    let value = response.echoed("authorization").unwrap();
    let claims = verify(value.strip_prefix("Bearer ").unwrap(), &running.gateway.keys(), "app").unwrap();
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("alice"), &json!("partner")));
    let line = running.gateway.line(|line| line["session_from"] == "cache");
    assert_eq!((&line["issuer"], &line["profile"]), (&json!("partner"), &Value::Null));
}

//! A session that is a JWT in its cookie: no store is configured, and none is missed.

use crate::support::{Ask, Gateway, Response, Upstream, verify};
use cloakroom::clock::Clock;
use cloakroom::codec::seal::{Base64, Hash, MacKey};
use serde_json::{Value, json};

const SECRET: &str = "the app's own secret, of more than thirty-two bytes";

fn gateway(upstream: &Upstream, tokens: &str) -> Gateway {
    let config = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nworkers = 1\n[internal]\nlisten = \"127.0.0.1:0\"\n\
         [sessions.app]\nframework = \"jwt\"\nsecrets = [{{ env = \"JWT_SECRET\" }}]\n\
         attributes = {{ roles = \"roles\" }}\n[tokens]\n{tokens}\n\
         [upstreams.app]\nendpoints = [\"http://{}\"]\n[[routes]]\npath = \"/*\"\nupstream = \"app\"\n\
         [[routes]]\npath = \"/guests/*\"\nupstream = \"app\"\naccess = \"session\"\n",
        upstream.address()
    );
    Gateway::start(&config, &[("JWT_SECRET".to_owned(), SECRET.to_owned())])
}

fn now() -> u64 {
    Clock::System.now().as_secs()
}

fn cookie(header: &Value, claims: &Value, secret: &str) -> String {
    let signed = [header, claims].map(|part| Base64::UrlNoPad.encode(part.to_string().as_bytes())).join(".");
    let tag = MacKey::new(Hash::Sha256, secret.as_bytes()).sign(&[signed.as_bytes()]);
    format!("token={signed}.{}", Base64::UrlNoPad.encode(&tag))
}

fn hs256(claims: &Value) -> String {
    cookie(&json!({ "alg": "HS256" }), claims, SECRET)
}

fn token(response: &Response) -> String {
    let value = response.echoed("authorization").unwrap_or_else(|| panic!("{}", response.text()));
    value.strip_prefix("Bearer ").unwrap().to_owned()
}

#[test]
fn what_the_app_did_not_sign_or_has_ended_reaches_nobody() {
    let upstream = Upstream::echoing();
    let gateway = gateway(&upstream, "");
    let claims = json!({ "sub": "42", "exp": now() + 600 });
    let cookies = [
        cookie(&json!({ "alg": "none" }), &claims, SECRET),
        cookie(&json!({ "alg": "HS256" }), &claims, "another secret, of more than thirty-two bytes"),
        cookie(&json!({ "alg": "HS256", "crit": ["x"] }), &claims, SECRET),
        hs256(&json!({ "sub": "42", "exp": now() - 1 })),
        hs256(&json!({ "sub": "42", "exp": now() + 600, "nbf": now() + 300 })),
        hs256(&json!({ "sub": "42" })),
        hs256(&json!({ "exp": now() + 600 })),
        hs256(&claims).trim_end_matches(|last: char| last != '.').to_owned(),
        format!("{}; {}", hs256(&claims), hs256(&json!({ "sub": "43", "exp": now() + 600 }))),
    ];
    for cookie in cookies {
        let response = Ask::get("/x").cookie(&cookie).at(gateway.public);
        assert_eq!(response.status, 401, "{cookie}: {}", response.text());
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_token_of_the_app_becomes_one_of_ours_that_does_not_outlive_it() {
    let upstream = Upstream::echoing();
    let gateway = gateway(&upstream, "ttl = \"1h\"\nclaims = [\"roles\"]");
    let end = now() + 100;
    let cookie = hs256(&json!({ "sub": "42", "roles": ["a"], "exp": end }));
    let response = Ask::get("/x").cookie(&format!("a=1; {cookie}")).at(gateway.public);
    let claims = verify(&token(&response), &gateway.keys(), "app").unwrap();
    assert_eq!(
        (&claims["sub"], &claims["roles"], &claims["client_id"]),
        (&json!("42"), &json!(["a"]), &json!("app"))
    );
    assert_eq!(claims["exp"], json!(end));
    assert_eq!(response.echoed("cookie").as_deref(), Some("a=1"));
}

#[test]
fn one_signature_serves_one_token_and_no_other() {
    let upstream = Upstream::echoing();
    let gateway = gateway(&upstream, "");
    let ask = |sub: &str| {
        let cookie = hs256(&json!({ "sub": sub, "exp": 4_000_000_000_u64 }));
        token(&Ask::get("/x").cookie(&cookie).at(gateway.public))
    };
    let first = ask("1");
    assert_eq!(first, ask("1"));
    assert_ne!(first, ask("2"));
}

#[test]
fn a_token_without_a_user_is_a_guest() {
    let upstream = Upstream::echoing();
    let gateway = gateway(&upstream, "");
    let cookie = hs256(&json!({ "exp": now() + 100 }));
    let response = Ask::get("/guests/x").cookie(&cookie).at(gateway.public);
    let claims = verify(&token(&response), &gateway.keys(), "app").unwrap();
    assert!(claims["sub"].as_str().unwrap().starts_with("guest:"));
}

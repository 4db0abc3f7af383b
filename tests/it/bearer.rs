//! Bearers of other issuers beside the session cookie, with a key set that an endpoint serves.

use crate::support::{Ask, Issuer, Response, Running, Upstream, World, now, verify};
use serde_json::{Value, json};

const SECRET: &str = "a secret that is shared, of more than thirty-two bytes";

/// A gateway whose one route takes both, with a session `s1` of alice, and one more that takes bearers only.
fn world(upstream: &Upstream, issuer: &Issuer, more: &str) -> Running {
    World::with_sessions(&[("s1", "alice")])
        .recorded("app", upstream)
        .environment("SHARED", SECRET)
        .table(&format!(
            "[issuers.mobile]\nissuer = \"https://login.test\"\njwks = \"{}\"\naudience = \"shop\"\n{more}",
            issuer.url()
        ))
        .table("[issuers.shared]\nissuer = \"https://shared.test\"\nsecret = { env = \"SHARED\" }\naudience = \"shop\"")
        .table("[issuers.ours]\njwks = \"own\"\naudience = \"app\"")
        .route("path = \"/*\"\nupstream = \"app\"\naccept = [\"session\", \"bearer\"]\nissuers = [\"mobile\", \"shared\"]")
        .route("path = \"/opt/*\"\nupstream = \"app\"\naccess = \"optional\"\naccept = [\"session\", \"bearer\"]\nissuers = [\"mobile\"]")
        .route("path = \"/m/*\"\nupstream = \"app\"\naccept = [\"bearer\"]\nissuers = [\"ours\"]")
        .start()
}

fn claims() -> Value {
    json!({ "iss": "https://login.test", "aud": "shop", "sub": "alice", "exp": now() + 600, "iat": now() })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn get(target: &str, token: &str) -> Ask {
    Ask::get(target).header("Authorization", &format!("Bearer {token}"))
}

fn internal(running: &Running, response: &Response) -> Value {
    let value = response.echoed("authorization").unwrap_or_else(|| panic!("{}", response.text()));
    verify(value.strip_prefix("Bearer ").unwrap(), &running.gateway.keys(), "app").unwrap()
}

#[test]
fn a_bearer_that_is_wrong_in_any_way_is_401_whatever_the_cookie_says() {
    let (upstream, issuer) = (Upstream::echoing(), Issuer::start());
    let running = world(&upstream, &issuer, "leeway = \"2s\"");
    let other = Issuer::start();
    let public = issuer.public_key();
    let header = |name: &str, value: Value| {
        let mut header = json!({ "alg": "ES256", "kid": "one", "typ": "at+jwt" });
        header[name] = value;
        issuer.sign(&header, &claims())
    };
    let good = issuer.token(&claims());
    let (head, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let bad = [
        issuer.token(&with("iss", json!("https://login.test/"))),
        issuer.token(&without("iss")),
        issuer.token(&with("aud", json!("orders"))),
        issuer.token(&with("aud", json!([]))),
        issuer.token(&without("aud")),
        issuer.token(&without("sub")),
        issuer.token(&with("sub", json!({}))),
        issuer.token(&without("exp")),
        issuer.token(&with("exp", json!(now() - 3))),
        issuer.token(&with("exp", json!((now() + 600).to_string()))),
        issuer.token(&with("exp", json!((now() + 600) * 1000))),
        issuer.token(&with("nbf", json!(now() + 60))),
        issuer.token(&with("iat", json!(now() + 60))),
        other.token(&claims()),
        header("alg", json!("none")),
        header("alg", json!("ES384")),
        header("alg", json!("HS256")),
        header("kid", json!(7)),
        header("kid", json!("../../dev/null")),
        header("typ", json!("logout+jwt")),
        header("crit", json!(["exp"])),
        header("b64", json!(false)),
        header("jku", json!("https://login.test/jwks.json")),
        header("x5u", json!("https://login.test/chain.pem")),
        header("jwk", issuer.jwk()),
        Issuer::hs256(&json!({ "alg": "HS256", "kid": "one" }), &claims(), public.as_bytes()),
        Issuer::hs256(
            &json!({ "alg": "HS256" }),
            &with("iss", json!("https://shared.test")),
            b"another secret",
        ),
        Issuer::hs256(&json!({ "alg": "HS256" }), &claims(), SECRET.as_bytes()),
        format!("{head}.{payload}."),
        format!("{head}.{payload}"),
        format!("{head}.{payload}.{}", "A".repeat(86)),
        format!("{head}.{payload}.{signature}A"),
        format!("{head}.{payload}.{signature}.{signature}.{signature}"),
        "sk_live_opaque".to_owned(),
        "a".repeat(20_000),
        String::new(),
    ];
    for token in bad {
        for target in ["/x", "/opt/x"] {
            let response = running.ask(&get(target, &token).cookie("sid=s1"));
            assert_eq!((response.status, response.refusal()), (401, Some("bearer-rejected")), "{token}");
            let challenge = response.header("www-authenticate").unwrap();
            assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        }
    }
    let twice = get("/x", &good).header("Authorization", &format!("Bearer {good}"));
    assert_eq!(running.ask(&twice).refusal(), Some("bearer-rejected"));
    assert_eq!(upstream.requests().len(), 0);
    assert_eq!(running.ask(&get("/x", &good)).status, 200);
}

#[test]
fn a_bearer_becomes_the_same_internal_token_as_a_cookie_and_does_not_outlive_itself() {
    let (upstream, issuer) = (Upstream::echoing(), Issuer::start());
    let running = world(&upstream, &issuer, "leeway = \"0s\"");
    let end = now() + 10;
    let token = issuer.token(&with("exp", json!(end)));
    let (first, second) = (running.ask(&get("/x", &token)), running.ask(&get("/x", &token)));
    let claims = internal(&running, &first);
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("alice"), &json!("mobile")));
    assert_eq!(claims["exp"], json!(end));
    assert_eq!(first.echoed("authorization"), second.echoed("authorization"), "one signature serves both");
    let by_cookie = internal(&running, &running.ask(&Ask::get("/x").cookie("sid=s1")));
    let names = |claims: &Value| claims.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((names(&by_cookie), &by_cookie["sub"]), (names(&claims), &claims["sub"]));
    let line = running.gateway.line(|line| line["session_from"] == "cache");
    assert_eq!((&line["issuer"], &line["verdict"]), (&json!("mobile"), &json!("verified")));
    assert_eq!(line["profile"], Value::Null);
    let page = running.gateway.internal("/metrics").text();
    assert!(page.contains("cloakroom_bearers_total{issuer=\"mobile\",outcome=\"remembered\"} 1"), "{page}");
}

#[test]
fn a_cookie_of_another_user_beside_it_is_refused_and_the_same_users_is_held_to_csrf() {
    let (upstream, issuer) = (Upstream::echoing(), Issuer::start());
    let running = world(&upstream, &issuer, "");
    let (alice, bob) = (issuer.token(&claims()), issuer.token(&with("sub", json!("bob"))));
    let response = running.ask(&get("/x", &bob).cookie("sid=s1"));
    assert_eq!((response.status, response.refusal()), (401, Some("credentials-disagree")));
    let ask = |token: &str, cookie: &str| {
        let ask = Ask::new("POST", "/x").header("Authorization", &format!("Bearer {token}"));
        ask.header("Sec-Fetch-Site", "cross-site").header("Origin", "https://evil.test").cookie(cookie)
    };
    assert_eq!(running.ask(&ask(&alice, "sid=s1").body("")).refusal(), Some("cross-site"));
    assert_eq!(running.ask(&ask(&alice, "sid=unknown").body("")).refusal(), Some("cross-site"));
    assert_eq!(running.ask(&ask(&alice, "theme=dark").body("")).status, 200);
    assert_eq!(running.ask(&get("/x", &alice).cookie("sid=s1")).status, 200);
    let response = running.ask(&get("/x", &bob).cookie("sid=logged-out"));
    assert_eq!(internal(&running, &response)["sub"], "bob");
}

#[test]
fn before_the_first_key_set_nobody_can_say_and_afterwards_the_last_good_one_stays() {
    let (upstream, issuer) = (Upstream::echoing(), Issuer::start());
    let keys = issuer.serve("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    let running = world(&upstream, &issuer, "");
    let token = issuer.token(&claims());
    let response = running.ask(&get("/x", &token));
    assert_eq!((response.status, response.refusal()), (503, Some("issuer-unavailable")));
    assert!(response.header("retry-after").is_some());
    let cookie = running.ask(&Ask::get("/x").cookie("sid=s1"));
    assert_eq!(cookie.status, 200, "who logged in with a cookie does not need the issuer");
    issuer.serve(&keys);
    crate::support::eventually("the first set", || {
        (running.ask(&get("/x", &token)).status == 200).then_some(())
    });
    for answer in [
        "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"keys\":1",
    ] {
        issuer.serve(answer);
        let unknown = issuer.sign(&json!({ "alg": "ES256", "kid": "new" }), &claims());
        assert_eq!(running.ask(&get("/x", &unknown)).refusal(), Some("issuer-unavailable"), "{answer}");
        let other = issuer.token(&with("jti", json!(answer.len())));
        assert_eq!(running.ask(&get("/x", &other)).status, 200, "{answer}");
    }
}

#[test]
fn a_new_key_is_fetched_when_a_token_names_it_and_a_withdrawn_one_is_forgotten() {
    let (upstream, issuer) = (Upstream::echoing(), Issuer::start());
    let running = world(&upstream, &issuer, "");
    let old = issuer.token(&claims());
    assert_eq!(running.ask(&get("/x", &old)).status, 200);
    let next = Issuer::start();
    issuer.serve(&next.answer("two"));
    let new = next.sign(&json!({ "alg": "ES256", "kid": "two" }), &claims());
    assert_eq!(running.ask(&get("/x", &new)).status, 200);
    let response = running.ask(&get("/x", &old));
    assert_eq!(response.refusal(), Some("bearer-rejected"), "a remembered token counts for its key set only");
}

#[test]
fn made_up_kids_do_not_make_us_hammer_the_issuer() {
    let (upstream, issuer) = (Upstream::echoing(), Issuer::start());
    let running = world(&upstream, &issuer, "");
    for number in 0..50 {
        let token = issuer.sign(&json!({ "alg": "ES256", "kid": format!("no-{number}") }), &claims());
        assert_eq!(running.ask(&get("/x", &token)).refusal(), Some("bearer-rejected"));
    }
    let fetches = issuer.fetches();
    assert!((2..=10).contains(&fetches), "{fetches} fetches");
}

#[test]
fn a_shared_secret_and_our_own_tokens_are_issuers_like_others() {
    let (upstream, issuer) = (Upstream::echoing(), Issuer::start());
    let running = world(&upstream, &issuer, "");
    let shared = Issuer::hs256(
        &json!({ "alg": "HS256" }),
        &with("iss", json!("https://shared.test")),
        SECRET.as_bytes(),
    );
    let response = running.ask(&get("/x", &shared));
    assert_eq!(internal(&running, &response)["client_id"], "shared");
    let own = response.echoed("authorization").unwrap();
    let response = running.ask(&Ask::get("/m/x").header("Authorization", &own).cookie("sid=s1"));
    assert_eq!(internal(&running, &response)["sub"], "alice");
    assert_eq!(running.ask(&get("/m/x", &issuer.token(&claims()))).refusal(), Some("bearer-rejected"));
    assert_eq!(running.ask(&Ask::get("/m/x").cookie("sid=s1")).refusal(), Some("login-required"));
    let basic = running.ask(&Ask::get("/x").header("Authorization", "Basic eDp5").cookie("sid=s1"));
    assert_eq!(internal(&running, &basic)["client_id"], "app", "another scheme is no bearer");
}

#[test]
fn a_bearer_of_nobody_we_know_goes_to_who_does_and_one_that_is_wrong_goes_nowhere() {
    let (upstream, legacy, issuer) = (Upstream::echoing(), Upstream::echoing(), Issuer::start());
    let world = || {
        World::with_sessions(&[("s1", "alice")])
            .recorded("app", &upstream)
            .recorded("legacy", &legacy)
            .table(&format!(
                "[issuers.mobile]\nissuer = \"https://login.test\"\njwks = \"{}\"\naudience = \"shop\"",
                issuer.url()
            ))
            .table("[limits]\nlookups = \"3/min\"")
            .route("path = \"/*\"\nupstream = \"app\"\naccept = [\"session\", \"bearer\"]\nother_bearers = \"legacy\"")
            .start()
    };
    let running = world();
    let header = json!({ "alg": "ES256", "kid": "one", "typ": "at+jwt" });
    let wrong = [
        issuer.sign(&header, &with("exp", json!(now() - 600))),
        issuer.sign(&header, &with("aud", json!("others"))),
        issuer.sign(&json!({ "alg": "ES256", "kid": "two" }), &claims()),
    ];
    for token in &wrong {
        assert_eq!(running.ask(&get("/x", token)).refusal(), Some("bearer-rejected"));
    }
    let malformed = Ask::get("/x").header("Authorization", "Bearer a b");
    assert_eq!(running.ask(&malformed).status, 401);
    assert_eq!((legacy.requests().len(), upstream.requests().len()), (0, 0));
    let foreign = issuer.sign(&header, &with("iss", json!("https://elsewhere.test")));
    // Three wrong ones were all that this address may show in a minute; another's keys do not count.
    let running = world();
    for key in ["sk_live_0123456789", foreign.as_str()] {
        let answer = running.ask(&get("/x", key).cookie("sid=s1; a=b"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.echoed("authorization"), Some(format!("Bearer {key}")));
        assert_eq!(answer.echoed("cookie").as_deref(), Some("a=b"));
        assert_eq!(answer.echoed("cloakroom-verdict"), None);
    }
    assert_eq!((legacy.requests().len(), upstream.requests().len()), (2, 0));
    let own = running.ask(&Ask::get("/x").cookie("sid=s1"));
    assert_eq!((own.status, upstream.requests().len()), (200, 1), "who has a session goes on to the app");
}

//! Services that ask about tokens, and trade them.

use crate::support::{Ask, Redis, Response, Running, Upstream, World, verify};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const SECRET: &str = "orders: a secret/+";
const BILLING: &str = "billing: another secret";
const CLIENTS: &str = "[state]\n[logout]\n[pair]\naudience = \"orders\"\nrefresh = \"body\"\n\
    [clients.orders]\nsecrets = [{ env = \"OLD\" }, { env = \"ORDERS\" }]\nmay_call = [\"billing\"]\n\
    [clients.billing]\nsecrets = [{ env = \"BILLING\" }]\nmay_call = [\"ledger\", \"orders\"]";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

fn world(upstream: &Upstream) -> World {
    World::with_sessions(&[("s1", "alice"), ("s2", "bob")])
        .environment("ORDERS", SECRET)
        .environment("OLD", "an older secret of theirs")
        .environment("BILLING", BILLING)
        .table(CLIENTS)
        .recorded("orders", upstream)
        .route("path = \"/orders/*\"\nupstream = \"orders\"")
        .route("path = \"/pair/*\"\nupstream = \"orders\"\nsubject_type = \"pairwise\"")
        .route("path = \"/reference/*\"\nupstream = \"orders\"\nprofile = \"reference\"")
        .route("path = \"/txn/*\"\nupstream = \"orders\"\nprofile = [\"at+jwt\", \"txn\"]\nscope = \"orders.read\"")
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

fn post(path: &str, client: &str, secret: &str, fields: &[(&str, &str)]) -> Ask {
    let basic = STANDARD.encode(format!("{}:{}", encoded(client), encoded(secret)));
    let form: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    Ask::new("POST", path)
        .header("Authorization", &format!("Basic {basic}"))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form.join("&"))
}

fn introspect(world: &Running, token: &str) -> Value {
    let response = post("/introspect", "orders", SECRET, &[("token", token)]).at(world.gateway.internal);
    assert_eq!(
        (response.status, response.header("cache-control")),
        (200, Some("no-store")),
        "{}",
        response.text()
    );
    response.json()
}

fn exchange(world: &Running, client: &str, token: &str, more: &[(&str, &str)]) -> Response {
    let secret = if client == "orders" { SECRET } else { BILLING };
    let mut fields: Vec<(&str, &str)> =
        vec![("grant_type", EXCHANGE), ("subject_token", token), ("subject_token_type", ACCESS_TOKEN)];
    for (name, value) in more {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    post("/token", client, secret, &fields).at(world.gateway.internal)
}

/// The token that the service gets.
fn token(world: &Running, path: &str, id: &str) -> String {
    let response = world.ask(&Ask::get(path).cookie(&format!("sid={id}")));
    response.echoed("authorization").expect("a token").strip_prefix("Bearer ").unwrap().to_owned()
}

#[test]
fn without_clients_there_is_no_counter_and_a_wrong_secret_opens_none() {
    let upstream = Upstream::echoing();
    let world = World::with_sessions(&[]).start();
    assert_eq!(post("/introspect", "orders", SECRET, &[]).at(world.gateway.internal).status, 404);
    let world = self::world(&upstream).start();
    assert_eq!(Ask::get("/introspect").at(world.gateway.internal).header("allow"), Some("POST"));
    let public = world.ask(&post("/introspect", "orders", SECRET, &[("token", "x")]));
    assert_eq!(public.status, 404);
    for (client, secret) in [("orders", "wrong"), ("nobody", SECRET), ("billing", SECRET), ("", "")] {
        let response = post("/introspect", client, secret, &[("token", "x")]).at(world.gateway.internal);
        assert_eq!(response.status, 401, "{client}");
        assert_eq!(response.json()["error"], "invalid_client");
        assert!(response.header("www-authenticate").unwrap().starts_with("Basic "));
    }
    let old = post("/introspect", "orders", "an older secret of theirs", &[("token", "x")]);
    assert_eq!(old.at(world.gateway.internal).json(), json!({ "active": false }));
    for _ in 0..30 {
        post("/introspect", "billing", "wrong", &[("token", "x")]).at(world.gateway.internal);
    }
    let right = post("/introspect", "billing", BILLING, &[("token", "x")]);
    let right = right.at(world.gateway.internal);
    assert_eq!((right.status, right.header("retry-after")), (429, Some("60")));
    assert_eq!(introspect(&world, "x"), json!({ "active": false }), "others are not held up");
}

#[test]
fn a_token_counts_as_long_as_its_session_lives_and_for_its_audience_alone() {
    let upstream = Upstream::echoing();
    let world = self::world(&upstream).start();
    let given = token(&world, "/orders/x", "s1");
    let said = introspect(&world, &given);
    let claims = verify(&given, &world.gateway.keys(), "orders").unwrap();
    assert_eq!((&said["active"], &said["token_type"]), (&json!(true), &json!("Bearer")));
    for claim in ["iss", "aud", "sub", "exp", "iat", "jti", "client_id", "sid"] {
        assert_eq!(said[claim], claims[claim], "{claim}");
    }
    let other = post("/introspect", "billing", BILLING, &[("token", &given)]);
    assert_eq!(other.at(world.gateway.internal).json(), json!({ "active": false }));
    let mut forged = given.clone().into_bytes();
    let at = given.find('.').unwrap() + 5;
    forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
    for bad in
        [String::from_utf8(forged).unwrap().as_str(), &given[1..], "", "a.b.c", "eyJhbGciOiJub25lIn0.e30."]
    {
        assert_eq!(introspect(&world, bad), json!({ "active": false }), "{bad}");
    }
    let bobs = token(&world, "/orders/x", "s2");
    let left = Ask::new("POST", "/.cloakroom/logout").cookie("sid=s1").body("");
    assert_eq!(world.ask(&left).status, 204);
    assert_eq!(introspect(&world, &given), json!({ "active": false }), "its session is over");
    assert_eq!(introspect(&world, &bobs)["active"], true);
}

/// The app's own logout, and another user under the same id: nobody told the gateway.
#[test]
fn the_store_is_asked_and_not_what_was_known() {
    let upstream = Upstream::echoing();
    let mut world = self::world(&upstream).start();
    let (alices, bobs) = (token(&world, "/orders/x", "s1"), token(&world, "/orders/x", "s2"));
    world.redis().delete("sess:s1");
    world.redis().set("sess:s2", r#"{"user":{"id":"mallory"}}"#);
    for token in [alices, bobs] {
        assert_eq!(introspect(&world, &token), json!({ "active": false }));
    }
}

#[test]
fn pairwise_transaction_and_pair_tokens_count_too() {
    let upstream = Upstream::echoing();
    let mut world = self::world(&upstream).start();
    let pairwise = token(&world, "/pair/x", "s1");
    let said = introspect(&world, &pairwise);
    assert_eq!((&said["active"], said.get("sid")), (&json!(true), None));
    assert_ne!(said["sub"], "alice");
    let both = world.ask(&Ask::get("/txn/x").cookie("sid=s2"));
    let transaction = both.echoed("txn-token").unwrap();
    assert_eq!(
        introspect(&world, &transaction),
        json!({ "active": false }),
        "its audience is the trust domain"
    );
    let pair = world.ask(&Ask::new("POST", "/.cloakroom/token").cookie("sid=s2").body("")).json();
    assert_eq!(introspect(&world, pair["access_token"].as_str().unwrap())["active"], true);
    assert_eq!(introspect(&world, pair["refresh_token"].as_str().unwrap())["active"], false);
    world.redis().delete("sess:s1");
    assert_eq!(introspect(&world, &pairwise)["active"], false);
}

#[test]
fn a_store_that_cannot_be_asked_is_503_and_never_not_active() {
    let upstream = Upstream::echoing();
    let (sessions, mut kept) = (Redis::start(), Redis::start());
    sessions.set("sess:s1", r#"{"user":{"id":"alice"}}"#);
    let world = World::without_redis()
        .profile("app", &format!("{}\nstore = \"app\"", crate::support::SESSIONS))
        .environment("ORDERS", SECRET)
        .table(&format!("[stores.own]\nurl = \"{}\"\ntimeout = \"5s\"\n[state]\nstore = \"own\"", kept.url()))
        .table("[clients.orders]\nsecrets = [{ env = \"ORDERS\" }]")
        .recorded("orders", &upstream)
        .route("path = \"/*\"\nupstream = \"orders\"");
    let gateway = world.start_beside(&sessions);
    let given = Ask::get("/x").cookie("sid=s1").at(gateway.public).echoed("authorization").unwrap();
    let given = given.strip_prefix("Bearer ").unwrap().to_owned();
    let ask = || post("/introspect", "orders", SECRET, &[("token", &given)]).at(gateway.internal);
    assert_eq!(ask().json()["active"], true);
    kept.kill();
    let unsure = ask();
    assert_eq!((unsure.status, &unsure.json()["error"]), (503, &json!("temporarily_unavailable")));
}

#[test]
fn a_service_gets_a_token_for_whom_it_may_call_in_the_users_name() {
    let upstream = Upstream::echoing();
    let world = self::world(&upstream).start();
    let given = token(&world, "/orders/x", "s1");
    let response = exchange(&world, "orders", &given, &[("audience", "billing")]);
    assert_eq!(
        (response.status, response.header("cache-control")),
        (200, Some("no-store")),
        "{}",
        response.text()
    );
    let got = response.json();
    assert_eq!((&got["issued_token_type"], &got["token_type"]), (&json!(ACCESS_TOKEN), &json!("Bearer")));
    let first = got["access_token"].as_str().unwrap();
    let claims = verify(first, &world.gateway.keys(), "billing").unwrap();
    assert_eq!((&claims["sub"], &claims["act"]), (&json!("alice"), &json!({ "sub": "orders" })));
    // On to the next: who acts now is outside, who acted before within.
    let next = exchange(&world, "billing", first, &[("resource", "ledger")]).json();
    let claims = verify(next["access_token"].as_str().unwrap(), &world.gateway.keys(), "ledger").unwrap();
    assert_eq!(claims["act"], json!({ "sub": "billing", "act": { "sub": "orders" } }));
    assert_eq!(claims["sub"], "alice");
}

#[test]
fn an_exchanged_token_ends_with_the_session_and_none_is_had_after_it() {
    let upstream = Upstream::echoing();
    let world = self::world(&upstream);
    world.redis().set_for("sess:s1", r#"{"user":{"id":"alice"}}"#, std::time::Duration::from_secs(20));
    let mut world = world.start();
    let given = token(&world, "/orders/x", "s1");
    let got = exchange(&world, "orders", &given, &[("audience", "billing")]).json();
    assert!(got["expires_in"].as_u64().unwrap() <= 20, "{got}");
    world.redis().delete("sess:s1");
    let over = exchange(&world, "orders", &given, &[("audience", "billing")]);
    assert_eq!((over.status, &over.json()["error"]), (400, &json!("invalid_request")));
    let over = exchange(&world, "billing", got["access_token"].as_str().unwrap(), &[("audience", "ledger")]);
    assert_eq!(over.status, 400);
}

#[test]
fn what_cannot_be_exchanged_is_refused_with_the_codes_of_the_rfcs() {
    let upstream = Upstream::echoing();
    let world = self::world(&upstream).start();
    let given = token(&world, "/orders/x", "s1");
    let refresh_token = "urn:ietf:params:oauth:token-type:refresh_token";
    for (client, more, error) in [
        ("orders", &[("audience", "ledger")][..], "invalid_target"),
        ("orders", &[("audience", "billing"), ("resource", "ledger")], "invalid_target"),
        ("orders", &[], "invalid_request"),
        ("orders", &[("audience", "billing"), ("subject_token", "x")], "invalid_request"),
        ("orders", &[("audience", "billing"), ("subject_token_type", refresh_token)], "invalid_request"),
        ("orders", &[("audience", "billing"), ("requested_token_type", refresh_token)], "invalid_request"),
        ("orders", &[("audience", "billing"), ("actor_token", "x")], "invalid_request"),
        ("orders", &[("audience", "billing"), ("scope", "all")], "invalid_scope"),
        ("orders", &[("audience", "billing"), ("grant_type", "password")], "unsupported_grant_type"),
        // A token for orders is none for billing, whatever billing may call.
        ("billing", &[("audience", "ledger")], "invalid_request"),
    ] {
        let response = exchange(&world, client, &given, more);
        assert_eq!((response.status, &response.json()["error"]), (400, &json!(error)), "{client} {more:?}");
    }
}

#[test]
fn an_exchanged_token_has_no_scope_beyond_the_shown_one() {
    let upstream = Upstream::echoing();
    let world = self::world(&upstream)
        .tokens("scope = \"shop admin\"")
        .route("path = \"/narrow/*\"\nupstream = \"orders\"\nscope = \"orders.read\"")
        .route("path = \"/part/*\"\nupstream = \"orders\"\nscope = \"orders.read shop\"")
        .start();
    let trade = |path: &str, asked: Option<&str>| {
        let mut more = vec![("audience", "billing")];
        more.extend(asked.map(|asked| ("scope", asked)));
        let got = exchange(&world, "orders", &token(&world, path, "s1"), &more).json();
        let Some(text) = got["access_token"].as_str() else {
            return got["error"].as_str().unwrap().to_owned();
        };
        let claims = verify(text, &world.gateway.keys(), "billing").unwrap();
        assert_eq!(got["scope"], claims["scope"], "{path} {asked:?}: it says what it gives");
        claims["scope"].as_str().unwrap().to_owned()
    };
    assert_eq!(trade("/narrow/x", None), "invalid_scope");
    assert_eq!(trade("/narrow/x", Some("orders.read")), "invalid_scope", "not one of billing's");
    assert_eq!(trade("/part/x", None), "shop");
    assert_eq!(trade("/part/x", Some("shop admin")), "invalid_scope");
    assert_eq!(trade("/orders/x", None), "shop admin");
    assert_eq!(trade("/orders/x", Some("admin")), "admin");
}

#[test]
fn what_came_pairwise_stays_pairwise_and_a_guest_stays_outside() {
    let upstream = Upstream::echoing();
    let world = World::with_sessions(&[("s1", "alice")])
        .environment("ORDERS", SECRET)
        .environment("OLD", "an older secret of theirs")
        .environment("BILLING", BILLING)
        .table(&CLIENTS.replace("[\"billing\"]", "[\"billing\", \"hidden\", \"users\", \"hall\"]"))
        .recorded("orders", &upstream)
        .route("path = \"/pair/*\"\nupstream = \"orders\"\nsubject_type = \"pairwise\"")
        .route("path = \"/guests/*\"\nupstream = \"orders\"\naccess = \"session\"")
        .route("path = \"/h/*\"\nupstream = \"orders\"\naudience = \"hidden\"\nsubject_type = \"pairwise\"")
        .route("path = \"/u/*\"\nupstream = \"orders\"\naudience = \"users\"\naccess = \"required\"")
        .route("path = \"/a/*\"\nupstream = \"orders\"\naudience = \"hall\"\naccess = \"required\"")
        .route("path = \"/b/*\"\nupstream = \"orders\"\naudience = \"hall\"\naccess = \"session\"");
    world.redis().set("sess:g", "{}");
    let world = world.start();
    let given = token(&world, "/pair/x", "s1");
    let refused = exchange(&world, "orders", &given, &[("audience", "billing")]);
    assert_eq!((refused.status, &refused.json()["error"]), (400, &json!("invalid_target")));
    assert!(refused.text().contains("pairwise"), "{}", refused.text());
    let traded = exchange(&world, "orders", &given, &[("audience", "hidden")]).json();
    let claims = verify(traded["access_token"].as_str().unwrap(), &world.gateway.keys(), "hidden").unwrap();
    assert!(claims["sub"].is_string() && claims["sub"] != "alice" && claims.get("sid").is_none(), "{claims}");
    let guest = token(&world, "/guests/x", "g");
    let refused = exchange(&world, "orders", &guest, &[("audience", "users")]);
    assert_eq!((refused.status, &refused.json()["error"]), (400, &json!("invalid_target")));
    for audience in ["hall", "billing"] {
        let traded = exchange(&world, "orders", &guest, &[("audience", audience)]).json();
        let claims =
            verify(traded["access_token"].as_str().unwrap(), &world.gateway.keys(), audience).unwrap();
        assert_eq!(claims["anonymous"], true, "{audience}");
    }
}

#[test]
fn a_chain_of_actors_comes_to_an_end() {
    let upstream = Upstream::echoing();
    let world = self::world(&upstream).start();
    let mut given = token(&world, "/orders/x", "s1");
    let mut hops = 0;
    let end = loop {
        let (client, audience) = if hops % 2 == 0 { ("orders", "billing") } else { ("billing", "orders") };
        let response = exchange(&world, client, &given, &[("audience", audience)]);
        if response.status != 200 {
            break response;
        }
        given = response.json()["access_token"].as_str().unwrap().to_owned();
        hops += 1;
    };
    assert_eq!((hops, &end.json()["error"]), (8, &json!("invalid_request")));
}

#[test]
fn a_reference_token_says_nothing_itself_and_all_of_it_to_its_audience() {
    let upstream = Upstream::echoing();
    let mut world = self::world(&upstream).start();
    let reference = token(&world, "/reference/x", "s1");
    assert!(reference.starts_with("cr_") && !reference.contains('.'), "{reference}");
    assert_eq!(token(&world, "/reference/x", "s1"), reference, "made once, used while fresh");
    let said = introspect(&world, &reference);
    assert_eq!(
        (&said["active"], &said["sub"], &said["aud"]),
        (&json!(true), &json!("alice"), &json!("orders"))
    );
    assert!(said["exp"].is_u64() && said["sid"].is_string(), "{said}");
    let others = post("/introspect", "billing", BILLING, &[("token", &reference)]);
    assert_eq!(others.at(world.gateway.internal).json(), json!({ "active": false }));
    assert_eq!(introspect(&world, &reference[..reference.len() - 1])["active"], false);
    let got = exchange(&world, "orders", &reference, &[("audience", "billing")]).json();
    assert!(verify(got["access_token"].as_str().unwrap(), &world.gateway.keys(), "billing").is_ok());
    world.redis().delete("sess:s1");
    assert_eq!(introspect(&world, &reference)["active"], false, "its session is over");
}

#[test]
fn a_token_for_a_service_that_shows_a_certificate_is_bound_to_it() {
    let (upstream, authority) = (Upstream::echoing(), crate::support::Authority::new());
    authority.issue("orders", &["orders.internal"]);
    let more = CLIENTS.replace(
        "may_call = [\"billing\"]",
        &format!("may_call = [\"billing\"]\ncertificate = \"{}\"", authority.path("orders", "pem").display()),
    );
    let world = World::with_sessions(&[("s1", "alice")])
        .environment("ORDERS", SECRET)
        .environment("OLD", "an older secret of theirs")
        .environment("BILLING", BILLING)
        .table(&more)
        .recorded("orders", &upstream)
        .route("path = \"/orders/*\"\nupstream = \"orders\"")
        .start();
    let given = token(&world, "/orders/x", "s1");
    let traded = exchange(&world, "orders", &given, &[("audience", "billing")]).json();
    let claims = verify(traded["access_token"].as_str().unwrap(), &world.gateway.keys(), "billing").unwrap();
    assert_eq!(claims["cnf"]["x5t#S256"].as_str().unwrap().len(), 43);
    let on = exchange(&world, "billing", traded["access_token"].as_str().unwrap(), &[("audience", "ledger")])
        .json();
    let claims = verify(on["access_token"].as_str().unwrap(), &world.gateway.keys(), "ledger").unwrap();
    assert_eq!(claims.get("cnf"), None, "billing shows none");
}

#[test]
fn discovery_names_where_services_ask() {
    let upstream = Upstream::echoing();
    let world = self::world(&upstream).start();
    let discovery = world.gateway.internal("/.well-known/openid-configuration").json();
    let base = format!("http://{}", world.gateway.internal);
    for (name, path) in [("token", "token"), ("introspection", "introspect"), ("revocation", "revoke")] {
        assert_eq!(discovery[format!("{name}_endpoint")], format!("{base}/{path}"));
        assert_eq!(
            discovery[format!("{name}_endpoint_auth_methods_supported")],
            json!(["client_secret_basic"])
        );
    }
    assert_eq!(discovery["grant_types_supported"], json!([EXCHANGE]));
    let alone = World::with_sessions(&[]).start();
    let discovery = alone.gateway.internal("/.well-known/openid-configuration").json();
    assert_eq!(discovery.get("token_endpoint"), None);
}

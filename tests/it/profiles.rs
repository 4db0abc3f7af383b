//! The kinds of token, each against its standard: every MUST that falls to the issuer is a row.

use crate::support::{Ask, Running, SESSIONS, Upstream, World, verify};
use jsonwebtoken::decode_header;
use serde_json::{Value, json};

const ID: &str = "id-for-profiles-5c21";

fn world(upstream: &Upstream, tokens: &str, route: &str) -> Running {
    let attributes = "attributes = { email = \"user.email\", roles = \"user.roles\" }";
    let world = World::new()
        .profile("app", &format!("{SESSIONS}\n{attributes}"))
        // The very second of signing, so that `iat` can be compared.
        .server("skew = \"0s\"\ntrusted_proxies = [\"127.0.0.0/8\"]")
        .tokens(tokens)
        .recorded("app", upstream)
        .route(&format!("path = \"/*\"\nupstream = \"app\"\n{route}"));
    let record = json!({ "user": { "id": 42, "roles": ["a", "b"], "email": "a@b.test" } });
    world.redis().set(&format!("sess:{ID}"), &record.to_string());
    world.start()
}

/// One request as its service got it.
struct Sent {
    request_id: String,
    bearer: Option<String>,
    txn: Option<String>,
    /// The header and claims of the transaction token, if it verifies.
    header: Value,
    claims: Value,
    now: u64,
}

fn send(world: &Running) -> Sent {
    let ask = Ask::get("/x").cookie(&format!("sid={ID}")).header("X-Forwarded-For", "198.51.100.9");
    let response = world.ask(&ask.header("X-Forwarded-Proto", "https").header("Txn-Token", "forged"));
    assert_eq!(response.status, 200, "{}", response.text());
    let txn = response.echoed("txn-token");
    let claims = txn.as_ref().map(|token| verify(token, &world.gateway.keys(), "shop.internal").unwrap());
    Sent {
        request_id: response.echoed("x-request-id").unwrap(),
        bearer: response
            .echoed("authorization")
            .and_then(|value| Some(value.strip_prefix("Bearer ")?.to_owned())),
        header: txn.as_ref().map_or(Value::Null, |token| json!(decode_header(token).unwrap())),
        txn,
        claims: claims.unwrap_or(Value::Null),
        now: cloakroom::clock::Clock::System.now().as_secs(),
    }
}

const TXN: &str = "profile = \"txn\"\nscope = \"orders.read\"\nclaims = [\"email\", \"roles\"]\n\
                   txn = { trust_domain = \"shop.internal\", workload = \"gateway.shop.internal\" }";

/// A sentence of a standard, and what shows that it is kept.
type Row = (&'static str, fn(&Sent) -> bool);

/// draft-ietf-oauth-transaction-tokens as of July 2026: what its MUSTs and REQUIREDs ask of whoever issues and sends the token.
const TXN_MUSTS: [Row; 18] = [
    ("header: `typ` is `txntoken+jwt`", |sent| sent.header["typ"] == "txntoken+jwt"),
    ("header: `kid` names the key, for rotation", |sent| sent.header["kid"].is_string()),
    ("`iat` is there and the time of issuance", |sent| {
        sent.claims["iat"].as_u64().is_some_and(|iat| iat <= sent.now && iat + 60 > sent.now)
    }),
    ("`aud` is the trust domain", |sent| sent.claims["aud"] == "shop.internal"),
    ("`exp` is there, and the life is minutes or less", |sent| {
        let (exp, iat) = (sent.claims["exp"].as_u64().unwrap(), sent.claims["iat"].as_u64().unwrap());
        exp > iat && exp - iat <= 60
    }),
    ("`txn` is a text that names the transaction", |sent| sent.claims["txn"] == sent.request_id.as_str()),
    ("`sub` is a text that names the principal", |sent| sent.claims["sub"] == "42"),
    ("`scope` is there (RFC 8693 §4.2: a text)", |sent| sent.claims["scope"] == "orders.read"),
    ("`req_wl` is a text that names the workload", |sent| sent.claims["req_wl"] == "gateway.shop.internal"),
    ("`tctx` is an object", |sent| {
        sent.claims["tctx"] == json!({ "email": "a@b.test", "roles": ["a", "b"] })
    }),
    ("`rctx` is an object", |sent| sent.claims["rctx"].is_object()),
    ("`rctx` tells of the original request", |sent| {
        sent.claims["rctx"]["req_ip"] == "198.51.100.9" && sent.claims["rctx"]["transport"] == "https"
    }),
    ("it is sent in the Txn-Token header", |sent| sent.txn.is_some()),
    ("that header holds exactly one token", |sent| {
        sent.txn.as_ref().unwrap().split('.').count() == 3 && !sent.txn.as_ref().unwrap().contains([',', ' '])
    }),
    ("a client's own Txn-Token is not what arrives", |sent| !sent.txn.as_ref().unwrap().contains("forged")),
    ("it is no access token: none of the kind's claims", |sent| sent.claims.get("jti").is_none()),
    ("it is not used as one: nothing is in Authorization", |sent| sent.bearer.is_none()),
    ("it does not hold what the client authenticated with", |sent| !sent.claims.to_string().contains(ID)),
];

#[test]
fn a_transaction_token_is_as_the_draft_says() {
    let upstream = Upstream::echoing();
    let world = world(&upstream, TXN, "");
    let sent = send(&world);
    let broken: Vec<&str> =
        TXN_MUSTS.iter().filter(|(_, holds)| !holds(&sent)).map(|(sentence, _)| *sentence).collect();
    assert!(broken.is_empty(), "{broken:#?}\n{}\n{}", sent.header, sent.claims);
}

#[test]
fn every_request_is_a_transaction_of_its_own_and_no_token_is_used_again() {
    let upstream = Upstream::echoing();
    let world = world(&upstream, TXN, "");
    let (one, two) = (send(&world), send(&world));
    assert_ne!(one.claims["txn"], two.claims["txn"]);
    for sent in [&one, &two] {
        let line = world.gateway.line(|line| line["request_id"] == sent.request_id.as_str());
        assert_eq!((&line["txn"], &line["jti"]), (&json!(true), &Value::Null));
        assert_eq!(line["kid"], sent.header["kid"]);
    }
    let metrics = world.gateway.internal("/metrics").text();
    assert!(metrics.contains("cloakroom_token_signatures{profile=\"txn\"} 2\n"), "{metrics}");
}

#[test]
fn a_route_with_both_kinds_sends_both_and_signs_only_one_of_them_again() {
    let upstream = Upstream::echoing();
    let tokens = TXN.replace("\"txn\"\n", "[\"at+jwt\", \"txn\"]\n");
    let world = world(&upstream, &tokens, "");
    let (one, two) = (send(&world), send(&world));
    assert_eq!(one.bearer, two.bearer);
    assert_ne!(one.txn, two.txn);
    let keys = world.gateway.keys();
    let bearer = one.bearer.unwrap();
    assert_eq!(verify(&bearer, &keys, "app").unwrap()["scope"], "orders.read");
    assert!(verify(&bearer, &keys, "shop.internal").is_err());
    assert!(verify(one.txn.as_ref().unwrap(), &keys, "app").is_err());
    let metrics = world.gateway.internal("/metrics").text();
    for line in ["{profile=\"at+jwt\"} 1\n", "{profile=\"txn\"} 2\n"] {
        assert!(metrics.contains(&format!("cloakroom_token_signatures{line}")), "{metrics}");
    }
}

#[test]
fn an_open_route_of_a_gateway_with_transaction_tokens_has_none() {
    let upstream = Upstream::echoing();
    let world = world(&upstream, TXN, "access = \"open\"");
    assert_eq!(send(&world).txn, None);
}

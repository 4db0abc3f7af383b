//! The kinds of token, each against its standard: every MUST that falls to the issuer is a row.

use crate::support::{Ask, Running, SESSIONS, Upstream, World, verify};
use jsonwebtoken::decode_header;
use serde_json::{Value, json};

const ID: &str = "id-for-profiles-5c21";

fn world(upstream: &Upstream, tokens: &str, route: &str) -> Running {
    let attributes = "act = \"staff.id\"\nattributes = { email = \"user.email\", roles = \"user.roles\", \
                      auth_time = \"at\", acr = \"level\", amr = \"by\" }";
    let world = World::new()
        .profile("app", &format!("{SESSIONS}\n{attributes}"))
        // The very second of signing, so that `iat` can be compared.
        .server("skew = \"0s\"\ntrusted_proxies = [\"127.0.0.0/8\"]")
        .tokens(tokens)
        .recorded("app", upstream)
        .route(&format!("path = \"/*\"\nupstream = \"app\"\n{route}"));
    let record = json!({
        "user": { "id": 42, "roles": ["a", "b"], "email": "a@b.test" },
        "at": 1_700_000_000_999_u64,
        "level": "urn:mace:incommon:iap:silver",
        "by": "pwd",
    });
    world.redis().set(&format!("sess:{ID}"), &record.to_string());
    world.start()
}

/// The claims of the access token that a session with this record gets.
fn access_claims(world: &mut Running, id: &str, record: &Value) -> Value {
    world.redis().set(&format!("sess:{id}"), &record.to_string());
    let response = world.ask(&Ask::get("/x").cookie(&format!("sid={id}")));
    let token = response.echoed("authorization").unwrap_or_else(|| panic!("{}", response.text()));
    verify(token.strip_prefix("Bearer ").unwrap(), &world.gateway.keys(), "app").unwrap()
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

/// RFC 9068: what it asks of whoever issues the token.
const ACCESS_MUSTS: [Row; 17] = [
    ("§2.1: it is signed, and not with `none`", |sent| sent.header["alg"] == "ES256"),
    ("§2.1: `typ` is `at+jwt`", |sent| sent.header["typ"] == "at+jwt"),
    ("§2.1: the key is found by `kid`", |sent| sent.header["kid"].is_string()),
    ("§2.2: `iss` is there", |sent| sent.claims["iss"] == "https://gateway.internal"),
    ("§2.2: `exp` is there, a number", |sent| sent.claims["exp"].is_u64()),
    ("§2.2: `aud` is there, and the service alone", |sent| sent.claims["aud"] == "app"),
    ("§2.2: `sub` is there, a text", |sent| sent.claims["sub"] == "42"),
    ("§2.2: `client_id` is there, a text", |sent| sent.claims["client_id"] == "app"),
    ("§2.2: `iat` is there, the time of issuance", |sent| {
        sent.claims["iat"].as_u64().is_some_and(|iat| iat <= sent.now && iat + 60 > sent.now)
    }),
    ("§2.2: `jti` is there, a text", |sent| sent.claims["jti"].is_string()),
    ("§2.2.1: `auth_time` is whole seconds", |sent| sent.claims["auth_time"] == 1_700_000_000),
    ("§2.2.1: `acr` is a text", |sent| sent.claims["acr"] == "urn:mace:incommon:iap:silver"),
    ("§2.2.1: `amr` is a list of texts", |sent| sent.claims["amr"] == json!(["pwd"])),
    ("§2.2.3: `scope` is a text of words", |sent| sent.claims["scope"] == "orders.read"),
    ("§2.2.3.1: `roles` is a list", |sent| sent.claims["roles"] == json!(["a", "b"])),
    ("RFC 6750 §2.1: it travels as Bearer, once", |sent| sent.bearer.is_some() && sent.txn.is_none()),
    ("§6: it does not hold what the client authenticated with", |sent| {
        !sent.claims.to_string().contains(ID)
    }),
];

#[test]
fn an_access_token_is_as_rfc_9068_says() {
    let upstream = Upstream::echoing();
    let claims = "scope = \"orders.read\"\nclaims = [\"roles\", \"auth_time\", \"acr\", \"amr\"]";
    let world = world(&upstream, claims, "");
    let mut sent = send(&world);
    let token = sent.bearer.clone().unwrap();
    sent.claims = verify(&token, &world.gateway.keys(), "app").unwrap();
    sent.header = json!(decode_header(&token).unwrap());
    let broken: Vec<&str> =
        ACCESS_MUSTS.iter().filter(|(_, holds)| !holds(&sent)).map(|(sentence, _)| *sentence).collect();
    assert!(broken.is_empty(), "{broken:#?}\n{}\n{}", sent.header, sent.claims);
}

#[test]
fn who_really_acts_is_in_act_and_who_names_nobody_is_refused() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, "", "");
    let with = |staff: Value| json!({ "user": { "id": 42 }, "staff": staff });
    let claims = access_claims(&mut world, "acting", &with(json!({ "id": 7 })));
    assert_eq!((&claims["sub"], &claims["act"]), (&json!("42"), &json!({ "sub": "7" })));
    for (id, staff) in [("none", Value::Null), ("left", json!({ "id": null })), ("out", json!({ "id": "" }))]
    {
        assert_eq!(access_claims(&mut world, id, &with(staff)).get("act"), None, "{id}");
    }
    for (id, staff) in [("list", json!({ "id": [7] })), ("flag", json!({ "id": true }))] {
        world.redis().set(&format!("sess:{id}"), &with(staff).to_string());
        let response = world.ask(&Ask::get("/x").cookie(&format!("sid={id}")));
        assert_eq!((response.status, response.refusal()), (401, Some("login-required")), "{id}");
    }
}

#[test]
fn with_pairwise_subjects_two_services_have_nothing_to_compare() {
    let upstream = Upstream::echoing();
    let tokens = "subject_type = \"pairwise\"";
    let mut world = world(
        &upstream,
        tokens,
        "audience = \"app\"\n[[routes]]\npath = \"/y\"\nupstream = \"app\"\naudience = \"other\"",
    );
    let record = json!({ "user": { "id": 42 }, "staff": { "id": 7 } });
    let one = access_claims(&mut world, "first", &record);
    assert_eq!(one["sub"], access_claims(&mut world, "second", &record)["sub"], "a user stays the same");
    let response = world.ask(&Ask::get("/y").cookie("sid=first"));
    let token = response.echoed("authorization").unwrap();
    let other = verify(token.strip_prefix("Bearer ").unwrap(), &world.gateway.keys(), "other").unwrap();
    for (name, value) in one.as_object().unwrap() {
        let common = ["iss", "client_id", "iat", "exp"].contains(&name.as_str());
        assert!(common || other.get(name) != Some(value), "`{name}` is the same: {value}");
    }
    assert_eq!((one.get("sid"), one["act"].is_object()), (None, true));
    for claims in [&one, &other] {
        assert_eq!(claims["sub"].as_str().unwrap().len(), 43);
    }
}

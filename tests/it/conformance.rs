//! What the specifications of our tokens demand of who issues them, as tables: each line is named by its section.

use crate::support::{Ask, Running, Upstream, World, now, verify};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A token, taken apart.
struct Token {
    header: Value,
    claims: Value,
    text: String,
}

type Demand<'a> = (&'a str, &'a dyn Fn(&Token) -> bool);

fn token(text: String) -> Token {
    let part = |at: usize| -> Value {
        let part = text.split('.').nth(at).expect("three parts");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
    };
    let (header, claims) = (part(0), part(1));
    Token { header, claims, text }
}

fn world(upstream: &Upstream, algorithm: &str) -> Running {
    World::with_sessions(&[("s1", "alice")])
        .tokens(&format!("algorithm = \"{algorithm}\"\ntxn = {{ trust_domain = \"shop.test\", workload = \"gateway.shop.test\" }}"))
        .recorded("orders", upstream)
        .table("[issuers.own]\njwks = \"own\"\naudience = \"orders\"\ntyp = \"at+jwt\"")
        .route("path = \"/*\"\nupstream = \"orders\"\nprofile = [\"at+jwt\", \"txn\"]\nscope = \"orders.read orders.list\"\naccept = [\"session\", \"bearer\"]")
        .start()
}

fn meets(token: &Token, demands: &[Demand<'_>]) {
    let unmet: Vec<&str> =
        demands.iter().filter(|(_, met)| !met(token)).map(|(section, _)| *section).collect();
    assert!(unmet.is_empty(), "{unmet:#?}\n{}\n{}", token.header, token.claims);
}

fn text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

/// RFC 9068, JWT Profile for OAuth 2.0 Access Tokens.
#[test]
fn access_tokens_are_those_of_rfc_9068() {
    let upstream = Upstream::echoing();
    for algorithm in ["RS256", "ES256"] {
        let world = world(&upstream, algorithm);
        let response = world.ask(&Ask::get("/x").cookie("sid=s1"));
        let value = response.echoed("authorization").unwrap();
        let access = token(value.strip_prefix("Bearer ").unwrap().to_owned());
        let keys = world.gateway.keys();
        let (before, after) = (now() - 30, now() + 300);
        meets(
            &access,
            &[
                ("2.1 MUST be signed", &|token| verify(&token.text, &keys, "orders").is_ok()),
                ("2.1 MUST NOT use none as the signing algorithm", &|token| token.header["alg"] == algorithm),
                ("2.1 MUST include the media type in typ", &|token| token.header["typ"] == "at+jwt"),
                ("2.2 iss REQUIRED", &|token| token.claims["iss"] == "https://gateway.internal"),
                ("2.2 exp REQUIRED", &|token| {
                    (now()..after).contains(&token.claims["exp"].as_u64().unwrap_or(0))
                }),
                ("2.2 aud REQUIRED", &|token| token.claims["aud"] == "orders"),
                ("2.2 sub REQUIRED, of the resource owner", &|token| token.claims["sub"] == "alice"),
                ("2.2 client_id REQUIRED", &|token| text(&token.claims["client_id"])),
                ("2.2 iat REQUIRED", &|token| {
                    (before..after).contains(&token.claims["iat"].as_u64().unwrap_or(0))
                }),
                ("2.2 jti REQUIRED", &|token| text(&token.claims["jti"])),
                ("2.2.3 scope as RFC 8693 4.2 has it", &|token| {
                    token.claims["scope"] == "orders.read orders.list"
                }),
            ],
        );
        let discovery = world.gateway.internal("/.well-known/openid-configuration").json();
        assert_eq!(discovery["issuer"], access.claims["iss"], "4: the metadata's issuer MUST be the token's");
        assert!(text(&discovery["jwks_uri"]), "4: keys are found by the metadata");
        let bearer = |token: &str| {
            world.ask(&Ask::get("/x").header("Authorization", &format!("Bearer {token}"))).status
        };
        assert_eq!(bearer(&access.text), 200);
        let transaction = response.echoed("txn-token").unwrap();
        assert_eq!(bearer(&transaction), 401, "4: any typ but at+jwt MUST be rejected");
        let (signed, _) = access.text.rsplit_once('.').unwrap();
        assert_eq!(bearer(&format!("{signed}.")), 401, "4: an unsigned token MUST be rejected");
    }
}

/// draft-ietf-oauth-transaction-tokens.
#[test]
fn transaction_tokens_are_those_of_the_draft() {
    let upstream = Upstream::echoing();
    let world = world(&upstream, "ES256");
    let ask = || {
        let response = world.ask(&Ask::get("/x").cookie("sid=s1"));
        let id = response.echoed("x-request-id").unwrap();
        (token(response.echoed("txn-token").expect("in the header Txn-Token")), id)
    };
    let ((first, id), (second, _)) = (ask(), ask());
    let keys = world.gateway.keys();
    meets(
        &first,
        &[
            ("5.1 typ MUST be txntoken+jwt", &|token| token.header["typ"] == "txntoken+jwt"),
            ("5.1 MUST be signed, by a key that is named", &|token| {
                text(&token.header["kid"]) && verify(&token.text, &keys, "shop.test").is_ok()
            }),
            ("5.2 iat REQUIRED", &|token| token.claims["iat"].is_u64()),
            ("5.2 aud REQUIRED, the trust domain", &|token| token.claims["aud"] == "shop.test"),
            ("5.2 exp REQUIRED", &|token| token.claims["exp"].as_u64() > Some(now())),
            ("5.2 txn REQUIRED, of this transaction", &|token| token.claims["txn"] == id.as_str()),
            ("5.2 sub REQUIRED", &|token| token.claims["sub"] == "alice"),
            ("5.2 scope REQUIRED, space-delimited", &|token| {
                token.claims["scope"] == "orders.read orders.list"
            }),
            ("5.2 req_wl REQUIRED, who asked for it", &|token| token.claims["req_wl"] == "gateway.shop.test"),
            ("5.2 tctx is a JSON object", &|token| token.claims["tctx"].is_object()),
            ("5.2 rctx is a JSON object", &|token| token.claims["rctx"]["req_ip"] == json!("127.0.0.1")),
            ("8 short-lived, for minutes at most", &|token| {
                token.claims["exp"].as_u64().unwrap_or(u64::MAX) <= now() + 300
            }),
        ],
    );
    assert_ne!(first.claims["txn"], second.claims["txn"], "5.2: txn MUST be unique to the transaction");
}

//! Tokens that are signed with a secret of their audience's, for services that can do nothing else.

use crate::support::{Ask, Issuer, Running, Upstream, World, now};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

const ORDERS: &str = "0123456789abcdef0123456789abcdef-orders";
const OLD: &str = "0123456789abcdef0123456789abcdef-older";
const BILLING: &str = "0123456789abcdef0123456789abcdef-billing";

fn world(upstream: &Upstream) -> Running {
    World::with_sessions(&[("s1", "alice")])
        .environment("ORDERS", ORDERS)
        .environment("OLD", OLD)
        .environment("BILLING", BILLING)
        .tokens("secrets = { orders = [{ env = \"ORDERS\" }, { env = \"OLD\" }], billing = [{ env = \"BILLING\" }] }")
        .table("[state]\n[clients.orders]\nsecrets = [{ env = \"OLD\" }]\nmay_call = [\"billing\"]")
        .recorded("app", upstream)
        .route("path = \"/orders/*\"\nupstream = \"app\"\naudience = \"orders\"\nalgorithm = \"HS256\"")
        .route("path = \"/billing/*\"\nupstream = \"app\"\naudience = \"billing\"\nalgorithm = \"HS256\"")
        .route("path = \"/*\"\nupstream = \"app\"\naudience = \"orders\"")
        .start()
}

fn token(world: &Running, path: &str) -> String {
    let response = world.ask(&Ask::get(path).cookie("sid=s1"));
    let value = response.echoed("authorization").unwrap_or_else(|| panic!("{}", response.text()));
    value.strip_prefix("Bearer ").unwrap().to_owned()
}

fn verified(token: &str, secret: &str, audience: &str) -> Option<Value> {
    let mut rules = Validation::new(Algorithm::HS256);
    rules.set_audience(&[audience]);
    rules.set_issuer(&["https://gateway.internal"]);
    decode::<Value>(token, &DecodingKey::from_secret(secret.as_bytes()), &rules)
        .ok()
        .map(|token| token.claims)
}

fn post(world: &Running, path: &str, form: &str) -> Value {
    let basic = STANDARD.encode(format!("orders:{OLD}"));
    let ask = Ask::new("POST", path).header("Authorization", &format!("Basic {basic}"));
    let ask = ask.header("Content-Type", "application/x-www-form-urlencoded");
    ask.body(form.to_owned()).at(world.gateway.internal).json()
}

#[test]
fn each_audience_has_a_secret_of_its_own_that_is_published_nowhere() {
    let upstream = Upstream::echoing();
    let world = world(&upstream);
    let (orders, billing) = (token(&world, "/orders/x"), token(&world, "/billing/x"));
    let claims = verified(&orders, ORDERS, "orders").expect("a token of the newest secret");
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("alice"), &json!("app")));
    assert!(
        verified(&billing, BILLING, "billing").is_some() && verified(&billing, ORDERS, "billing").is_none()
    );
    assert_eq!(token(&world, "/orders/y"), orders, "one signature serves");
    let header = decode_header(&orders).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let set = world.gateway.internal("/.well-known/jwks.json").text();
    assert!(!set.contains(&header.kid.unwrap()) && !set.contains("HS256") && !set.contains("oct"), "{set}");
    assert_eq!(
        decode_header(token(&world, "/x")).unwrap().alg,
        Algorithm::ES256,
        "only where it is asked for"
    );
}

#[test]
fn whoever_shares_a_secret_can_sign_for_itself_and_for_nobody_else() {
    let upstream = Upstream::echoing();
    let world = world(&upstream);
    let given = token(&world, "/orders/x");
    let claims = verified(&given, ORDERS, "orders").unwrap();
    assert_eq!(post(&world, "/introspect", &format!("token={given}"))["active"], true);
    let kid = |token: &str| decode_header(token).unwrap().kid.unwrap();
    let forge = |kid: &str, secret: &str, aud: Value| {
        let mut claims = claims.clone();
        claims["aud"] = aud;
        claims["exp"] = json!(now() + 20);
        Issuer::hs256(&json!({ "alg": "HS256", "typ": "at+jwt", "kid": kid }), &claims, secret.as_bytes())
    };
    let of_orders = kid(&given);
    let of_billing = kid(&token(&world, "/billing/x"));
    let own = forge(&of_orders, ORDERS, json!("orders"));
    assert_eq!(
        post(&world, "/introspect", &format!("token={own}"))["active"],
        true,
        "that is what sharing means"
    );
    let set = world.gateway.internal("/.well-known/jwks.json").json();
    let public = URL_SAFE_NO_PAD.decode(set["keys"][0]["x"].as_str().unwrap()).unwrap();
    for forged in [
        forge(&of_billing, BILLING, json!("orders")),
        forge(&of_billing, BILLING, json!(["billing", "orders"])),
        forge(&of_orders, ORDERS, json!(["billing", "orders"])),
        forge(&of_orders, BILLING, json!("orders")),
        Issuer::hs256(
            &json!({ "alg": "HS256", "typ": "at+jwt", "kid": set["keys"][0]["kid"] }),
            &claims,
            &public,
        ),
    ] {
        assert_eq!(post(&world, "/introspect", &format!("token={forged}"))["active"], false, "{forged}");
    }
    let exchange = format!(
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={given}\
         &subject_token_type=urn:ietf:params:oauth:token-type:access_token&audience=billing"
    );
    let traded = post(&world, "/token", &exchange);
    let claims =
        verified(traded["access_token"].as_str().unwrap(), BILLING, "billing").expect("billing's secret");
    assert_eq!((&claims["sub"], &claims["act"]["sub"]), (&json!("alice"), &json!("orders")));
}

#[test]
fn check_warns_of_it() {
    let upstream = Upstream::echoing();
    let world = world(&upstream);
    let checked = std::process::Command::new(env!("CARGO_BIN_EXE_cloakroom"))
        .args(["check", "--config"])
        .arg(world.gateway.dir().join("gateway.toml"))
        .envs([("ORDERS", ORDERS), ("OLD", OLD), ("BILLING", BILLING)])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
    assert_eq!(said.matches("signed with HS256").count(), 2, "{said}");
}

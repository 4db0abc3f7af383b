use super::*;
use crate::clock::Clock;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

const ISSUER: &str = "https://gateway.internal";
const SIGNING: &[u8] = include_bytes!("../../../tests/keys/test-p256-pkcs8.pem");

/// A verifier of `orders` that has fetched the gateway's only key and can fetch no more.
fn verifier() -> Verifier {
    let verifier = Verifier::new(([127, 0, 0, 1], 0).into(), ISSUER, "orders");
    let signing = EncodingKey::from_ec_pem(SIGNING).unwrap();
    let mut key = Jwk::from_encoding_key(&signing, Algorithm::ES256).unwrap();
    key.common.key_id = Some("key".into());
    verifier.keys.replace(vec![key]);
    verifier
}

fn header() -> Header {
    Header { typ: Some("at+jwt".into()), kid: Some("key".into()), ..Header::new(Algorithm::ES256) }
}

fn claims() -> Value {
    let now = Clock::System.now().as_secs();
    json!({ "iss": ISSUER, "aud": "orders", "sub": "alice", "exp": now + 30 })
}

/// Whether a token of these claims, signed with the gateway's key, is taken.
fn taken(header: &Header, claims: &Value) -> bool {
    let token = encode(header, claims, &EncodingKey::from_ec_pem(SIGNING).unwrap()).unwrap();
    verify(&token)
}

fn verify(token: &str) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(verifier().verify(token)).is_ok()
}

#[test]
fn a_token_for_somebody_else_or_of_somebody_else_is_not_taken() {
    let past = Clock::System.now().as_secs() - LEEWAY_SECONDS - 10;
    for (claim, value) in [
        ("aud", json!("invoices")),
        ("iss", json!("https://elsewhere.test")),
        ("exp", json!(past)),
        ("exp", json!("9999999999")),
        ("aud", Value::Null),
        ("sub", Value::Null),
    ] {
        let mut claims = claims();
        claims[claim] = value.clone();
        assert!(!taken(&header(), &claims), "{claim} {value}");
    }
}

#[test]
fn a_token_of_another_type_algorithm_or_key_is_not_taken() {
    for header in [
        Header { typ: Some("JWT".into()), ..header() },
        Header { typ: None, ..header() },
        Header { kid: None, ..header() },
        Header { kid: Some("another".into()), ..header() },
    ] {
        assert!(!taken(&header, &claims()), "{header:?}");
    }
    let header = Header { alg: Algorithm::HS256, ..header() };
    let public = EncodingKey::from_secret(include_bytes!("../../../tests/keys/test-p256-public.pem"));
    assert!(!verify(&encode(&header, &claims(), &public).unwrap()));
}

#[test]
fn a_token_for_this_service_is_taken() {
    assert!(taken(&header(), &claims()));
}

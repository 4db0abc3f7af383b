//! Every rule bites: one sound outcome, and what is planted in it is found.

use super::*;
use crate::cases::case::VALID;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;

const RAW: &str = "GET /p HTTP/1.1\r\nHost: gw.test\r\nCookie: sid={VALID}\r\n\r\n";

fn case(expect: &str, raw: &str) -> Case {
    let line = json!({ "id": "planted", "ref": "A1", "proto": "h1", "raw": raw, "expect": expect });
    serde_json::from_value(line).unwrap()
}

fn key() -> EncodingKey {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/test-p256-pkcs8.pem");
    EncodingKey::from_ec_pem(&std::fs::read(file).unwrap()).unwrap()
}

fn keys() -> JwkSet {
    let mut jwk = Jwk::from_encoding_key(&key(), Algorithm::ES256).unwrap();
    jwk.common.key_id = Some("k".into());
    JwkSet { keys: vec![jwk] }
}

fn token(sub: &str) -> String {
    let header = Header { kid: Some("k".into()), ..Header::new(Algorithm::ES256) };
    let claims =
        json!({ "iss": "https://gateway.internal", "aud": "recorder", "sub": sub, "exp": 9_999_999_999_u64 });
    encode(&header, &claims, &key()).unwrap()
}

fn forwarded(fields: &str) -> Vec<u8> {
    format!("GET /p HTTP/1.1\r\nHost: gw.test\r\n{fields}\r\n").into_bytes()
}

fn in_the_name_of(sub: &str) -> String {
    format!("Authorization: Bearer {}\r\nX-Request-Id: 1\r\n", token(sub))
}

fn sound() -> Outcome {
    let answer = Response { status: 200, headers: Vec::new(), body: b"GET /p".to_vec() };
    Outcome {
        place: Place::Required,
        second: false,
        scheme: "http",
        responses: vec![answer],
        upstream: vec![forwarded(&in_the_name_of(VALID.1))],
        lines: vec![json!({ "method": "GET", "path": "/p", "upstream": "recorder", "request_id": "1" })],
        lookups: 1,
        keys: keys(),
    }
}

/// What `judge` says of the sound outcome after `plant`.
fn found(plant: impl FnOnce(&mut Outcome)) -> String {
    let mut outcome = sound();
    plant(&mut outcome);
    judge(&case("forward_clean", RAW), &outcome).join("\n")
}

fn plus(fields: &str) -> Vec<Vec<u8>> {
    vec![forwarded(&(in_the_name_of(VALID.1) + fields))]
}

#[test]
fn a_sound_outcome_breaks_nothing() {
    assert_eq!(found(|_| {}), "");
}

#[test]
fn a_request_that_was_not_logged_is_found() {
    assert!(found(|outcome| outcome.lines.clear()).contains("rule 1: 1 requests at the upstream, 0 logged"));
    let smuggled = |outcome: &mut Outcome| {
        outcome.upstream[0]
            .extend_from_slice(b"GET /admin HTTP/1.1\r\nHost: gw.test\r\nX-Smuggled: 1\r\n\r\n");
    };
    assert!(found(smuggled).contains("the smuggled request arrived"));
}

#[test]
fn a_protected_request_without_a_session_is_found() {
    let outcome = sound();
    let broken = judge(&case("no_unauth", "GET /p HTTP/1.1\r\nHost: gw.test\r\n\r\n"), &outcome);
    assert!(broken.join("\n").contains("without a live session"));
}

#[test]
fn a_token_of_another_user_is_found() {
    assert!(
        found(|outcome| outcome.upstream = vec![forwarded(&in_the_name_of(EVIL.1))]).contains("rule 2: sub")
    );
}

#[test]
fn the_request_before_a_case_is_no_part_of_it_unless_it_took_another_name() {
    let first = |sub: &str| forwarded(&in_the_name_of(sub)).to_vec();
    let with = |sub: &'static str| {
        found(move |outcome| {
            outcome.second = true;
            let text = String::from_utf8(first(sub)).unwrap().replacen("GET /p ", "GET /first ", 1);
            outcome.upstream.insert(0, text.into_bytes());
            outcome.lines.push(json!({ "method": "GET", "path": "/first", "upstream": "recorder" }));
        })
    };
    assert_eq!(with(EVIL.1), "");
    assert!(with(VALID.1).contains("rule 5"));
}

#[test]
fn a_token_that_is_missing_doubled_or_not_ours_is_found() {
    assert!(found(|outcome| outcome.upstream = vec![forwarded("X-Request-Id: 1\r\n")]).contains("rule 2"));
    let doubled = format!("Authorization: Bearer {}\r\n", token(VALID.1));
    assert!(found(|outcome| outcome.upstream = plus(&doubled)).contains("rule 2"));
    let forged = "Authorization: Bearer evil\r\nX-Request-Id: 1\r\n";
    assert!(found(|outcome| outcome.upstream = vec![forwarded(forged)]).contains("not a token of ours"));
}

#[test]
fn a_token_on_an_open_route_is_found() {
    assert!(found(|outcome| outcome.place = Place::Open).contains("Authorization on an open route"));
}

#[test]
fn a_clients_word_under_a_reserved_name_is_found_however_it_is_spelt() {
    for field in [
        "X-Forwarded-For: 10.0.0.1",
        "X_Forwarded_User: admin",
        "Remote.User: admin",
        "X-Forwarded-Host: evil.test",
        "X-Request-Id: evil",
        "Connection: close",
        "Transfer-Encoding: gzip",
        "Cookie: a=b; sid=x",
        "Http2-Settings: x",
        "Expect: 100-continue",
        "X-User-Id: 1",
    ] {
        assert!(
            found(|outcome| outcome.upstream = plus(&format!("{field}\r\n"))).contains("rule"),
            "{field}"
        );
    }
}

#[test]
fn framing_that_is_not_canonical_is_found() {
    for fields in [
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: +0\r\n",
        "X: a\nY: b\r\n",
        " folded\r\n",
    ] {
        assert!(found(|outcome| outcome.upstream = plus(fields)).contains("rule 4"), "{fields}");
    }
    let mut chunked = plus("Transfer-Encoding: chunked\r\n");
    chunked[0].extend_from_slice(b"5;ext=1\r\nhello\r\n0\r\n\r\n");
    assert!(found(|outcome| outcome.upstream = chunked).contains("rule 4"));
    let mut trailer = plus("Transfer-Encoding: chunked\r\n");
    trailer[0].extend_from_slice(b"0\r\nAuthorization: Bearer evil\r\n\r\n");
    assert!(found(|outcome| outcome.upstream = trailer).contains("rule 4"));
}

#[test]
fn another_target_method_or_host_than_was_judged_is_found() {
    for (from, to) in [("GET /p ", "GET /q "), ("GET", "PUT"), ("gw.test", "evil.test")] {
        let replace = |outcome: &mut Outcome| {
            let text = String::from_utf8(outcome.upstream[0].clone()).unwrap().replacen(from, to, 1);
            outcome.upstream[0] = text.into_bytes();
        };
        assert!(found(replace).contains("rule 5"), "{from}");
    }
}

#[test]
fn a_connection_that_goes_on_after_an_error_is_found() {
    let go_on = |outcome: &mut Outcome| {
        let refusal = vec![("cloakroom-refusal".to_owned(), "bad-field".to_owned())];
        let refused = Response { status: 400, headers: refusal, body: Vec::new() };
        let marker =
            Response { status: 200, headers: Vec::new(), body: format!("GET {MARKER}").into_bytes() };
        outcome.responses = vec![refused, marker];
    };
    assert!(found(go_on).contains("rule 6"));
}

#[test]
fn a_public_prefix_that_leads_elsewhere_is_not_open() {
    for path in
        ["/public/../p", "/public/%2e%2e/admin", "/public/..%5cadmin", "/public/..;/admin", "/publicity"]
    {
        assert!(!is_open(Place::Required, path), "{path}");
    }
    assert!(is_open(Place::Required, "/public/a?x=/../b"));
}

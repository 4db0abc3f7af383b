use super::*;
use crate::config::{Access, Algorithm as Ours, RouteId};
use crate::session::VerifiedSession;
use crate::token::fixture::{self, ALGORITHMS};
use serde_json::json;

const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);

/// A token of this algorithm and the set it is verified with.
fn minted(algorithm: Ours) -> (String, String) {
    let ring = fixture::ring(&[algorithm]);
    let set = String::from_utf8(ring.now().jwks().to_vec()).unwrap();
    let minter = fixture::minter(ring, vec![fixture::route("orders", Access::Required)]);
    let session: VerifiedSession<()> = fixture::session(None);
    let token = minter
        .mint(&session, minter.templates_of(RouteId(0)).unwrap().first, &fixture::TRANSACTION, NOW)
        .unwrap();
    (token.expose().to_str().unwrap().to_owned(), set)
}

fn with_header(token: &str, header: &Value) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

fn why(token: &str, set: &str) -> String {
    match inspect(token, Some(set), NOW).unwrap().signature {
        Signature::NotVerified { why } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_member_that_is_there_twice_is_told() {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let (header, claims) =
        (part(r#"{"alg":"none","alg":"ES256"}"#), part(r#"{"sub":"a","x":1,"sub":"b","sub":"c"}"#));
    let found = inspect(&format!("{header}.{claims}.AA"), None, NOW).unwrap();
    assert_eq!(found.repeated, ["header.alg", "claims.sub"]);
    assert_eq!(found.claims["sub"], "c");
}

#[test]
fn what_is_no_token_is_said_to_be_none() {
    let cases = [
        ("", InspectError::NotThreeParts),
        ("a.b", InspectError::NotThreeParts),
        ("a.b.c.d.e", InspectError::Encrypted),
        ("é.e30.", InspectError::PartUnreadable("header")),
        ("e30.W10.", InspectError::PartUnreadable("claims")),
    ];
    for (text, error) in cases {
        assert_eq!(inspect(text, None, NOW), Err(error), "{text}");
    }
    let long = "a".repeat(TOKEN_BYTES_MAX + 1);
    assert_eq!(inspect(&long, None, NOW), Err(InspectError::TooLong { limit: TOKEN_BYTES_MAX }));
    assert_eq!(inspect("e30.e30.", Some("{}"), NOW), Err(InspectError::NoKeySet));
}

#[test]
fn the_algorithm_is_the_keys_and_never_the_tokens() {
    let (token, set) = minted(Ours::RS256);
    let kid = serde_json::from_str::<Value>(&set).unwrap()["keys"][0]["kid"].clone();
    for alg in [json!("none"), json!("HS256"), json!("PS256"), Value::Null] {
        let forged = with_header(&token, &json!({"alg": alg, "kid": kid}));
        assert_eq!(why(&forged, &set), format!("its alg is {alg}, but its key is for RS256 only"));
    }
}

#[test]
fn a_shared_secret_in_a_key_set_verifies_nothing() {
    let (token, _) = minted(Ours::ES256);
    let set = json!({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "x"}]}).to_string();
    let forged = with_header(&token, &json!({"alg": "HS256", "kid": "x"}));
    assert_eq!(why(&forged, &set), "its key in the set is a shared secret");
}

#[test]
fn a_changed_token_and_an_unknown_key_are_not_verified() {
    for algorithm in ALGORITHMS {
        let (token, set) = minted(algorithm);
        let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        parts[1] = URL_SAFE_NO_PAD.encode(r#"{"sub":"admin"}"#);
        assert!(why(&parts.join("."), &set).starts_with("the signature is not one of its key"));
        assert!(why(&token, r#"{"keys":[]}"#).starts_with("no key of the set has its kid"));
    }
}

#[test]
fn a_token_with_critical_extensions_is_not_verified() {
    let (token, set) = minted(Ours::ES256);
    assert!(why(&with_header(&token, &json!({"alg": "ES256", "crit": ["b64"]})), &set).contains("`crit`"));
}

#[test]
fn our_own_tokens_are_verified() {
    for algorithm in ALGORITHMS {
        let (token, set) = minted(algorithm);
        let seen = inspect(&token, Some(&set), NOW).unwrap();
        assert!(matches!(seen.signature, Signature::Verified { kid, .. } if !kid.is_empty()));
        assert_eq!(seen.claims["sub"], "42");
        assert_eq!(seen.header["typ"], "at+jwt");
    }
}

#[test]
fn without_a_key_set_nothing_is_claimed_about_the_signature() {
    let (token, _) = minted(Ours::ES256);
    assert_eq!(inspect(&token, None, NOW).unwrap().signature, Signature::NotChecked);
}

#[test]
fn times_are_told_from_now() {
    let now = NOW.as_secs();
    let cases = [
        (json!(now + 25), "in 25 s"),
        (json!(now), "0 s ago"),
        (json!(now - 182), "3 min 2 s ago"),
        (json!(now + 3660), "in 1 h 1 min"),
        (json!(now + 90_000), "in 1 d 1 h"),
        (json!("9999999999"), "not a number of seconds, so verifiers refuse it: \"9999999999\""),
        (json!(-1), "not a number of seconds, so verifiers refuse it: -1"),
    ];
    for (value, words) in cases {
        assert_eq!(moment(&value, NOW), words);
    }
}

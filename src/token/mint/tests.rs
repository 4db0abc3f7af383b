use super::*;
use crate::config::{Access, Algorithm, TokenProfile};
use crate::token::fixture::{self, ALGORITHMS};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};
use std::time::Duration;

const NOW: UnixMillis = UnixMillis::new(1_800_000_000_999);
const NOW_SECS: u64 = 1_800_000_000;

fn orders() -> Vec<crate::config::Route> {
    vec![fixture::route("orders", Access::Required)]
}

fn mint_with(minter: &Minter, session: &VerifiedSession<()>) -> Result<InternalToken, TokenError> {
    minter.mint(session, minter.templates_of(RouteId(0)).unwrap().first, &fixture::TRANSACTION, NOW)
}

fn compact_of(token: &InternalToken) -> &str {
    let text = token.expose().to_str().unwrap();
    text.strip_prefix("Bearer ").unwrap_or(text)
}

fn claims_text(token: &InternalToken) -> String {
    let payload = compact_of(token).split('.').nth(1).unwrap();
    String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn claims_of(token: &InternalToken) -> Value {
    serde_json::from_str(&claims_text(token)).unwrap()
}

fn claims_for(change: impl FnOnce(&mut crate::config::Route), session: &VerifiedSession<()>) -> Value {
    let mut routes = orders();
    change(&mut routes[0]);
    let minter = fixture::minter(fixture::ring(&[Algorithm::ES256]), routes);
    claims_of(&mint_with(&minter, session).unwrap())
}

#[test]
fn a_session_that_ends_within_this_second_gets_no_token() {
    let minter = fixture::minter(fixture::ring(&[Algorithm::ES256]), orders());
    for left in [0, 1] {
        // NOW ends in .999, so one millisecond on is the next full second.
        let end = NOW.plus(Duration::from_millis(left));
        let minted = mint_with(&minter, &fixture::session(Some(end))).map(|token| token.expires_at());
        let expected = if left == 0 { Err(TokenError::SessionEnding) } else { Ok(end) };
        assert_eq!(minted, expected);
    }
    assert!(mint_with(&minter, &fixture::session(Some(UnixMillis::new(0)))).is_err());
}

#[test]
fn a_token_never_outlives_its_session() {
    let end = UnixMillis::new(NOW.as_millis() + 10_500);
    let claims = claims_for(|_| (), &fixture::session(Some(end)));
    assert_eq!(claims["exp"], end.as_secs());
    assert_eq!(end.as_secs(), NOW_SECS + 11);
    let later = claims_for(|_| (), &fixture::session(Some(NOW.plus(Duration::from_secs(3600)))));
    assert_eq!(later["exp"], NOW_SECS + 30);
}

#[test]
fn a_token_over_the_limit_is_not_signed() {
    let mut config = fixture::config(orders());
    config.tokens.max_bytes = 100;
    let minter = Minter::new(fixture::ring(&[Algorithm::ES256]), Templates::build(&config));
    let error = mint_with(&minter, &fixture::session(None)).unwrap_err();
    assert!(matches!(error, TokenError::TooLarge { bytes, limit: 100 } if bytes > 100));
    assert_eq!(fixture::signatures(&minter), 0);
}

#[test]
fn a_template_of_another_minter_is_refused() {
    let routes = ["a", "b"].map(|audience| fixture::route(audience, Access::Required));
    let other = fixture::minter(fixture::ring(&[Algorithm::ES256]), routes.into());
    let minter = fixture::minter(fixture::ring(&[Algorithm::ES256]), orders());
    let foreign = other.templates_of(RouteId(1)).unwrap().first;
    assert_eq!(
        minter.mint(&fixture::session::<()>(None), foreign, &fixture::TRANSACTION, NOW).unwrap_err(),
        TokenError::UnknownTemplate
    );
}

#[test]
fn nothing_prints_the_token() {
    let minter = fixture::minter(fixture::ring(&[Algorithm::ES256]), orders());
    let token = mint_with(&minter, &fixture::session(None)).unwrap();
    assert_eq!(format!("{token:?} {:?}", token.expose()), "InternalToken Sensitive");
    assert!(token.clone().expose().is_sensitive());
}

#[test]
fn names_and_values_that_look_like_json_stay_text() {
    let hostile = "\"},{\"sub\":\"admin\\";
    let attributes = [(hostile, json!(hostile))];
    let session = fixture::session_of(Some(hostile), &attributes, None);
    let claims = claims_for(
        |route| {
            route.audience = vec![hostile.into()];
            route.token.claims = vec![fixture::located(hostile.into())];
        },
        &session,
    );
    for name in ["sub", "aud", hostile] {
        assert_eq!(claims[name], hostile);
    }
    assert_eq!(claims.as_object().unwrap().len(), 9);
}

#[test]
fn the_claims_are_these_in_this_order() {
    let mut routes = orders();
    let names = ["roles", "absent", "plan", "big", "nothing"];
    routes[0].token.claims = names.map(|name| fixture::located(name.into())).into();
    let attributes = [
        ("big", json!(9_007_199_254_740_993_u64)),
        ("roles", json!(["admin", 7])),
        ("secret", json!("never asked for")),
        ("plan", json!({"name": "free", "seats": 3})),
        ("nothing", Value::Null),
    ];
    let minter = fixture::minter(fixture::ring(&[Algorithm::ES256]), routes);
    let token = mint_with(&minter, &fixture::session_of(Some("42"), &attributes, None)).unwrap();
    let expected = concat!(
        r#"{"iss":"https://gateway.internal","aud":"orders","sub":"42","exp":1800000030,"iat":1799999995,"#,
        r#""jti":"JTI","client_id":"shop","sid":"abcdefghijklmnopqrstuv","roles":["admin",7],"#,
        r#""plan":{"name":"free","seats":3},"big":9007199254740993,"nothing":null}"#,
    );
    assert_eq!(claims_text(&token).replace(token.jti().unwrap(), "JTI"), expected);
}

#[test]
fn several_audiences_are_a_list_and_one_is_text() {
    let claims = claims_for(|route| route.audience.push("billing".into()), &fixture::session(None));
    assert_eq!(claims["aud"], json!(["orders", "billing"]));
    assert_eq!(claims_for(|_| (), &fixture::session(None))["aud"], "orders");
}

#[test]
fn a_guest_is_marked_anonymous_and_a_user_is_not() {
    let guest = claims_for(|_| (), &fixture::session_of(None, &[], None));
    assert_eq!(guest["anonymous"], true);
    assert_eq!(guest["sub"], "guest:abcdefghijklmnopqrstuv");
    assert_eq!(claims_for(|_| (), &fixture::session(None)).get("anonymous"), None);
}

#[test]
fn a_token_id_is_128_random_bits() {
    let minter = fixture::minter(fixture::ring(&[Algorithm::EdDSA]), orders());
    let ids: std::collections::HashSet<String> =
        (0..64).map(|_| mint_with(&minter, &fixture::session(None)).unwrap().jti().unwrap().into()).collect();
    assert_eq!(ids.len(), 64);
    assert!(ids.iter().all(|id| URL_SAFE_NO_PAD.decode(id).unwrap().len() == 16));
}

#[test]
fn the_scheme_goes_into_authorization_only() {
    let minter = fixture::minter(fixture::ring(&[Algorithm::ES256]), orders());
    let token = mint_with(&minter, &fixture::session(None)).unwrap();
    assert_eq!(token.header(), "authorization");
    assert!(token.expose().to_str().unwrap().starts_with("Bearer eyJ"));
    let mut routes = orders();
    routes[0].token.header = HeaderName::from_static("x-internal-token");
    let minter = fixture::minter(fixture::ring(&[Algorithm::ES256]), routes);
    let token = mint_with(&minter, &fixture::session(None)).unwrap();
    assert_eq!(token.header(), "x-internal-token");
    assert!(token.expose().to_str().unwrap().starts_with("eyJ"));
}

#[test]
fn another_implementation_verifies_all_five_algorithms_from_the_published_set() {
    for algorithm in ALGORITHMS {
        for profile in [TokenProfile::AtJwt, TokenProfile::Jwt] {
            let ring = fixture::ring(&[algorithm]);
            let set: JwkSet = serde_json::from_slice(&ring.now().jwks()).unwrap();
            let mut routes = orders();
            routes[0].token.profiles = vec![profile];
            let minter = fixture::minter(ring, routes);
            let token = mint_with(&minter, &fixture::session(None)).unwrap();

            let header = jsonwebtoken::decode_header(compact_of(&token)).unwrap();
            let typ = if profile == TokenProfile::Jwt { "JWT" } else { "at+jwt" };
            assert_eq!(header.typ.as_deref(), Some(typ));
            let kid = header.kid.unwrap();
            assert_eq!(*kid, **token.kid());
            let mut rules = Validation::new(crate::token::key::name(algorithm).parse().unwrap());
            rules.set_audience(&["orders"]);
            rules.set_issuer(&["https://gateway.internal"]);
            rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            let key = DecodingKey::from_jwk(set.find(&kid).unwrap()).unwrap();
            let verified = jsonwebtoken::decode::<Value>(compact_of(&token), &key, &rules).unwrap();
            assert_eq!(verified.claims["sub"], "42");
            rules.set_audience(&["billing"]);
            assert!(jsonwebtoken::decode::<Value>(compact_of(&token), &key, &rules).is_err());
        }
    }
}

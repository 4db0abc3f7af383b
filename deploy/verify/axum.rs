//! Rust with axum and jsonwebtoken. `keys` is the gateway's JWK set, fetched again for an unknown `kid` (at most once a second).

use axum::extract::FromRequestParts;
use axum::http::{StatusCode, header::AUTHORIZATION, request::Parts};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use std::sync::{Arc, RwLock};

#[derive(Clone)]
pub struct Gateway {
    pub keys: Arc<RwLock<JwkSet>>,
}

/// The claims of whoever asks; as an argument of a handler it answers 401 where there are none.
pub struct User(pub Value);

impl FromRequestParts<Gateway> for User {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, StatusCode> {
        let value = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let keys = gateway.keys.read().map_err(|_| StatusCode::UNAUTHORIZED)?;
        value.and_then(|value| user_of(value, &keys)).map(User).ok_or(StatusCode::UNAUTHORIZED)
    }
}

fn user_of(authorization: &str, keys: &JwkSet) -> Option<Value> {
    let (scheme, token) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.len() > 8192 {
        return None;
    }
    let header = decode_header(token).ok()?;
    if header.typ.as_deref() != Some("at+jwt") || header.crit.is_some() {
        return None;
    }
    let key = DecodingKey::from_jwk(keys.find(&header.kid?)?).ok()?;
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_issuer(&["https://gateway.internal"]);
    rules.set_audience(&["orders"]);
    rules.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
    rules.validate_nbf = true;
    rules.leeway = 5;
    decode(token, &key, &rules).ok().map(|token| token.claims)
}

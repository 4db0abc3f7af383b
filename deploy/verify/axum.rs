//! Rust with axum 0.8, jsonwebtoken 11 and ureq 3. JWKS_URL, ISSUER and AUDIENCE as in gateway.toml; PORT to try it with `cloakroom attest`.
#![allow(clippy::disallowed_methods, clippy::indexing_slicing)]

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::{StatusCode, header::AUTHORIZATION, request::Parts};
use axum::routing::get;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use std::env::var;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

#[derive(Clone)]
struct Gateway {
    jwks: Arc<str>,
    rules: Arc<Validation>,
    keys: Arc<Mutex<(JwkSet, Option<Instant>)>>,
}

/// The claims of whoever asks; as an argument of a handler it answers 401 where there are none.
struct User(Value);

impl FromRequestParts<Gateway> for User {
    type Rejection = (StatusCode, [(&'static str, &'static str); 1]);

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Self::Rejection> {
        let value = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let user = gateway.user_of(value.unwrap_or_default()).await;
        user.map(User)
            .ok_or((StatusCode::UNAUTHORIZED, [("www-authenticate", "Bearer error=\"invalid_token\"")]))
    }
}

impl Gateway {
    fn new(jwks: &str, issuer: &str, audience: &str) -> Self {
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_issuer(&[issuer]);
        rules.set_audience(&[audience]);
        rules.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        rules.validate_nbf = true;
        rules.leeway = 5;
        Self {
            jwks: jwks.into(),
            rules: Arc::new(rules),
            keys: Arc::new(Mutex::new((JwkSet { keys: vec![] }, None))),
        }
    }

    async fn user_of(&self, authorization: &str) -> Option<Value> {
        let (scheme, token) = authorization.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") || token.len() > 8192 {
            return None;
        }
        let header = decode_header(token).ok()?;
        // The library looks at neither.
        if header.typ.as_deref() != Some("at+jwt") || header.crit.is_some() {
            return None;
        }
        let key = self.key(&header.kid?).await?;
        let claims = decode::<Value>(token, &key, &self.rules).ok()?.claims;
        // It takes a list of issuers with ours among them.
        claims["iss"].is_string().then_some(claims)
    }

    /// From the set, which is fetched again when it is five minutes old, and for an unknown `kid` once a second at most.
    async fn key(&self, kid: &str) -> Option<DecodingKey> {
        let mut held = self.keys.lock().await;
        let most = Duration::from_secs(if held.0.find(kid).is_some() { 300 } else { 1 });
        if held.1.is_none_or(|at| at.elapsed() > most) {
            held.1 = Some(Instant::now());
            let jwks = Arc::clone(&self.jwks);
            let fetched = tokio::task::spawn_blocking(move || fetch(&jwks)).await;
            if let Ok(Some(set)) = fetched {
                held.0 = set;
            }
        }
        DecodingKey::from_jwk(held.0.find(kid)?).ok()
    }
}

fn fetch(jwks: &str) -> Option<JwkSet> {
    let request = ureq::get(jwks).config().timeout_global(Some(Duration::from_secs(2))).build();
    serde_json::from_str(&request.call().ok()?.body_mut().read_to_string().ok()?).ok()
}

async fn orders(User(claims): User) -> String {
    format!("{}\n", claims["sub"])
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = var("ISSUER").unwrap_or("https://gateway.internal".to_owned());
    let gateway = Gateway::new(&var("JWKS_URL")?, &issuer, &var("AUDIENCE")?);
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{}", var("PORT")?)).await?;
    writeln!(std::io::stdout(), "listening on {}", listener.local_addr()?.port())?;
    axum::serve(listener, Router::new().route("/orders", get(orders)).with_state(gateway)).await?;
    Ok(())
}

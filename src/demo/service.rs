//! A service behind the gateway. It knows nothing of sessions, cookies or Redis: whoever calls has a token.

use crate::demo::answer::{Answer, json, with};
use crate::demo::verifier::{NotTaken, Verifier};
use crate::listen::Handler;
use crate::request::{Conn, ParseError};
use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, WWW_AUTHENTICATE};
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::rc::Rc;

/// The services of the demo, with what each has for its caller.
pub(super) const SERVICES: [(&str, [&str; 2]); 2] = [
    ("orders", ["#1042 · an umbrella · shipped", "#1057 · a coat hanger · on its way"]),
    ("invoices", ["2026-031 · € 19.00 · paid", "2026-044 · € 4.50 · open"]),
];

/// One service.
#[derive(Clone)]
pub(super) struct Service(Rc<Inner>);

struct Inner {
    name: &'static str,
    items: [&'static str; 2],
    verifier: Verifier,
}

impl Service {
    pub(super) fn new(name: &'static str, items: [&'static str; 2], verifier: Verifier) -> Self {
        Self(Rc::new(Inner { name, items, verifier }))
    }

    async fn admit(&self, headers: &HeaderMap) -> Result<Answer, NotTaken> {
        let Some(authorization) = headers.get(AUTHORIZATION) else {
            return Err(NotTaken("no token: come through the gateway".into()));
        };
        let token = authorization.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
        let token = token.ok_or_else(|| NotTaken("not a bearer token".into()))?;
        let found = self.0.verifier.verify(token).await?;
        let claim = |name: &str| found.claims.get(name).cloned().unwrap_or(Value::Null);
        let names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
        let learned = json!({
            "service": self.0.name,
            "sub": claim("sub"),
            "email": claim("email"),
            "roles": claim("roles"),
            "items": self.0.items,
            "token": { "header": found.header, "claims": found.claims },
            "received": {
                "headers": names,
                "cookie": headers.contains_key(COOKIE),
                "authorization": format!("Bearer {}… ({} bytes)", token.get(..12).unwrap_or_default(), token.len()),
            },
        });
        Ok(json(StatusCode::OK, &learned))
    }
}

impl Handler for Service {
    type Body = Full<Bytes>;

    async fn handle(&self, _conn: Conn, request: Result<Request<Incoming>, ParseError>) -> Answer {
        let Ok(request) = request else {
            return json(StatusCode::BAD_REQUEST, &json!({ "error": "malformed request" }));
        };
        match self.admit(request.headers()).await {
            Ok(answer) => answer,
            Err(NotTaken(why)) => {
                let refused =
                    json(StatusCode::UNAUTHORIZED, &json!({ "service": self.0.name, "error": why }));
                with(refused, WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
            }
        }
    }
}

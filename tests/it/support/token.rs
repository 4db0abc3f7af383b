//! Internal tokens, checked the way a service checks them.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};

/// The claims of a token that one of these keys signed for `audience`.
pub(crate) fn verify(token: &str, keys: &JwkSet, audience: &str) -> Result<serde_json::Value, String> {
    let header = decode_header(token).map_err(|error| error.to_string())?;
    let kid = header.kid.ok_or("no kid")?;
    let key = keys.find(&kid).ok_or("a kid that is not published")?;
    let mut rules = Validation::new(header.alg);
    rules.algorithms =
        vec![Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::RS256, Algorithm::PS256]
            .into_iter()
            .filter(|algorithm| *algorithm == header.alg)
            .collect();
    rules.leeway = 0;
    rules.set_audience(&[audience]);
    rules.set_issuer(&["https://gateway.internal"]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let key = DecodingKey::from_jwk(key).map_err(|error| error.to_string())?;
    decode::<serde_json::Value>(token, &key, &rules)
        .map(|token| token.claims)
        .map_err(|error| error.to_string())
}

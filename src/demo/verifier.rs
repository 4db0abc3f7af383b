//! What any service does with a token, with nothing but a JWT library and the address of the gateway's keys.
//!
//! Everything that could be left to a default is said: one algorithm, the issuer, this service's own audience, the type,
//! five seconds of leeway. The library's defaults would take a token a minute after its end, and from any issuer.

use bytes::Bytes;
use http::Request;
use http::header::HOST;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, TokenData, Validation, decode, decode_header};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// The gateway's clock and ours may differ by this.
const LEEWAY_SECONDS: u64 = 5;
/// A token with an unknown key makes us ask for the keys again, but not more often than this: anybody can invent a `kid`.
const REFRESH_MIN: Duration = Duration::from_secs(1);
/// Longest wait for the keys.
const FETCH_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest key set.
const KEYS_BYTES_MAX: usize = 64 * 1024;

/// Checks the tokens that one service gets.
pub(super) struct Verifier {
    /// Where the gateway publishes its keys.
    keys_at: SocketAddr,
    rules: Validation,
    keys: RefCell<Vec<Jwk>>,
    fetched: Cell<Option<Instant>>,
}

/// Why a token is not taken, in words for the answer.
pub(super) struct NotTaken(pub(super) String);

impl Verifier {
    /// For tokens of `issuer` to `audience`.
    pub(super) fn new(keys_at: SocketAddr, issuer: &str, audience: &str) -> Self {
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_issuer(&[issuer]);
        rules.set_audience(&[audience]);
        rules.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        rules.leeway = LEEWAY_SECONDS;
        Self { keys_at, rules, keys: RefCell::default(), fetched: Cell::new(None) }
    }

    /// What a token says, if it is for us.
    ///
    /// # Errors
    /// [`NotTaken`], also when the keys cannot be had: no key, no trust.
    pub(super) async fn verify(&self, token: &str) -> Result<TokenData<Value>, NotTaken> {
        let header = decode_header(token).map_err(|error| NotTaken(error.to_string()))?;
        if header.typ.as_deref() != Some("at+jwt") {
            return Err(NotTaken("not an access token: `typ` is not at+jwt".into()));
        }
        let kid = header.kid.ok_or_else(|| NotTaken("no `kid`".into()))?;
        let key = match self.known(&kid) {
            Some(key) => key,
            None => {
                self.refresh().await?;
                self.known(&kid).ok_or_else(|| NotTaken("no published key has this `kid`".into()))?
            }
        };
        let key = DecodingKey::from_jwk(&key).map_err(|error| NotTaken(error.to_string()))?;
        decode(token, &key, &self.rules).map_err(|error| NotTaken(error.to_string()))
    }

    fn known(&self, kid: &str) -> Option<Jwk> {
        self.keys.borrow().iter().find(|key| key.common.key_id.as_deref() == Some(kid)).cloned()
    }

    async fn refresh(&self) -> Result<(), NotTaken> {
        if self.fetched.get().is_some_and(|last| last.elapsed() < REFRESH_MIN) {
            return Ok(());
        }
        self.fetched.set(Some(Instant::now()));
        let fetched = timeout(FETCH_TIMEOUT, fetch(self.keys_at)).await;
        let keys = fetched.map_err(|_| NotTaken("the gateway's keys take too long to come".into()))?;
        let keys = keys.map_err(|error| NotTaken(format!("the gateway's keys cannot be had: {error}")))?;
        self.keys.replace(keys);
        Ok(())
    }
}

async fn fetch(from: SocketAddr) -> Result<Vec<Jwk>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(from).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get("/.well-known/jwks.json").header(HOST, from.to_string());
    let request = request.body(Empty::<Bytes>::new())?;
    let ask = async move {
        let response = sender.send_request(request).await?;
        Limited::new(response.into_body(), KEYS_BYTES_MAX).collect().await
    };
    // The connection is driven beside the question, and ends when that has dropped its sender.
    let (keys, _) = tokio::join!(ask, connection);
    Ok(serde_json::from_slice::<JwkSet>(&keys?.to_bytes())?.keys)
}

#[cfg(test)]
mod tests;

//! Bearers that only their issuer can read, asked about at its introspection endpoint (RFC 7662).
//!
//! An answer counts for a while (`introspection.hold`), never beyond its `exp`; that while is how long a token that was revoked
//! there is still taken here. What is not active is remembered for a moment, so that a client which insists costs one
//! question. Requests with one token that come together ask once. Only so many questions are on their way at a time:
//! tokens can be made up, and the endpoint is not there to be tried by strangers. Whatever goes wrong on the way says
//! nothing of the token.

use crate::codec::{Value, json};
use crate::config::{ConfigError, Introspection as Endpoint, IssuerId};
use crate::issuer::reject::{BearerError, Unavailable};
use crate::issuer::verifier::CLAIMS;
use crate::telemetry::chain;
use crate::web::{EXCHANGE_MAX, FetchError, Web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Longest answer.
pub(super) const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Questions on their way at a time.
const FLIGHTS_MAX: usize = 128;
/// How long a token that is not active is not asked about again, and how many of these are remembered.
const REFUSED_FOR: Duration = Duration::from_secs(5);
const REFUSED_MAX: u64 = 10_000;

/// An endpoint that is asked.
#[derive(Debug)]
pub(super) struct Introspection {
    issuer: IssuerId,
    name: String,
    web: Web,
    authorization: HeaderValue,
    /// How long an answer counts.
    pub(super) hold: Duration,
    flights: Mutex<HashMap<[u8; 32], watch::Receiver<()>>>,
    refused: moka::sync::Cache<[u8; 32], ()>,
}

/// A question on its way; those who wait for it go on when it ends, however that is.
pub(super) struct Flight<'i> {
    of: &'i Introspection,
    hash: [u8; 32],
    _landed: watch::Sender<()>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.of.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.hash);
    }
}

impl Introspection {
    /// # Errors
    /// An address that cannot be called.
    pub(super) fn new(
        issuer: IssuerId,
        name: &str,
        Endpoint { address, client_id, client_secret, hold }: &Endpoint,
    ) -> Result<Self, ConfigError> {
        // RFC 6749 §2.3.1: both are form-encoded before they are joined.
        let id = utf8_percent_encode(client_id, NON_ALPHANUMERIC);
        let secret = percent_encoding::percent_encode(client_secret.expose(), NON_ALPHANUMERIC);
        let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
        let mut authorization = HeaderValue::try_from(basic).expect("base64 is a valid header value");
        authorization.set_sensitive(true);
        let refused =
            moka::sync::Cache::builder().max_capacity(REFUSED_MAX).time_to_live(REFUSED_FOR).build();
        let web = Web::new(address, &format!("issuers.{name}.introspection.url"))?;
        let name = name.to_owned();
        Ok(Self { issuer, name, web, authorization, hold: *hold, flights: Mutex::default(), refused })
    }

    /// The right to ask about a token; `None`: another request has asked meanwhile, and what it found counts.
    pub(super) async fn board(&self, hash: [u8; 32]) -> Result<Option<Flight<'_>>, BearerError> {
        let mut landing = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            match flights.get(&hash) {
                Some(landing) => landing.clone(),
                None if flights.len() >= FLIGHTS_MAX => return Err(self.unavailable(None)),
                None => {
                    let (landed, landing) = watch::channel(());
                    flights.insert(hash, landing);
                    return Ok(Some(Flight { of: self, hash, _landed: landed }));
                }
            }
        };
        // An error is what is waited for: the sender is gone.
        let _ = tokio::time::timeout(EXCHANGE_MAX, landing.changed()).await;
        Ok(None)
    }

    /// Whether a moment ago it was not active, or not for us.
    pub(super) fn is_refused(&self, hash: &[u8; 32]) -> bool {
        self.refused.contains_key(hash)
    }

    /// Remembers that it is not active, or not for us.
    pub(super) fn refuse(&self, hash: [u8; 32]) {
        self.refused.insert(hash, ());
    }

    /// What the issuer says of a token; `None`: it is not active.
    pub(super) async fn ask(&self, token: &[u8]) -> Result<Option<Bytes>, BearerError> {
        let token = percent_encoding::percent_encode(token, NON_ALPHANUMERIC);
        let form = format!("token={token}&token_type_hint=access_token");
        let answer = self.web.post(&self.authorization, form.into(), ANSWER_BYTES_MAX).await;
        let answer = answer.and_then(|answer| match active(&answer.body) {
            Some(active) => Ok(active.then_some(answer.body)),
            None => Err(FetchError::Unusable("no JSON object with `active`")),
        });
        answer.map_err(|error| {
            tracing::warn!(issuer = %self.name, error = %chain(&error), "a bearer could not be asked about");
            self.unavailable(Some(Arc::new(error)))
        })
    }

    pub(super) const fn unavailable(&self, source: Option<Arc<FetchError>>) -> BearerError {
        BearerError::Unavailable(Unavailable { issuer: self.issuer, source })
    }
}

/// Nothing but `true` is yes, and nothing but `false` is no.
fn active(answer: &[u8]) -> Option<bool> {
    match json::decode(answer, CLAIMS).ok()?.get("active")? {
        Value::Bool(active) => Some(*active),
        _ => None,
    }
}

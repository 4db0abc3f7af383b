//! Whether all gateways of one issuer have one ring.
//!
//! Each says through `[state]` which keys it signs with and which it publishes. A key that one signs with and another does not publish
//! is a token that services refuse, depending on whom they asked for the key set. While a ring changes hands that may be so for a
//! moment; what lasts is told.

use crate::state::State;
use crate::telemetry::Metrics;
use crate::token::keys::KeyRing;
use crate::token::ring::Phase;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How often it is said and heard.
const EVERY: Duration = Duration::from_secs(3);
/// So many times in a row it is no moment any more.
const LASTS: u32 = 3;

/// Looks out for gateways with another ring.
#[derive(Debug)]
pub struct RingWatch {
    keys: Arc<KeyRing>,
    state: State,
    me: String,
    issuer: String,
    split: u32,
}

impl RingWatch {
    /// For this ring; `me` is a name that no other gateway has.
    pub fn new(keys: Arc<KeyRing>, state: State, me: String, issuer: &str) -> Self {
        Self { keys, state, me, issuer: issuer.to_owned(), split: 0 }
    }

    /// Looks out as long as it is polled.
    pub async fn run(mut self, metrics: &Metrics) {
        loop {
            let said = self.said();
            // A store that is away says nothing of the others.
            if let Ok(others) = self.state.announce_ring(&self.me, &said.to_string()).await {
                let others: Vec<Value> =
                    others.iter().filter_map(|text| serde_json::from_slice(text).ok()).collect();
                self.judge(&said, &others, metrics);
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    fn judge(&mut self, said: &Value, others: &[Value], metrics: &Metrics) {
        let ours = others.iter().filter(|other| other.get("issuer") == said.get("issuer"));
        let unknown = ours.flat_map(|other| missing(other, said).chain(missing(said, other)));
        let Some(kid) = unknown.map(str::to_owned).next() else {
            if self.split >= LASTS {
                tracing::info!("all gateways of this issuer have one key ring again");
            }
            self.split = 0;
            metrics.set_key_ring_split(false);
            return;
        };
        self.split = self.split.saturating_add(1);
        if self.split == LASTS {
            metrics.set_key_ring_split(true);
            tracing::error!(
                code = "key-ring-split",
                kid,
                issuer = self.issuer,
                "gateways of one issuer have different key rings, and services will refuse tokens of some; give them one: \
                 `tokens.keys.state`"
            );
        }
    }

    fn said(&self) -> Value {
        let ring = self.keys.now();
        let kids = |wanted: Option<Phase>| -> Vec<String> {
            let keys = ring.phases().filter(|(_, phase)| wanted.is_none_or(|wanted| wanted == *phase));
            keys.map(|(key, _)| key.kid().to_string()).collect()
        };
        json!({ "issuer": self.issuer, "signs": kids(Some(Phase::Signs)), "publishes": kids(None) })
    }
}

/// The keys that one signs with and the other does not publish.
fn missing<'v>(one: &'v Value, other: &'v Value) -> impl Iterator<Item = &'v str> {
    let kids =
        |value: &'v Value, member: &str| value.get(member).and_then(Value::as_array).into_iter().flatten();
    let published: Vec<&str> = kids(other, "publishes").filter_map(Value::as_str).collect();
    kids(one, "signs").filter_map(Value::as_str).filter(move |kid| !published.contains(kid))
}

//! Calls about the key ring.

use crate::admin::problem::Problem;
use crate::clock::UnixMillis;
use crate::telemetry::chain;
use crate::token::{KeyDesk, KeyLine, KeyReport, KeyTrouble, Order, Reader};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// `{}` or `{"now": true}`.
pub(super) async fn rotate(keys: &KeyDesk, body: &Bytes) -> Result<Value, Problem> {
    let malformed = Problem::Malformed { takes: "empty, or {\"now\": true}" };
    let now = if body.is_empty() { Some(false) } else { member(body, "now", Value::as_bool, Some(false)) };
    order(keys, Order::Rotate { now: now.ok_or(malformed)? }).await
}

/// `{"pem": "-----BEGIN PRIVATE KEY-----..."}`
pub(super) async fn import(keys: &KeyDesk, body: &Bytes) -> Result<Value, Problem> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let pem = member(body, "pem", text, None).ok_or(Problem::Malformed { takes: "{\"pem\": \"...\"}" })?;
    order(keys, Order::Import { pem: Zeroizing::new(pem.into_bytes()) }).await
}

/// The keys after an order.
pub(super) async fn order(keys: &KeyDesk, order: Order) -> Result<Value, Problem> {
    match keys.order(order).await {
        Ok(report) => Ok(as_json(&report)),
        Err(trouble) => {
            let status = match &trouble {
                KeyTrouble::Unknown => StatusCode::NOT_FOUND,
                KeyTrouble::NotAKey(_) => StatusCode::BAD_REQUEST,
                KeyTrouble::Signs | KeyTrouble::NotKept => StatusCode::CONFLICT,
                KeyTrouble::Busy
                | KeyTrouble::Files(_)
                | KeyTrouble::NotMade
                | KeyTrouble::NoSigner(_)
                | KeyTrouble::Sealed
                | KeyTrouble::Store(_)
                | KeyTrouble::Unreadable => StatusCode::SERVICE_UNAVAILABLE,
            };
            Err(Problem::Keys { status, detail: chain(&trouble) })
        }
    }
}

/// A member of a JSON object; `absent` where it is left out.
fn member<T>(body: &[u8], name: &str, read: impl Fn(&Value) -> Option<T>, absent: Option<T>) -> Option<T> {
    let value: Value = serde_json::from_slice(body).ok()?;
    value.as_object()?.get(name).map_or(absent, read)
}

fn as_json(report: &KeyReport) -> Value {
    let time = |time: Option<UnixMillis>| time.map(UnixMillis::rfc3339);
    let key = |line: &KeyLine| {
        json!({
            "kid": line.kid,
            "algorithm": line.alg,
            "phase": line.phase.word(),
            "published_at": line.published_at.rfc3339(),
            "signs_from": time(line.signs_from),
            "signs_until": time(line.signs_until),
            "next_at": time(line.next_at),
        })
    };
    // A service knows what was published when it last asked.
    let knows = |reader: &Reader| -> Vec<&str> {
        let known = report.keys.iter().filter(|line| line.published_at <= reader.fetched_at);
        known.map(|line| line.kid.as_str()).collect()
    };
    let reader = |reader: &Reader| {
        json!({
            "client": reader.client.to_string(),
            "agent": reader.agent,
            "fetched_at": reader.fetched_at.rfc3339(),
            "cached_until": reader.fetched_at.max(report.everywhere_at).plus(report.max_age.max(reader.longest)).rfc3339(),
            "knows": knows(reader),
        })
    };
    json!({
        "now": report.now.rfc3339(),
        "max_age_seconds": report.max_age.as_secs(),
        "keys": report.keys.iter().map(key).collect::<Vec<_>>(),
        "readers_of": if report.of_all { "all" } else { "this" },
        "readers": report.readers.iter().map(reader).collect::<Vec<_>>(),
    })
}

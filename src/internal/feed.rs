//! What was ended, for services that hold tokens and cannot wait for their end: a list to be polled, or a stream.
//!
//! A service refuses a token whose `sid` is on the list with a time (`at`) not before the token's `iat`, or whose `jti` is. An entry stays
//! as long as the longest token that was made before it. The time is that of tokens: set back by `skew`, as their `iat` is, so that who logs in
//! again under the same id has tokens that are later. Fingerprints open nothing and lead to nobody, so the list is as public as the key set.

use crate::clock::{Clock, UnixMillis};
use crate::state::{Ended, Endings};
use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::Full;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often a stream looks whether there is something new.
const LOOK: Duration = Duration::from_millis(100);
/// After so many looks in vain it says that it is still there: proxies cut what is silent.
const SILENT_LOOKS: u32 = 150;

/// Where the list is found.
pub(super) const PATH: &str = "/revoked";

/// The list.
#[derive(Clone)]
pub struct Feed {
    /// What was ended.
    pub endings: Arc<Endings>,
    /// The longest life of a token, by anybody's clock.
    pub longest: Duration,
    /// The time.
    pub clock: Clock,
    /// Whether the gateway is about to end, and its streams with it.
    pub draining: Arc<AtomicBool>,
}

/// One of its entries.
struct Entry {
    /// As `iat` has it.
    at: u64,
    kind: &'static str,
    name: String,
}

impl Feed {
    /// The whole list, or that it is still the one which the service has.
    pub(super) fn answer(&self, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let entries = self.after(0);
        let of = |kind: &str, key: &str| -> Value {
            let entries = entries.iter().filter(|entry| entry.kind == kind);
            entries.map(|entry| json!({ key: entry.name, "at": entry.at })).collect()
        };
        let body = json!({
            "keep": self.longest.as_secs(),
            "sessions": of("session", "sid"),
            "tokens": of("token", "jti"),
        });
        let body = Bytes::from(body.to_string());
        let tag = tag(&body);
        let known = headers.get_all(IF_NONE_MATCH).iter().any(|line| {
            let mut tags = line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            tags.any(|known| known == tag.as_bytes() || known == b"*")
        });
        let mut response = Response::new(Full::new(if known { Bytes::new() } else { body }));
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(ETAG, tag);
        response
    }

    /// The list and whatever is added to it, if that is what the service wants.
    pub(super) fn events(&self, headers: &HeaderMap) -> Option<Response<Events>> {
        let wanted = headers.get(ACCEPT)?.to_str().ok()?.to_ascii_lowercase();
        if !wanted.contains("text/event-stream") {
            return None;
        }
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut response = Response::new(Events { feed: self.clone(), seen: 0, looks, silent: SILENT_LOOKS });
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Some(response)
    }

    /// What was learnt after this, and still matters to a token.
    fn after(&self, seq: u64) -> Vec<Entry> {
        let now = self.clock.now();
        let entries = self
            .endings
            .standing(now)
            .into_iter()
            .filter(|(learnt, at, _)| *learnt > seq && UnixMillis::new(*at).plus(self.longest) > now);
        let named = entries.filter_map(|(_, at, ended)| match ended {
            Ended::Session { sid, .. } | Ended::Gone { sid, .. } => {
                Some(Entry { at: self.endings.as_iat(at), kind: "session", name: sid })
            }
            Ended::Token { jti, .. } => Some(Entry { at: self.endings.as_iat(at), kind: "token", name: jti }),
            Ended::User { .. } | Ended::Lifted { .. } | Ended::Skew { .. } => None,
        });
        named.collect()
    }
}

/// The list as server-sent events; it goes on until the service leaves, or the gateway does.
pub struct Events {
    feed: Feed,
    seen: u64,
    looks: Interval,
    silent: u32,
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            ready!(self.looks.poll_tick(cx));
            if self.feed.draining.load(Ordering::Relaxed) {
                return Poll::Ready(None);
            }
            let mut text = String::new();
            let generation = self.feed.endings.generation();
            if generation != self.seen {
                for Entry { at, kind, name } in self.feed.after(self.seen) {
                    let key = if kind == "session" { "sid" } else { "jti" };
                    let data = json!({ key: name, "at": at });
                    text.push_str(&format!("event: {kind}\ndata: {data}\n\n"));
                }
                self.seen = generation;
            }
            self.silent += 1;
            if text.is_empty() && self.silent > SILENT_LOOKS {
                text.push_str(": \n\n");
            }
            if !text.is_empty() {
                self.silent = 0;
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))));
            }
        }
    }
}

fn tag(body: &[u8]) -> HeaderValue {
    use base64::Engine;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body);
    let short = digest.as_ref().get(..16).unwrap_or_default();
    let tag = format!("\"{}\"", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(short));
    HeaderValue::try_from(tag).expect("base64url in quotes is a valid header value")
}

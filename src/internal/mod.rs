//! What services and the cluster ask this gateway: keys, discovery, health, metrics.
//!
//! Job: answer six paths on the `[internal]` listener, as a pure function from a request's head to a response, so
//! that `listen` can serve it and a test can call it. Not the job: knowing whether the gateway is ready or what
//! the metrics are; both are asked through closures, on each request, because they change.
//!
//! Liveness and readiness are different questions. `/live` says that the process answers, and nothing else: a restart
//! would not bring a lost Redis back. `/ready` says that this gateway may be given traffic: configuration, keys and
//! listeners are there and each store was reached once since start. A store that fails later does not take the
//! gateway out of service, since open and bearer routes go on; it shows in `/ready?stores`, for alerts and for people.
//!
//! Threats: nothing here is secret, but the key set is what every service trusts, so it is served as it was made at load,
//! and no header or query of a request changes a byte of it. What takes credentials there is `clients`. The listener belongs on an
//! address that only services can reach, and its default is loopback.

mod feed;

pub use feed::{Events, Feed};

use crate::clock::UnixMillis;
use crate::token::Published;
use crate::upstream::{EndpointHealth, UpstreamHealth};
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use std::net::IpAddr;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
/// What Prometheus asks for first, and what `prometheus-client` writes.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether the gateway may be given traffic, as of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// What it waits for, in words (`store app was not reached yet`, `draining`); empty: ready.
    pub waiting_for: Vec<String>,
    /// Every store, as it is now.
    pub stores: Vec<StoreHealth>,
    /// Every upstream, as it is now.
    pub upstreams: Vec<UpstreamHealth>,
}

/// A store, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreHealth {
    /// Its name in the configuration.
    pub name: String,
    /// Whether it can be asked.
    pub reachable: bool,
    /// What is wrong, or what works less well than configured; no secrets, since anybody may ask.
    pub detail: Option<String>,
    /// Where its primaries are, if sentinels or a Cluster say so.
    pub primaries: Vec<String>,
}

/// Tells the readiness of this moment.
pub type AskReadiness = Box<dyn Fn() -> Readiness + Send + Sync>;
/// Writes the metrics of this moment, as OpenMetrics text.
pub type WriteMetrics = Box<dyn Fn() -> String + Send + Sync>;

/// Answers the requests of services.
pub struct Internal {
    published: Published,
    readiness: AskReadiness,
    metrics: WriteMetrics,
    feed: Option<Feed>,
}

impl Internal {
    /// Serves these documents, and asks these two whenever it is asked.
    pub fn new(published: Published, readiness: AskReadiness, metrics: WriteMetrics) -> Self {
        Self { published, readiness, metrics, feed: None }
    }

    /// The same, and what was ended, where that is kept.
    #[must_use]
    pub fn with_feed(self, feed: Option<Feed>) -> Self {
        Self { feed, ..self }
    }

    /// The answer that goes on, if that is what a request wants.
    pub fn events(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response<Events>> {
        let feed = self.feed.as_ref().filter(|_| method == Method::GET && path == feed::PATH)?;
        feed.events(headers)
    }

    /// The answer to a request for `path`, which may have a query. Infallible, and quick: nothing is waited for.
    pub fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let Some(mut response) = self.find(path, query, method, headers) else {
            return fresh(StatusCode::NOT_FOUND, TEXT, "not found\n".into());
        };
        if method == Method::HEAD {
            let length = response.body().size_hint().exact().unwrap_or_default();
            if response.status() != StatusCode::NOT_MODIFIED {
                response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
            *response.body_mut() = Full::default();
        }
        response
    }

    /// Remembers who fetched the key set.
    pub fn note(&self, path: &str, headers: &HeaderMap, client: IpAddr, now: UnixMillis) {
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        self.published.note(path, headers, client, now);
    }

    fn find(
        &self,
        path: &str,
        query: &str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<Response<Full<Bytes>>> {
        let document = self.published.find(path);
        let feed = self.feed.as_ref().filter(|_| path == feed::PATH);
        if document.is_none() && feed.is_none() && !matches!(path, "/live" | "/ready" | "/metrics") {
            return None;
        }
        if method != Method::GET && method != Method::HEAD {
            let mut response = fresh(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n".into());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Some(response);
        }
        if let Some(feed) = feed {
            return Some(feed.answer(headers));
        }
        Some(match (document, path) {
            (Some(document), _) => document.answer(headers),
            (None, "/live") => fresh(StatusCode::OK, TEXT, "live\n".into()),
            (None, "/metrics") => fresh(StatusCode::OK, METRICS, (self.metrics)()),
            (None, _) => {
                let asks = |name: &str| {
                    let rest = |part: &'_ str| {
                        part.strip_prefix(name).map(|rest| rest.is_empty() || rest.starts_with('='))
                    };
                    query.split('&').any(|part| rest(part) == Some(true))
                };
                ready(&(self.readiness)(), asks("stores"), asks("upstreams"))
            }
        })
    }
}

impl std::fmt::Debug for Internal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Internal").field("published", &self.published).finish_non_exhaustive()
    }
}

/// 200 or 503. With `stores`, a store that cannot be asked makes it 503 too, with `upstreams` one of which no endpoint
/// serves: for alerts, not for load balancers.
fn ready(readiness: &Readiness, stores: bool, upstreams: bool) -> Response<Full<Bytes>> {
    let all_reachable = readiness.stores.iter().all(|store| store.reachable);
    let all_serve =
        readiness.upstreams.iter().all(|upstream| upstream.endpoints.iter().any(|endpoint| endpoint.serves));
    let ready = readiness.waiting_for.is_empty() && (!stores || all_reachable) && (!upstreams || all_serve);
    let mut body = serde_json::json!({ "ready": ready, "waiting_for": readiness.waiting_for });
    if let (true, Some(members)) = (stores, body.as_object_mut()) {
        let each = readiness.stores.iter().map(|store| {
            let mut each =
                serde_json::json!({ "name": store.name, "reachable": store.reachable, "detail": store.detail });
            if let (false, Some(members)) = (store.primaries.is_empty(), each.as_object_mut()) {
                members.insert("primaries".into(), store.primaries.clone().into());
            }
            each
        });
        members.insert("stores".into(), each.collect());
    }
    if let (true, Some(members)) = (upstreams, body.as_object_mut()) {
        let endpoint = |one: &EndpointHealth| serde_json::json!({ "endpoint": one.endpoint, "state": one.state, "detail": one.detail });
        let each = readiness.upstreams.iter().map(|upstream| {
            let endpoints: serde_json::Value = upstream.endpoints.iter().map(endpoint).collect();
            serde_json::json!({ "name": upstream.name, "endpoints": endpoints })
        });
        members.insert("upstreams".into(), each.collect());
    }
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    fresh(status, JSON, format!("{body}\n"))
}

/// An answer that is true now and must not be kept.
fn fresh(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;

use super::*;
use crate::config::{Algorithm, At, KeySource, Located, Rotation, TokenOptions, Tokens, Txn};
use crate::token::KeyRing;
use http::header::{ETAG, IF_NONE_MATCH};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

const PATHS: [&str; 5] =
    [Published::JWKS_PATH, Published::DISCOVERY_PATH, "/live", "/ready?stores", "/metrics"];

fn internal(readiness: Readiness) -> Internal {
    let at = At { file: 0, start: 0, end: 0 };
    let folder = tempfile::tempdir().unwrap();
    let path = PathBuf::from(folder.path());
    let ring = KeyRing::load(&Tokens {
        issuer: "https://gateway.internal".into(),
        jwks_uri: None,
        defaults: TokenOptions::default(),
        algorithm: Located { value: Algorithm::ES256, at },
        more_algorithms: Vec::new(),
        secrets: Vec::new(),
        max_bytes: 4096,
        txn: Txn { trust_domain: "shop".into(), workload: "gateway".into() },
        keys: KeySource::Directory(Located { value: path, at }),
        rotation: Rotation { every: Duration::from_secs(3600), publish: Duration::from_secs(600) },
        publish_jwks: false,
        stand_in: false,
    })
    .unwrap();
    let uri = Published::jwks_uri("127.0.0.1:9900".parse().unwrap());
    let published = Published::new(std::sync::Arc::new(ring), "https://gateway.internal", &uri);
    Internal::new(published, Box::new(move || readiness.clone()), Box::new(|| "# EOF\n".into()))
}

fn get(internal: &Internal, path: &str) -> Response<Full<Bytes>> {
    internal.answer(&Method::GET, path, &HeaderMap::new())
}

fn body(response: Response<Full<Bytes>>) -> Bytes {
    use http_body_util::BodyExt;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(response.into_body().collect()).unwrap().to_bytes()
}

fn json_of(response: Response<Full<Bytes>>) -> Value {
    serde_json::from_slice(&body(response)).unwrap()
}

fn store(reachable: bool) -> Readiness {
    let store = StoreHealth { name: "app".into(), reachable, detail: None, primaries: Vec::new() };
    Readiness { waiting_for: Vec::new(), stores: vec![store], upstreams: Vec::new() }
}

#[test]
fn no_other_path_is_served() {
    let internal = internal(Readiness::default());
    let near = ["/", "", "/live/", "/LIVE", "//live", "/.well-known/", "/ready/stores", "*", "/live#"];
    for path in near {
        assert_eq!(get(&internal, path).status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[test]
fn only_get_and_head_are_answered() {
    let internal = internal(Readiness::default());
    for method in ["POST", "OPTIONS", "DELETE", "get"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        for path in PATHS {
            let response = internal.answer(&method, path, &HeaderMap::new());
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(response.headers()[ALLOW], "GET, HEAD");
        }
    }
}

#[test]
fn head_is_get_without_the_body() {
    let internal = internal(Readiness::default());
    for path in PATHS {
        let head = internal.answer(&Method::HEAD, path, &HeaderMap::new());
        let (get, mut headers) = (get(&internal, path), head.headers().clone());
        assert_eq!(head.status(), get.status());
        let length = headers.remove(CONTENT_LENGTH).unwrap();
        assert_eq!(&headers, get.headers());
        assert_eq!(length, HeaderValue::from(body(get).len()));
        assert!(body(head).is_empty());
    }
}

#[test]
fn only_the_documents_may_be_cached() {
    let internal = internal(Readiness::default());
    for path in PATHS {
        let expected = if path.contains("well-known") { "public, max-age=300" } else { "no-store" };
        assert_eq!(get(&internal, path).headers()[CACHE_CONTROL], expected);
    }
    assert_eq!(get(&internal, "/none").headers()[CACHE_CONTROL], "no-store");
}

#[test]
fn a_service_that_has_the_document_gets_304_without_body() {
    let internal = internal(Readiness::default());
    for path in [Published::JWKS_PATH, Published::DISCOVERY_PATH] {
        let tag = get(&internal, path).headers()[ETAG].clone();
        let headers = HeaderMap::from_iter([(IF_NONE_MATCH, tag.clone())]);
        for method in [Method::GET, Method::HEAD] {
            let response = internal.answer(&method, path, &headers);
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
            assert_eq!(response.headers()[ETAG], tag);
            assert!(!response.headers().contains_key(CONTENT_LENGTH));
            assert!(body(response).is_empty());
        }
    }
}

#[test]
fn discovery_leads_to_the_key_set() {
    let internal = internal(Readiness::default());
    let found = json_of(get(&internal, Published::DISCOVERY_PATH));
    assert_eq!(found["issuer"], "https://gateway.internal");
    assert_eq!(found["jwks_uri"], "http://127.0.0.1:9900/.well-known/jwks.json");
    assert_eq!(found["id_token_signing_alg_values_supported"], json!(["ES256"]));
    let set = json_of(get(&internal, "/.well-known/jwks.json?cache=no"));
    assert_eq!(set["keys"][0]["alg"], "ES256");
}

#[test]
fn a_gateway_that_waits_is_alive_but_not_ready() {
    let waiting = Readiness { waiting_for: vec!["draining".into()], ..store(true) };
    let internal = internal(waiting);
    assert_eq!(get(&internal, "/live").status(), StatusCode::OK);
    let response = get(&internal, "/ready");
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(json_of(response), json!({"ready": false, "waiting_for": ["draining"]}));
}

#[test]
fn a_lost_store_shows_only_to_those_who_ask_for_stores() {
    let lost = internal(store(false));
    assert_eq!(get(&lost, "/ready").status(), StatusCode::OK);
    let response = get(&lost, "/ready?stores");
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(json_of(response)["stores"][0], json!({"name": "app", "reachable": false, "detail": null}));
    assert_eq!(get(&internal(store(true)), "/ready?verbose&stores=1").status(), StatusCode::OK);
}

#[test]
fn metrics_are_those_of_the_moment() {
    let response = get(&internal(Readiness::default()), "/metrics");
    assert_eq!(response.headers()[CONTENT_TYPE], METRICS);
    assert_eq!(body(response), "# EOF\n");
}

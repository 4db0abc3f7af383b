use super::*;
use crate::config::from_text;
use std::path::Path;

const WORLD: &str = r#"
[stores.app]
url = "redis://127.0.0.1:1"
[sessions.web]
framework = "json"
cookie = "sid"
[tokens]
scope = "shop"
txn = { trust_domain = "shop.internal", workload = "gw.shop.internal" }
[upstreams]
orders.endpoints = ["http://127.0.0.1:1"]
[[routes]]
path = "/orders/*"
upstream = "orders"
[[routes]]
path = "/more/orders/*"
upstream = "orders"
[[routes]]
path = "/ed/*"
upstream = "orders"
audience = ["ed", "both"]
algorithm = "EdDSA"
[[routes]]
path = "/own/*"
host = "shop.test"
upstream = "orders"
audience = "both"
profile = ["jwt", "txn"]
header = "x-tok"
[[routes]]
path = "/open/*"
upstream = "orders"
audience = "nobody"
access = "open"
header = "x-open"
"#;

fn said(audience: &str, route: Option<&str>) -> String {
    let (config, _) = from_text("gateway.toml", WORLD, Path::new("."), &|_| None).expect("a configuration");
    match expected(&config, audience, route) {
        Ok(expected) => expected.to_string(),
        Err(why) => format!("no: {why}"),
    }
}

#[test]
fn routes_that_differ_are_not_guessed_among() {
    let both = said("both", None);
    assert!(both.starts_with("no: tokens for `both` differ; say which with --route\n"), "{both}");
    assert!(both.contains("\n  /ed/*: EdDSA at+jwt in authorization, scope \"shop\""), "{both}");
    assert!(both.contains("\n  shop.test/own/*: ES256 JWT in x-tok"), "{both}");
    assert_eq!(said("both", Some("/ed/*")), "EdDSA at+jwt in authorization, scope \"shop\"");
    assert_eq!(said("both", Some("shop.test/own/*")), "ES256 JWT in x-tok, scope \"shop\"");
    assert!(said("both", Some("/x/*")).contains("such routes: `/ed/*`, `shop.test/own/*`"));
    assert!(said("nobody", Some("/open/*")).starts_with("no: route `/open/*` has no token"));
}

#[test]
fn routes_that_are_alike_are_one_and_an_audience_of_none_is_as_the_defaults_say() {
    for audience in ["orders", "nobody", "elsewhere"] {
        assert_eq!(said(audience, None), "ES256 at+jwt in authorization, scope \"shop\"", "{audience}");
    }
    assert_eq!(said("shop.internal", None), "ES256 txntoken+jwt in txn-token, scope \"shop\"");
}

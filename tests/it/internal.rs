//! What services and the cluster ask.

use crate::support::{Ask, Client, Redis, Upstream, World, eventually};

#[test]
fn a_gateway_is_live_at_once_ready_when_its_store_was_reached_and_stays_so() {
    let mut redis = Redis::start();
    redis.kill();
    let gateway = World::without_redis().profile("app", crate::support::SESSIONS).start_beside(&redis);
    assert_eq!(gateway.internal("/live").status, 200);
    let waiting = gateway.internal("/ready");
    assert_eq!(waiting.status, 503);
    assert!(waiting.json()["waiting_for"][0].as_str().unwrap().contains("app"), "{}", waiting.text());
    redis.start_again();
    eventually("readiness", || (gateway.internal("/ready").status == 200).then_some(()));
    redis.kill();
    eventually("the loss to be seen", || (gateway.internal("/ready?stores").status == 503).then_some(()));
    assert_eq!(gateway.internal("/ready").status, 200, "open routes go on");
}

#[test]
fn discovery_leads_to_the_keys_and_both_can_be_asked_again_cheaply() {
    let world = World::new().start();
    let discovery = world.gateway.internal("/.well-known/openid-configuration").json();
    assert_eq!(discovery["issuer"], "https://gateway.internal");
    assert_eq!(discovery["jwks_uri"], world.gateway.jwks_url());
    // The key that stands by is published a moment after the start.
    let keys = eventually("a set with two keys", || {
        let keys = world.gateway.internal("/.well-known/jwks.json");
        (keys.json()["keys"].as_array().unwrap().len() == 2).then_some(keys)
    });
    assert!(keys.header("cache-control").is_some());
    let tag = keys.header("etag").unwrap();
    let again = Ask::get("/.well-known/jwks.json").header("If-None-Match", tag).at(world.gateway.internal);
    assert_eq!((again.status, again.body.len()), (304, 0));
    for key in keys.json()["keys"].as_array().unwrap() {
        assert_eq!(key.get("d"), None, "a private part");
        assert!(key["kid"].is_string() && key["alg"].is_string());
    }
}

#[test]
fn the_public_port_publishes_keys_only_when_told_to() {
    let upstream = Upstream::echoing();
    let world = World::new().start();
    assert_eq!(world.get("/.well-known/jwks.json").status, 404);
    assert_eq!(world.get("/metrics").status, 404);
    let world = World::with_sessions(&[]).tokens("publish_jwks = true").recorded("app", &upstream);
    let world = world.route("path = \"/*\"\nupstream = \"app\"").start();
    // A key that stands by may be published between the two.
    eventually("the same set", || {
        let public = world.get("/.well-known/jwks.json").body;
        (public == world.gateway.internal("/.well-known/jwks.json").body).then_some(())
    });
}

#[test]
fn metrics_count_what_was_decided() {
    let upstream = Upstream::echoing();
    let world = World::with_sessions(&[("s1", "alice")])
        .recorded("app", &upstream)
        .route("path = \"/api/*\"\nupstream = \"app\"")
        .start();
    let mut open = Client::connect(world.gateway.public);
    for cookie in ["sid=s1", "sid=s1", "sid=unknown", "a=b"] {
        open.ask(&Ask::get("/api/x").cookie(cookie));
    }
    let page = world.gateway.internal("/metrics");
    assert!(page.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let text = page.text();
    assert!(text.ends_with("# EOF\n"));
    let value = |start: &str, with: &str| {
        let line = text.lines().find(|line| line.starts_with(start) && line.contains(with));
        line.unwrap_or_else(|| panic!("no `{start}` with `{with}` in\n{text}"))
            .rsplit(' ')
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(value("cloakroom_refusals_total", "login-required"), "2");
    assert_eq!(value("cloakroom_session_rejects_total", "unknown-session"), "1");
    assert_eq!(value("cloakroom_requests_total", "credential=\"token\""), "2");
    assert_eq!(value("cloakroom_token_signatures", ""), "1", "one signature served both");
    // Both gauges stood at 0: one was never set, the other counted only what the cache had got round to.
    assert_eq!(value("cloakroom_connections ", ""), "1");
    assert_eq!(value("cloakroom_sessions_held ", ""), "1");
}

#[test]
fn the_internal_listener_takes_no_changes_and_knows_no_other_page() {
    let world = World::new().start();
    assert_eq!(world.gateway.internal("/").status, 404);
    let post = Ask::new("POST", "/metrics").body("x").at(world.gateway.internal);
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
}

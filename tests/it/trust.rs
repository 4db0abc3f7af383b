//! Whose word about the client is believed.

use crate::support::{Ask, Running, Upstream, World};

fn world(upstream: &Upstream, server: &str) -> Running {
    World::new()
        .server(server)
        .recorded("app", upstream)
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start()
}

fn through_a_proxy() -> Ask {
    Ask::get("/x")
        .header("X-Forwarded-For", "203.0.113.7, 198.51.100.2")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "evil.test")
        .header("X-Real-IP", "203.0.113.7")
        .header("X-Request-Id", "the-clients-own")
}

#[test]
fn nobody_is_believed_by_default_and_it_is_said_once() {
    let upstream = Upstream::echoing();
    let world = world(&upstream, "");
    for _ in 0..3 {
        let seen = world.ask(&through_a_proxy());
        assert_eq!(seen.echoed("x-forwarded-for").as_deref(), Some("127.0.0.1"));
        assert_eq!(seen.echoed("x-forwarded-proto").as_deref(), Some("http"));
        assert_eq!(seen.echoed("x-forwarded-host").as_deref(), Some("gw.test"));
        assert_eq!(seen.echoed("x-real-ip"), None);
        assert!(!seen.text().contains("the-clients-own") && !seen.text().contains("evil"), "{}", seen.text());
    }
    let line = world.gateway.line(|line| line["path"] == "/x");
    assert_eq!(
        (&line["client"], &line["client_request_id"]),
        (&"127.0.0.1".into(), &"the-clients-own".into())
    );
    assert_eq!(world.gateway.process.err.text().matches("trusted_proxies").count(), 1);
}

#[test]
fn a_trusted_proxy_is_believed_about_the_client_but_not_about_the_host() {
    let upstream = Upstream::echoing();
    let world = world(&upstream, "trusted_proxies = [\"127.0.0.0/8\", \"198.51.100.0/24\"]");
    let seen = world.ask(&through_a_proxy());
    assert_eq!(seen.echoed("x-forwarded-proto").as_deref(), Some("https"));
    assert!(seen.echoed("x-forwarded-for").unwrap().contains("203.0.113.7"));
    assert_eq!(world.gateway.line(|line| line["path"] == "/x")["client"], "203.0.113.7");
}

#[test]
fn a_trusted_proxy_that_writes_forwarded_is_believed_as_one_that_writes_x_forwarded() {
    let upstream = Upstream::echoing();
    let world = world(&upstream, "trusted_proxies = [\"127.0.0.0/8\"]");
    let field = "for=6.6.6.6, for=\"[2001:db8::7]:4711\";proto=https;host=shop.test";
    let seen = world.ask(&Ask::get("/x").header("Forwarded", field));
    assert_eq!(seen.echoed("x-forwarded-for").as_deref(), Some("2001:db8::7, 127.0.0.1"));
    assert_eq!(seen.echoed("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(seen.echoed("x-forwarded-host").as_deref(), Some("shop.test"));
    let ours = "for=\"[2001:db8::7]\", for=127.0.0.1;host=\"shop.test\";proto=https";
    assert_eq!(seen.echoed("forwarded").as_deref(), Some(ours));
    assert_eq!(world.gateway.line(|line| line["path"] == "/x")["client"], "2001:db8::7");
}

#[test]
fn names_that_the_configuration_reserves_are_removed_in_every_spelling() {
    let upstream = Upstream::echoing();
    let world = world(&upstream, "reserved_headers = [\"x-tenant\", \"x-shop-*\"]");
    let forged =
        Ask::get("/x").header("X_Tenant", "1").header("x-shop-role", "admin").header("X-Shopping", "kept");
    let seen = world.ask(&forged).text();
    assert!(
        !seen.contains("tenant") && !seen.contains("x-shop-") && seen.contains("x-shopping: kept"),
        "{seen}"
    );
}

#[test]
fn an_answer_does_not_speak_in_the_gateways_name() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nCloakroom-Refusal: login-required\r\nLocation: /as-it-was\r\nContent-Length: 0\r\n\r\n",
    );
    let response = world(&upstream, "").get("/x");
    assert_eq!((response.refusal(), response.header("location")), (None, Some("/as-it-was")));
}

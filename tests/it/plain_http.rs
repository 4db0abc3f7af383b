//! Clients that come without TLS, and how they are told to come with it.

use crate::support::{Ask, Authority, Client, Response, Running, Upstream, World};
use std::net::SocketAddr;

fn world(authority: &Authority, upstream: &Upstream, server: &str) -> Running {
    authority.issue("a", &["a.test", "*.wild.test"]);
    World::new()
        .server(server)
        .recorded("app", upstream)
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .route("path = \"/closed/*\"\nupstream = \"app\"\naccess = \"open\"\nmethods = [\"PUT\"]")
        .table(&authority.entry("a"))
        .start()
}

const REDIRECT: &str = "redirect_http = { listen = [\"127.0.0.1:0\"] }";

pub(crate) fn plain(world: &Running) -> SocketAddr {
    let before = "sending clients to TLS from http://";
    let text = world.gateway.process.err.wait_for(before, |text| {
        let rest = &text[text.find(before)? + before.len()..];
        rest[..rest.find('"')?].parse().ok()
    });
    text.expect("an address")
}

fn ask(world: &Running, head: &str) -> Response {
    let mut client = Client::connect(plain(world));
    client.send(format!("{head}\r\n\r\n"));
    client.response(head.split(' ').next().unwrap()).expect("an answer")
}

#[test]
fn nobody_is_sent_to_a_host_that_no_certificate_names() {
    let (authority, upstream) = (Authority::new(), Upstream::echoing());
    let world = world(&authority, &upstream, REDIRECT);
    for host in ["evil.test", "wild.test", "a.b.wild.test", "127.0.0.1", "a.test.evil.test", "[::1]"] {
        let answer = ask(&world, &format!("GET / HTTP/1.1\r\nHost: {host}"));
        assert_eq!((answer.status, answer.header("location")), (421, None), "{host}");
    }
    for head in [
        "GET / HTTP/1.1\r\nHost: a.test@evil.test",
        "GET / HTTP/1.1\r\nHost: a.test, evil.test",
        "GET http://evil.test/ HTTP/1.1\r\nHost: a.test",
        "GET //evil.test/%2e%2e HTTP/1.1\r\nHost: a.test",
        "GET /\\evil.test HTTP/1.1\r\nHost: a.test",
        "GET / HTTP/1.1",
    ] {
        let answer = ask(&world, head);
        assert_eq!((answer.status, answer.header("location")), (400, None), "{head}");
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn the_same_address_in_https_is_where_everybody_is_sent() {
    let (authority, upstream) = (Authority::new(), Upstream::echoing());
    let world = world(&authority, &upstream, &REDIRECT.replace(" }", ", port = 8443 }"));
    for (host, target, to) in [
        ("a.test", "/", "https://a.test:8443/"),
        ("A.TEST:80", "/x/%7Ey?q=%0d%0a&b", "https://a.test:8443/x/%7Ey?q=%0d%0a&b"),
        ("x.wild.test.", "/", "https://x.wild.test:8443/"),
        ("a.test", "/x?u=//evil.test", "https://a.test:8443/x?u=//evil.test"),
    ] {
        let spoof = "X-Forwarded-Host: evil.test\r\nX-Forwarded-Proto: https\r\nForwarded: host=evil.test";
        let answer = ask(&world, &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{spoof}"));
        assert_eq!((answer.status, answer.header("location")), (308, Some(to)));
        assert_eq!(answer.header("strict-transport-security"), None);
    }
    let answer = ask(&world, "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0");
    assert_eq!(answer.header("location"), Some("https://a.test:8443/x"));
    assert!(upstream.requests().is_empty());
}

#[test]
fn answers_over_tls_say_to_come_by_tls_and_others_do_not() {
    let (authority, hsts) = (Authority::new(), "hsts = { max_age = \"1h\", include_subdomains = true }");
    let upstream = Upstream::playing(|wire| {
        while let Some(request) = wire.request() {
            let own = if format!("{request:?}").contains("/own") {
                "Strict-Transport-Security: max-age=7\r\n"
            } else {
                ""
            };
            wire.say(format!("HTTP/1.1 200 OK\r\n{own}Content-Length: 0\r\n\r\n"));
        }
    });
    let world = world(&authority, &upstream, hsts);
    let mut client = Client::secure(world.gateway.public, "a.test", &authority.client());
    let told = Some("max-age=3600; includeSubDomains");
    assert_eq!(client.ask(&Ask::get("/x")).header("strict-transport-security"), told);
    let refused = client.ask(&Ask::get("/closed/x"));
    assert_eq!((refused.status, refused.header("strict-transport-security")), (405, told));
    assert_eq!(client.ask(&Ask::get("/own")).all("strict-transport-security"), ["max-age=7"]);

    // Behind a proxy that speaks TLS, its word counts, and nobody else's.
    let world = World::new()
        .server(hsts)
        .server("trusted_proxies = [\"127.0.0.9\"]")
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start();
    let claim = Ask::get("/x").header("X-Forwarded-Proto", "https");
    assert_eq!(world.ask(&claim).header("strict-transport-security"), None);
    assert_eq!(
        Client::from("127.0.0.9", world.gateway.public).ask(&claim).header("strict-transport-security"),
        told
    );
}

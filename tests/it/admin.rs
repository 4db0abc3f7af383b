//! What operators ask, and who is let in.

use crate::support::{Ask, Gateway, World};
use std::net::SocketAddr;

const TABLES: &str = "[admin]\nlisten = \"127.0.0.1:0\"\nhosts = [\"gw.test\"]\n\
    [admin.tokens.alice]\ntoken = { env = \"ALICE\" }\nrole = \"read\"\n\
    [admin.tokens.bob]\ntoken = { env = \"BOB\" }\nrole = \"keys\"";
const ALICE: &str = "Bearer alice-0123456789abcdef";

fn world() -> World {
    let world = World::with_sessions(&[]).table(TABLES);
    world.environment("ALICE", &ALICE[7..]).environment("BOB", "bob-0123456789abcdef")
}

pub(crate) fn operators(gateway: &Gateway) -> SocketAddr {
    let before = "admin listener on http://";
    let found = gateway.process.err.wait_for(before, |text| {
        let (_, rest) = text.split_once(before)?;
        rest.split_once('"').map(|(address, _)| address.parse().unwrap())
    });
    found.unwrap()
}

#[test]
fn an_operator_sees_the_keys_that_services_see_and_nobody_else_does() {
    let world = world().start();
    let address = operators(&world.gateway);
    let shown = Ask::get("/api/keys").header("Authorization", ALICE).at(address);
    assert_eq!(shown.status, 200, "{}", shown.text());
    let published = world.gateway.internal("/.well-known/jwks.json").json();
    assert_eq!(shown.json()["keys"][0]["kid"], published["keys"][0]["kid"]);
    for (header, value, status) in [
        ("X-None", "1", 401),
        ("Authorization", "Bearer alice-0123456789abcdee", 401),
        ("Cookie", "token=alice-0123456789abcdef", 401),
        ("Origin", "http://evil.example", 403),
    ] {
        let answer = Ask::get("/api/keys").header(header, value).at(address);
        assert_eq!(answer.status, status, "{header}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert!(!answer.text().contains("kid"));
    }
    let rebound = format!("GET /api/keys HTTP/1.1\r\nHost: evil.example\r\nAuthorization: {ALICE}\r\n\r\n");
    let mut client = crate::support::Client::connect(address);
    client.send(rebound);
    assert_eq!(client.response("GET").unwrap().status, 403);
    let log = world.gateway.process.err.text();
    assert!(!log.contains("0123456789abcdef"), "{log}");
}

#[test]
fn the_operators_listener_serves_nothing_that_belongs_to_others() {
    let world = world().start();
    let address = operators(&world.gateway);
    for path in ["/metrics", "/.well-known/jwks.json", "/live", "/"] {
        assert_eq!(Ask::get(path).header("Authorization", ALICE).at(address).status, 404, "{path}");
    }
    for other in [world.gateway.internal, world.gateway.public] {
        assert_eq!(Ask::get("/api/keys").header("Authorization", ALICE).at(other).status, 404);
    }
}

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
    // One that stands by may have come between the two.
    let mut published = published["keys"].as_array().unwrap().iter().map(|key| &key["kid"]);
    assert!(published.any(|kid| *kid == shown.json()["keys"][0]["kid"]));
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
    for path in ["/metrics", "/.well-known/jwks.json", "/live", "/x"] {
        assert_eq!(Ask::get(path).header("Authorization", ALICE).at(address).status, 404, "{path}");
    }
    for other in [world.gateway.internal, world.gateway.public] {
        assert_eq!(Ask::get("/api/keys").header("Authorization", ALICE).at(other).status, 404);
    }
}

#[test]
fn the_page_is_the_same_for_everybody_and_for_no_other_site() {
    let world = world().start();
    let address = operators(&world.gateway);
    let page = Ask::get("/").at(address);
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert_eq!(Ask::get("/").header("Sec-Fetch-Site", "cross-site").at(address).status, 403);
    let mut rebound = crate::support::Client::connect(address);
    rebound.send("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_eq!(rebound.response("GET").unwrap().status, 403);
    assert_eq!(Ask::new("POST", "/").body("").at(address).status, 401);
    let off =
        World::with_sessions(&[]).table("[admin]\nlisten = \"127.0.0.1:0\"\nhosts = [\"gw.test\"]").start();
    assert_eq!(Ask::get("/").at(operators(&off.gateway)).status, 403);
}

#[test]
fn an_operator_sees_migration_and_keys_in_a_browser() {
    let upstream = crate::support::Upstream::echoing();
    let world = world().recorded("app", &upstream);
    let world = world.route("path = \"/moving/*\"\nupstream = \"app\"\nmode = \"shadow\"").start();
    Ask::get("/.well-known/jwks.json").header("User-Agent", "<b>agent</b>").at(world.gateway.internal);
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/dashboard.mjs");
    let page = format!("http://{}/", operators(&world.gateway));
    let told = std::process::Command::new("node").arg(script).args([&page, &ALICE[7..]]).output().unwrap();
    let told = String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned();
    assert_eq!(told, "fine\n");
}

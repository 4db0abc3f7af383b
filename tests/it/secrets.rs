//! Nothing that opens anything is ever written down.

use crate::support::{Ask, Client, Upstream, World};
use std::path::Path;

const PASSWORD: &str = "canary-redis-password-a81";
const SECRET: &str = "canary-signing-secret-0f7";
const ID: &str = "canaryIdOfTheSession29QxT";
const UNKNOWN: &str = "canaryIdThatNobodyKnows8kW";
const QUERY: &str = "canary-in-the-query-51d";
const OWN: &str = "canary-of-the-clients-own-authorization";

#[test]
fn no_cookie_id_token_key_or_password_is_in_any_log_metric_or_answer() {
    let upstream = Upstream::playing(|wire| {
        while let Some(request) = wire.request() {
            let status = if request.target.contains("refuse") { "401 Unauthorized" } else { "200 OK" };
            wire.say(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"));
        }
    });
    let world = World::with_sessions(&[(ID, "alice")]);
    world.redis().command::<()>(&["CONFIG", "SET", "requirepass", PASSWORD]);
    let mut world = world
        .store("timeout = \"5s\"\npassword = { env = \"REDIS_PASSWORD\" }")
        .environment("REDIS_PASSWORD", PASSWORD)
        .environment("SHOP_SECRET", SECRET)
        .environment("RUST_LOG", "trace")
        .profile("shop", "framework = \"express\"\nsecrets = [{ env = \"SHOP_SECRET\" }]\nsubject = \"u\"\nsub = \"s:{subject}\"")
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"\nsessions = [\"app\", \"shop\"]\nlogin = \"/login?next={path}\"")
        .start();
    let mut answers = Vec::new();
    for (target, cookie) in [
        ("/ok", format!("sid={ID}")),
        ("/refuse", format!("sid={ID}")),
        ("/unknown", format!("sid={UNKNOWN}")),
        ("/twice", format!("sid={ID}; sid={UNKNOWN}")),
        ("/tampered", format!("connect.sid=s%3A{UNKNOWN}.{ID}")),
    ] {
        let ask = Ask::get(&format!("{target}?token={QUERY}"))
            .cookie(&cookie)
            .header("Authorization", &format!("Bearer {OWN}"));
        answers.push(world.ask(&ask));
        answers.push(world.ask(&ask.header("Accept", "application/json")));
    }
    let mut broken = Client::connect(world.gateway.public);
    broken.send(format!("GET /x HTTP/1.1\r\nHost: gw.test\r\nCookie: sid={ID}\r\nBad Field: {OWN}\r\n\r\n"));
    answers.extend(broken.response("GET"));
    let metrics = world.gateway.internal("/metrics").text();
    let tokens: Vec<String> =
        upstream.requests().iter().filter_map(|it| it.bearer().map(str::to_owned)).collect();
    assert!(tokens.len() >= 3);
    let keys = private_keys(world.gateway.dir());
    assert!(!keys.is_empty());
    world.gateway.stop();

    let written = [world.gateway.process.out.text(), world.gateway.process.err.text(), metrics];
    let answered: String =
        answers.iter().map(|answer| format!("{:?}{}", answer.headers, answer.text())).collect();
    assert!(written[0].contains("\"sid\":\"") && written[1].contains("WARN"), "the logs were on");
    // A signature is what makes a token one; header and claims alone open nothing but are not logged either.
    let parts = tokens.iter().flat_map(|token| token.split('.').skip(1)).map(str::to_owned);
    let canaries = [PASSWORD, SECRET, ID, UNKNOWN, QUERY, OWN].map(str::to_owned);
    for canary in canaries.into_iter().chain(parts).chain(keys) {
        for text in &written {
            assert!(!text.contains(&canary), "`{canary}` in\n{}", around(text, &canary));
        }
        // A login redirect takes the client's own query along.
        assert!(canary == QUERY || !answered.contains(&canary), "`{canary}` in an answer");
    }
}

/// The secret lines of every private key of the gateway.
fn private_keys(dir: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().chain(std::fs::read_dir(dir.join("keys")).unwrap()) {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if text.contains("PRIVATE KEY") {
            lines.extend(
                text.lines().filter(|line| line.len() > 30 && !line.starts_with('-')).map(str::to_owned),
            );
        }
    }
    lines
}

fn around(text: &str, canary: &str) -> String {
    text.lines().filter(|line| line.contains(canary)).take(3).collect::<Vec<_>>().join("\n")
}

//! Token pairs: a session for an access and a refresh token, and all the ways in which they end.

use crate::support::{Ask, Client, Redis, Response, Running, Upstream, World, eventually, verify};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

const STATE: &str = "[state]\nstore = \"app\"";

fn world(sessions: &[(&str, &str)], pair: &str) -> World {
    World::with_sessions(sessions).table(STATE).table(&format!("[pair]\naudience = \"orders\"\n{pair}"))
}

fn post(path: &str) -> Ask {
    Ask::new("POST", &format!("/.cloakroom/{path}"))
}

fn form(ask: Ask, body: &str) -> Ask {
    ask.header("Content-Type", "application/x-www-form-urlencoded").body(body)
}

/// Trades a session for a pair; its refresh token.
fn trade(gateway: SocketAddr, id: &str) -> String {
    let response = post("token").cookie(&format!("sid={id}")).body("").at(gateway);
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["refresh_token"].as_str().unwrap().to_owned()
}

fn refresh(gateway: SocketAddr, token: &str) -> Response {
    form(post("refresh"), &format!("grant_type=refresh_token&refresh_token={token}")).at(gateway)
}

fn refreshed(gateway: SocketAddr, token: &str) -> String {
    let response = refresh(gateway, token);
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["refresh_token"].as_str().unwrap().to_owned()
}

/// What the client is told when a login is over, and that it is not told why.
fn assert_over(response: &Response) {
    assert_eq!((response.status, response.refusal()), (400, Some("invalid-grant")), "{}", response.text());
    assert_eq!(response.json()["error"], "invalid_grant");
}

fn outcomes(world: &Running) -> HashMap<String, u64> {
    let page = world.gateway.internal("/metrics").text();
    let lines = page.lines().filter(|line| line.starts_with("cloakroom_own_endpoints_total"));
    lines
        .map(|line| {
            let outcome = line.split("outcome=\"").nth(1).unwrap().split('"').next().unwrap();
            (outcome.to_owned(), line.rsplit(' ').next().unwrap().parse().unwrap())
        })
        .collect()
}

#[test]
fn without_their_tables_nothing_is_there_and_no_route_gets_what_is_ours() {
    let upstream = Upstream::echoing();
    let world = World::with_sessions(&[("s1", "alice")])
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start();
    for path in ["token", "refresh", "revoke", "", "x"] {
        let response = world.ask(&post(path).cookie("sid=s1").body(""));
        assert_eq!((response.status, response.refusal()), (404, Some("not-found")), "{path}");
    }
    assert_eq!(world.get("/.cloakroom").status, 200, "that one is the app's");
}

#[test]
fn only_a_live_session_of_a_user_gets_a_pair_and_only_by_a_post_of_our_own_pages() {
    let world = world(&[("s1", "alice")], "refresh = \"body\"");
    world.redis().set("sess:guest", "{}");
    let mut world = world.start();
    for cookie in ["", "sid=unknown", "sid=guest"] {
        let response = world.ask(&post("token").cookie(cookie).body(""));
        assert_eq!((response.status, response.refusal()), (401, Some("login-required")), "{cookie}");
    }
    let get = world.ask(&Ask::get("/.cloakroom/token").cookie("sid=s1"));
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    for foreign in [("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.test"), ("Origin", "null")] {
        for path in ["token", "refresh", "revoke"] {
            let response = world.ask(&post(path).cookie("sid=s1").header(foreign.0, foreign.1).body(""));
            assert_eq!(
                (response.status, response.refusal()),
                (403, Some("cross-site")),
                "{path} {foreign:?}"
            );
            assert_eq!(response.header("access-control-allow-origin"), None);
        }
    }
    let keys: Vec<String> = world.redis().command(&["KEYS", "cloakroom:pair:*"]);
    assert!(keys.is_empty(), "{keys:?}");
}

#[test]
fn a_trusted_origin_may_ask_and_read_the_answer() {
    let world = world(&[("s1", "alice")], "refresh = \"body\"")
        .table("[csrf]\ntrusted_origins = [\"https://www.gw.test\"]")
        .start();
    let ask = Ask::new("OPTIONS", "/.cloakroom/token").header("Access-Control-Request-Method", "POST");
    assert_eq!(world.ask(&ask.clone().header("Origin", "https://evil.test")).status, 405);
    let answer = world.ask(&ask.header("Origin", "https://www.gw.test"));
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    let ask = post("token").cookie("sid=s1").header("Origin", "https://www.gw.test");
    let answer = world.ask(&ask.header("Sec-Fetch-Site", "same-site").body(""));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://www.gw.test"));
}

#[test]
fn an_access_token_is_one_of_ours_for_the_configured_audience_and_ends_with_its_session() {
    let world = world(&[], "refresh = \"body\"\nttl = \"10m\"");
    world.redis().set_for("sess:s1", r#"{"user":{"id":"alice"}}"#, std::time::Duration::from_secs(100));
    let world = world.start();
    let response = world.ask(&post("token").cookie("sid=s1").body(""));
    let pair = response.json();
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("set-cookie"), None);
    assert_eq!(pair["token_type"], "Bearer");
    assert!(pair["expires_in"].as_u64().unwrap() <= 100, "{pair}");
    let claims = verify(pair["access_token"].as_str().unwrap(), &world.gateway.keys(), "orders").unwrap();
    assert_eq!((claims["sub"].as_str(), claims["client_id"].as_str()), (Some("alice"), Some("app")));
    let line = world.gateway.line(|line| line["path"] == "/.cloakroom/token");
    assert_eq!((line["decision"].as_str(), line["own"].as_str()), (Some("answered"), Some("opened")));
    assert_eq!((&line["jti"], &line["sid"]), (&claims["jti"], &claims["sid"]));
    let again = refresh(world.gateway.public, pair["refresh_token"].as_str().unwrap()).json();
    let again = verify(again["access_token"].as_str().unwrap(), &world.gateway.keys(), "orders").unwrap();
    assert_ne!(again["jti"], claims["jti"]);
    assert_eq!(again["sid"], claims["sid"]);
}

#[test]
fn nothing_that_is_kept_lets_anybody_in() {
    // Long enough to be in what is sealed by no chance.
    let id = "session-of-alice-3c5f9d";
    let mut world = world(&[(id, "alice")], "refresh = \"body\"").start();
    let first = trade(world.gateway.public, id);
    let second = refreshed(world.gateway.public, &first);
    let keys: Vec<String> = world.redis().command(&["KEYS", "cloakroom:pair:*"]);
    assert_eq!(keys.len(), 1);
    let left: i64 = world.redis().command(&["PTTL", &keys[0]]);
    assert!(left > 0, "it goes by itself");
    let kept: Vec<Vec<u8>> = world.redis().command(&["HGETALL", &keys[0]]);
    let kept = kept.concat();
    for secret in [id, "alice", &first, &second, &first[40..], &second[80..]] {
        assert!(!kept.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
    }
}

#[test]
fn a_refresh_cookie_is_for_us_alone_and_no_service_sees_it() {
    let upstream = Upstream::echoing();
    let world = world(&[("s1", "alice")], "")
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start();
    let response = world.ask(&post("token").cookie("sid=s1").body(""));
    assert!(response.json().get("refresh_token").is_none());
    let cookie = response.header("set-cookie").unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert!(pair.starts_with("__Host-cloakroom-refresh="), "{cookie}");
    assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=604800");
    let seen = world.ask(&Ask::get("/x").cookie(&format!("a=1; {pair}; sid=s1")));
    assert_eq!(seen.echoed("cookie").as_deref(), Some("a=1; sid=s1"));
    let next = world.ask(&post("refresh").cookie(pair).body(""));
    assert_eq!(next.status, 200);
    let next = next.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert_ne!(next, pair);
    let two = world.ask(&post("refresh").cookie(&format!("{pair}; {next}")).body(""));
    assert_eq!((two.status, two.refusal()), (400, Some("invalid-request")));
    assert_eq!(world.ask(&post("refresh").body("")).refusal(), Some("invalid-request"));
    let gone = world.ask(&post("revoke").cookie(&next).body(""));
    assert_eq!(gone.status, 200);
    assert!(gone.header("set-cookie").unwrap().contains("Max-Age=0"));
    let over = world.ask(&post("refresh").cookie(&next).body(""));
    assert_over(&over);
    assert!(over.header("set-cookie").unwrap().contains("Max-Age=0"));
}

#[test]
fn a_pair_ends_with_its_session_and_is_not_anybody_elses() {
    let mut world = world(&[("s1", "alice"), ("s2", "bob")], "refresh = \"body\"").start();
    let (alices, bobs) = (trade(world.gateway.public, "s1"), trade(world.gateway.public, "s2"));
    world.redis().delete("sess:s1");
    assert_over(&refresh(world.gateway.public, &alices));
    // The session is there again, under the same id: the family is not.
    world.redis().set("sess:s1", r#"{"user":{"id":"alice"}}"#);
    assert_over(&refresh(world.gateway.public, &alices));
    world.redis().set("sess:s2", r#"{"user":{"id":"mallory"}}"#);
    assert_over(&refresh(world.gateway.public, &bobs));
    world.redis().set("sess:s2", r#"{"user":{"id":"bob"}}"#);
    assert_over(&refresh(world.gateway.public, &bobs));
    eventually("the reasons", || {
        let lines = world.gateway.lines();
        let found = |reason: &str| lines.iter().any(|line| line["reason"] == *reason);
        (found("session-over") && found("other-user") && found("refresh-unknown")).then_some(())
    });
}

#[test]
fn an_outage_is_503_and_costs_nobody_their_login() {
    let sessions = Redis::start();
    sessions.set("sess:s1", r#"{"user":{"id":"alice"}}"#);
    let mut kept = Redis::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let world = World::without_redis()
        .profile("app", &format!("{}\nstore = \"app\"", crate::support::SESSIONS))
        .table(&format!("[stores.own]\nurl = \"{}\"\ntimeout = \"5s\"", kept.url()))
        .table("[state]\nstore = \"own\"\n[pair]\naudience = \"orders\"\nrefresh = \"body\"");
    let gateway = world.start_beside(&sessions);
    let token = trade(gateway.public, "s1");
    kept.freeze();
    kept.thaw();
    kept.kill();
    for path in ["token", "refresh", "revoke"] {
        let ask = post(path).cookie("sid=s1");
        let response = form(ask, &format!("refresh_token={token}&token={token}")).at(gateway.public);
        assert_eq!((response.status, response.refusal()), (503, Some("store-unavailable")), "{path}");
        assert_eq!(response.header("retry-after"), Some("1"));
    }
    kept.start_again();
    let token = eventually("the place to be back", || {
        let response = refresh(gateway.public, &token);
        (response.status == 200).then(|| response.json()["refresh_token"].as_str().unwrap().to_owned())
    });
    // The other store: whether the session lives is not known, and that ends nothing.
    sessions.freeze();
    let mut client = Client::connect(gateway.public);
    client.send(form(post("refresh"), &format!("refresh_token={token}")).bytes());
    let response = client.response("POST").unwrap();
    assert_eq!((response.status, response.refusal()), (503, Some("store-unavailable")));
    sessions.thaw();
    eventually("the sessions to be back", || (refresh(gateway.public, &token).status == 200).then_some(()));
}

#[test]
fn what_is_no_token_of_ours_ends_nothing() {
    let world = world(&[("s1", "alice")], "refresh = \"body\"").start();
    let token = trade(world.gateway.public, "s1");
    // The same family by name, with another key: who made it up has never held one.
    let mut made_up = token.clone().into_bytes();
    for byte in &mut made_up[40..] {
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    }
    let made_up = String::from_utf8(made_up).unwrap();
    for bad in ["", "x", &token[1..], "a.b.c", &made_up] {
        let response = refresh(world.gateway.public, bad);
        assert_over(&response);
        let revoked = form(post("revoke"), &format!("token={bad}")).at(world.gateway.public);
        assert_eq!(revoked.status, 200, "RFC 7009: there is nothing to be revoked, and that is that");
    }
    refreshed(world.gateway.public, &token);
}

#[test]
fn a_body_that_is_not_understood_is_refused_and_one_that_is_too_long_is_not_read() {
    let world = world(&[("s1", "alice")], "refresh = \"body\"").start();
    let gateway = world.gateway.public;
    for (kind, body) in [
        ("text/plain", "refresh_token=x"),
        ("application/json", "[1]"),
        ("application/x-www-form-urlencoded", "refresh_token=x&refresh_token=y"),
        ("application/x-www-form-urlencoded", "grant_type=password&refresh_token=x"),
        ("application/x-www-form-urlencoded", ""),
    ] {
        let response = post("refresh").header("Content-Type", kind).body(body).at(gateway);
        assert_eq!((response.status, response.refusal()), (400, Some("invalid-request")), "{kind} {body}");
    }
    let long = form(post("refresh"), &"x".repeat(20_000)).at(gateway);
    assert_eq!((long.status, long.refusal()), (413, Some("body-too-large")));
    let token = trade(gateway, "s1");
    let json = post("refresh").header("Content-Type", "application/json");
    assert_eq!(json.body(format!(r#"{{"refresh_token":"{token}"}}"#)).at(gateway).status, 200);
}

#[test]
fn a_session_cannot_have_families_without_end() {
    let mut world = world(&[("s1", "alice")], "refresh = \"body\"").start();
    let tokens: Vec<String> = (0..20).map(|_| trade(world.gateway.public, "s1")).collect();
    let key: Vec<String> = world.redis().command(&["KEYS", "cloakroom:pair:*"]);
    let fields: u64 = world.redis().command(&["HLEN", &key[0]]);
    assert_eq!(fields, 2 * 16);
    refreshed(world.gateway.public, tokens.last().unwrap());
    assert_over(&refresh(world.gateway.public, &tokens[0]));
}

/// A stolen token, used by the thief first or by its owner first: in either order both are out, and the session is not.
#[test]
fn a_token_that_comes_back_ends_its_family_and_no_other() {
    let world = world(&[("s1", "alice")], "refresh = \"body\"\ngrace = \"0s\"").start();
    let gateway = world.gateway.public;
    let (stolen, other) = (trade(gateway, "s1"), trade(gateway, "s1"));
    let owners = refreshed(gateway, &stolen);
    assert_over(&refresh(gateway, &stolen));
    assert_over(&refresh(gateway, &owners));
    refreshed(gateway, &other);
    let stolen = trade(gateway, "s1");
    let thiefs = refreshed(gateway, &refreshed(gateway, &stolen));
    assert_over(&refresh(gateway, &stolen));
    assert_over(&refresh(gateway, &thiefs));
    assert_eq!(outcomes(&world)["refresh-reused"], 2);
    let line = world.gateway.line(|line| line["reason"] == "refresh-reused");
    assert_eq!(line["refusal"], "invalid-grant");
    trade(gateway, "s1");
}

/// Many families, each refreshed by several clients at once, of which some lose their answers and ask again. The grace is as long as a
/// busy machine may need; a second gateway beside the same Redis has none, and there every old token is one too many.
#[test]
fn parallel_and_repeated_refreshes_lose_no_family_and_every_reuse_ends_one() {
    let families = count("CLOAKROOM_FAMILIES", 60);
    let rounds = 5;
    let redis = Redis::start();
    let table =
        |grace: &str| format!("[pair]\naudience = \"orders\"\nrefresh = \"body\"\ngrace = \"{grace}\"");
    let world = |grace: &str| {
        World::without_redis()
            .profile("app", crate::support::SESSIONS)
            .workers(2)
            .table(STATE)
            .table(&table(grace))
    };
    let gateway = world("60s").start_beside(&redis);
    let public = gateway.public;
    for id in 0..families {
        redis.set(&format!("sess:s{id}"), &format!(r#"{{"user":{{"id":"u{id}"}}}}"#));
    }
    let (next, asked) = (AtomicU64::new(0), AtomicU64::new(0));
    let ends: Vec<(String, String)> = std::thread::scope(|scope| {
        let walk = || {
            let mut ends = Vec::new();
            loop {
                let id = next.fetch_add(1, Ordering::Relaxed);
                if id >= families {
                    return ends;
                }
                let first = trade(public, &format!("s{id}"));
                let last = (0..rounds).fold(first.clone(), |token, round| {
                    asked.fetch_add(2, Ordering::Relaxed);
                    let (one, two) = std::thread::scope(|pair| {
                        let other = pair.spawn(|| refreshed(public, &token));
                        if (id + round) % 3 == 0 {
                            // The answer is lost on its way: asked, and hung up on.
                            let mut lost = Client::connect(public);
                            lost.send(form(post("refresh"), &format!("refresh_token={token}")).bytes());
                            drop(lost);
                            asked.fetch_add(1, Ordering::Relaxed);
                        }
                        (refreshed(public, &token), other.join().unwrap())
                    });
                    assert_eq!(one, two, "whoever asks gets the same successor");
                    one
                });
                // Late, and behind by two: still within its grace.
                assert_eq!(refresh(public, &first).status, 200, "an old token within the grace");
                ends.push((first, last));
            }
        };
        let walkers: Vec<_> = (0..8).map(|_| scope.spawn(walk)).collect();
        walkers.into_iter().flat_map(|walker| walker.join().unwrap()).collect()
    });
    assert_eq!(ends.len() as u64, families);
    println!("{} refreshes of {families} families, none lost", asked.load(Ordering::Relaxed));
    let strict = world("0s").start_beside(&redis);
    for (first, last) in &ends {
        let current = refreshed(public, last);
        assert_over(&refresh(strict.public, first));
        assert_over(&refresh(public, &current));
    }
}

/// How often to try: few times by default, as many as one likes by a variable.
#[allow(clippy::disallowed_methods, reason = "a developer's switch, not configuration")]
fn count(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |count| count.parse().unwrap())
}

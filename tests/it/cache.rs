//! Sessions from memory: what a hit costs, and what ends it.

use crate::support::{Ask, Client, FakeRedis, Response, Running, Upstream, World, bulk, eventually, verify};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// One required route to an upstream that shows what it got, and `lines` for the store.
fn world(upstream: &Upstream, sessions: &[(&str, &str)], store: &str) -> Running {
    World::with_sessions(sessions)
        .workers(2)
        .store(store)
        .recorded("app", upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
        .route("path = \"/strict/*\"\nupstream = \"app\"\nfreshness = \"strict\"")
        .start()
}

/// A machine that is shared may be slow to answer; the lease is long, so that only what a test does ends it.
const PATIENT: &str = "timeout = \"5s\"\nrevocation_bound = \"60s\"";
/// The Redis user of tests that give it few rights.
const USER: &str = "timeout = \"5s\"\nusername = \"gw\"\npassword = { insecure_literal = \"pw\" }";

fn status(gateway: SocketAddr, id: &str) -> u16 {
    Ask::get("/x").cookie(&format!("sid={id}")).at(gateway).status
}

/// In whose name a request was forwarded.
fn subject(world: &Running, response: &Response) -> Option<String> {
    let token = response.echoed("authorization")?;
    let token = token.strip_prefix("Bearer ").expect("a bearer token");
    Some(verify(token, &world.gateway.keys(), "app").unwrap()["sub"].as_str().unwrap().to_owned())
}

/// Asks until a request is answered from memory.
fn warm(world: &Running, id: &str) {
    let ask = Ask::get("/x").cookie(&format!("sid={id}"));
    eventually("a hit", || {
        let response = world.ask(&ask);
        let request_id = response.echoed("x-request-id").expect("forwarded");
        let line = world.gateway.line(|line| line["request_id"] == *request_id);
        (line["session_from"] == "cache").then_some(())
    });
}

fn metric(world: &Running, start: &str, with: &str) -> u64 {
    let page = world.gateway.internal("/metrics").text();
    let line = page.lines().find(|line| line.starts_with(start) && line.contains(with));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0, |value| value.parse().unwrap())
}

#[test]
fn a_hit_costs_no_command_and_no_signature() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, &[("s1", "alice")], PATIENT);
    warm(&world, "s1");
    let (reads, signed) = (world.redis().calls("get"), metric(&world, "cloakroom_token_signatures", ""));
    let hits = metric(&world, "cloakroom_cache_lookups_total", "hit");
    // Connections spread over both workers, who share what was read.
    for _ in 0..50 {
        assert_eq!(status(world.gateway.public, "s1"), 200);
    }
    assert_eq!(world.redis().calls("get"), reads);
    assert_eq!(metric(&world, "cloakroom_token_signatures", ""), signed);
    assert_eq!(metric(&world, "cloakroom_cache_lookups_total", "hit"), hits + 50);
}

#[test]
fn what_the_app_may_have_changed_by_a_request_is_read_again_before_the_next() {
    let upstream = Upstream::playing(|wire| {
        while let Some(request) = wire.request() {
            let cookie = match request.target.as_str() {
                "/app/callback" => "Set-Cookie: sid=other; Path=/\r\n",
                "/app/theme" => "Set-Cookie: theme=dark\r\n",
                _ => "",
            };
            wire.say(format!("HTTP/1.1 200 OK\r\n{cookie}Content-Length: 0\r\n\r\n"));
        }
    });
    let mut world = World::with_sessions(&[("s1", "alice")])
        .store(PATIENT)
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
        .route("path = \"/app/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start();
    let mut reads_after = |ask: Ask| {
        eventually("a hit", || {
            let before = world.redis().calls("get");
            assert_eq!(status(world.gateway.public, "s1"), 200);
            (world.redis().calls("get") == before).then_some(())
        });
        let before = world.redis().calls("get");
        assert_eq!(world.ask(&ask.cookie("sid=s1")).status, 200);
        assert_eq!(status(world.gateway.public, "s1"), 200);
        world.redis().calls("get") - before
    };
    assert_eq!(reads_after(Ask::get("/app/page")), 0, "nothing says that the session changed");
    assert_eq!(reads_after(Ask::get("/app/theme")), 0, "another cookie");
    assert_eq!(reads_after(Ask::new("POST", "/x")), 0, "who does not get the cookie changes no session");
    // A second one if the first ended between the next request's look at memory and its question.
    assert!((1..=2).contains(&reads_after(Ask::new("POST", "/app/login"))));
    assert!((1..=2).contains(&reads_after(Ask::get("/app/callback"))));
}

#[test]
fn a_strict_route_asks_every_time_and_still_signs_once() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, &[("s1", "alice")], PATIENT);
    let ask = Ask::get("/strict/x").cookie("sid=s1");
    assert_eq!(world.ask(&ask).status, 200);
    let (reads, signed) = (world.redis().calls("get"), metric(&world, "cloakroom_token_signatures", ""));
    for _ in 0..10 {
        assert_eq!(world.ask(&ask).status, 200);
    }
    assert_eq!(world.redis().calls("get"), reads + 10);
    assert_eq!(metric(&world, "cloakroom_token_signatures", ""), signed);
    world.redis().delete("sess:s1");
    assert_eq!(world.ask(&ask).status, 401, "the very next request");
}

#[test]
fn a_deleted_session_and_a_changed_one_are_seen_at_once() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, &[("s1", "alice"), ("s2", "bob")], PATIENT);
    warm(&world, "s1");
    warm(&world, "s2");
    world.redis().delete("sess:s1");
    eventually("the deletion to be seen", || (status(world.gateway.public, "s1") == 401).then_some(()));
    for _ in 0..20 {
        assert_eq!(status(world.gateway.public, "s1"), 401, "once revoked, never honoured again");
    }
    world.redis().set("sess:s2", r#"{"user":{"id":"carol"}}"#);
    let ask = Ask::get("/x").cookie("sid=s2");
    eventually("the change to be seen", || (subject(&world, &world.ask(&ask))? == "carol").then_some(()));
    assert_eq!(status(world.gateway.public, "s2"), 200);
}

#[test]
fn a_session_ends_with_its_ttl_whether_or_not_redis_says_so() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, &[("s1", "alice"), ("s2", "bob")], PATIENT);
    warm(&world, "s1");
    warm(&world, "s2");
    // Redis announces this when it gets round to deleting the key, not when the time has come.
    world.redis().command::<()>(&["PEXPIRE", "sess:s1", "300"]);
    eventually("its end", || (status(world.gateway.public, "s1") == 401).then_some(()));
    assert_eq!(status(world.gateway.public, "s2"), 200);
}

#[test]
fn a_flush_empties_the_cache() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, &[("s1", "alice"), ("s2", "bob")], PATIENT);
    warm(&world, "s1");
    warm(&world, "s2");
    world.redis().command::<()>(&["FLUSHALL"]);
    for id in ["s1", "s2"] {
        eventually("the flush to be seen", || (status(world.gateway.public, id) == 401).then_some(()));
    }
    world.redis().set("sess:s1", r#"{"user":{"id":"alice"}}"#);
    eventually("a new login", || (status(world.gateway.public, "s1") == 200).then_some(()));
    warm(&world, "s1");
}

#[test]
fn what_happens_while_the_connection_is_down_is_not_missed() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, &[("s1", "alice")], PATIENT);
    for _ in 0..5 {
        world.redis().set("sess:s1", r#"{"user":{"id":"alice"}}"#);
        eventually("a login", || (status(world.gateway.public, "s1") == 200).then_some(()));
        warm(&world, "s1");
        let lost = metric(&world, "cloakroom_leases_lost_total", "app");
        // In one transaction: nobody can be told of the deletion.
        let script = "redis.call('DEL', KEYS[1]) return 1";
        world.redis().command::<u64>(&["CLIENT", "KILL", "TYPE", "normal"]);
        world.redis().command::<u64>(&["EVAL", script, "1", "sess:s1"]);
        eventually("the deletion to be seen", || (status(world.gateway.public, "s1") != 200).then_some(()));
        eventually("the new connection", || (status(world.gateway.public, "s1") == 401).then_some(()));
        assert!(metric(&world, "cloakroom_leases_lost_total", "app") > lost);
    }
}

/// As Express, Django and Rails do with sliding sessions.
#[test]
fn an_app_that_moves_the_ttl_on_every_request_leaves_session_and_token_as_they_are() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, &[("s1", "alice")], PATIENT);
    warm(&world, "s1");
    let signed = metric(&world, "cloakroom_token_signatures", "");
    for _ in 0..30 {
        let heard = metric(&world, "cloakroom_cache_invalidations_total", "app");
        world.redis().command::<()>(&["EXPIRE", "sess:s1", "3600"]);
        eventually("the message", || {
            (metric(&world, "cloakroom_cache_invalidations_total", "app") > heard).then_some(())
        });
        // What was in use is being read again, or has been: nobody has to ask for it.
        let asked = world.redis().calls("pttl");
        eventually("the background read", || (world.redis().calls("pttl") >= asked).then_some(()));
        warm(&world, "s1");
    }
    assert_eq!(metric(&world, "cloakroom_token_signatures", ""), signed, "equal bytes keep their tokens");
}

#[test]
fn a_session_in_use_is_read_again_before_anybody_asks() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, &[("s1", "alice"), ("s2", "bob")], PATIENT);
    warm(&world, "s1");
    let reads = world.redis().calls("get");
    world.redis().command::<()>(&["EXPIRE", "sess:s1", "3600"]);
    eventually("the background read", || (world.redis().calls("get") == reads + 1).then_some(()));
    // It was not used since, so the next change is left for who asks.
    let heard = metric(&world, "cloakroom_cache_invalidations_total", "app");
    world.redis().command::<()>(&["EXPIRE", "sess:s1", "3600"]);
    eventually("the message", || {
        (metric(&world, "cloakroom_cache_invalidations_total", "app") > heard).then_some(())
    });
    assert_eq!(world.redis().calls("get"), reads + 1);
}

#[test]
fn many_who_ask_at_once_share_one_read() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, &[("s1", "alice"), ("s2", "bob")], PATIENT);
    warm(&world, "s2");
    let reads = world.redis().calls("get");
    world.redis().freeze();
    let mut clients: Vec<Client> = (0..40).map(|_| Client::connect(world.gateway.public)).collect();
    for client in &mut clients {
        client.send(Ask::get("/x").cookie("sid=s1").bytes());
    }
    // All of them wait once their questions are counted.
    eventually("all to wait", || {
        (metric(&world, "cloakroom_cache_lookups_total", "miss") >= 41).then_some(())
    });
    world.redis().thaw();
    for client in &mut clients {
        assert_eq!(client.response("GET").unwrap().status, 200);
    }
    assert_eq!(world.redis().calls("get"), reads + 1);
}

#[test]
fn who_hangs_up_takes_nobody_along() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, &[("s1", "alice"), ("s2", "bob")], PATIENT);
    warm(&world, "s2");
    world.redis().freeze();
    let misses = metric(&world, "cloakroom_cache_lookups_total", "miss");
    let mut first = Client::connect(world.gateway.public);
    first.send(Ask::get("/x").cookie("sid=s1").bytes());
    eventually("it to ask", || {
        (metric(&world, "cloakroom_cache_lookups_total", "miss") > misses).then_some(())
    });
    let mut second = Client::connect(world.gateway.public);
    second.send(Ask::get("/x").cookie("sid=s1").bytes());
    eventually("the other to join", || {
        (metric(&world, "cloakroom_cache_lookups_total", "miss") > misses + 1).then_some(())
    });
    drop(first);
    world.redis().thaw();
    let response = second.response("GET").unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(subject(&world, &response).as_deref(), Some("alice"));
}

#[test]
fn an_unknown_session_is_remembered_for_a_moment_and_a_login_under_its_id_is_seen_at_once() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, &[("s2", "bob")], PATIENT);
    warm(&world, "s2");
    let reads = world.redis().calls("get");
    let started = Instant::now();
    let asked = (0..10).take_while(|_| status(world.gateway.public, "s1") == 401).count();
    let seconds = started.elapsed().as_secs();
    assert_eq!(asked, 10);
    assert!(world.redis().calls("get") <= reads + 2 + seconds, "an absence is believed for a second");
    world.redis().set("sess:s1", r#"{"user":{"id":"alice"}}"#);
    eventually("the login to be seen", || (status(world.gateway.public, "s1") == 200).then_some(()));
}

/// A reply that belongs to another question must be nobody's session.
#[test]
fn a_crossed_reply_is_503_and_an_alarm() {
    let upstream = Upstream::echoing();
    let fake = FakeRedis::answering(|before, command| match command[0].as_str() {
        "GET" => Some(bulk(r#"{"user":{"id":"mallory"}}"#)),
        "PTTL" => Some(":60000\r\n".to_owned()),
        // Heartbeats ask for the role first and are answered as they should be; reads get what was another's.
        "ECHO" if before == "PTTL" => Some(bulk("another")),
        _ => None,
    });
    for freshness in ["lease", "strict"] {
        let gateway = World::without_redis()
            .profile("app", crate::support::SESSIONS)
            .store(&format!("timeout = \"1s\"\nfreshness = \"{freshness}\""))
            .recorded("app", &upstream)
            .route("path = \"/*\"\nupstream = \"app\"")
            .start_at(&fake.url());
        for _ in 0..5 {
            assert_eq!(status(gateway.public, "s1"), 503);
        }
        let page = gateway.internal("/metrics").text();
        let crossed = page.lines().find(|line| line.contains("outcome=\"crossed\""));
        assert!(crossed.is_some_and(|line| !line.ends_with(" 0")), "{page}");
        gateway.process.err.wait_for("the alarm", |text| text.contains("another question").then_some(()));
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_store_that_cannot_tell_is_asked_every_time_and_one_warning_says_what_is_missing() {
    let upstream = Upstream::echoing();
    let world = World::with_sessions(&[("s1", "alice")]).recorded("app", &upstream);
    let world = world.workers(2).route("path = \"/*\"\nupstream = \"app\"").store(USER);
    let acl = ["ACL", "SETUSER", "gw", "on", ">pw", "~sess:*", "+get", "+pttl", "+echo"];
    world.redis().command::<()>(&acl);
    let url = format!("redis://127.0.0.1:{}/0", world.redis().port());
    let gateway = world.start_at(&url);
    eventually("the store", || (status(gateway.public, "s1") == 200).then_some(()));
    let missing = |text: &str| text.matches("CLIENT TRACKING").count();
    gateway.process.err.wait_for("the warning", |text| (missing(text) > 0).then_some(()));
    let reads = world.redis().calls("get");
    for _ in 0..10 {
        assert_eq!(status(gateway.public, "s1"), 200);
    }
    assert_eq!(world.redis().calls("get"), reads + 10);
    world.redis().delete("sess:s1");
    assert_eq!(status(gateway.public, "s1"), 401);
    assert_eq!(missing(&gateway.process.err.text()), 1, "{}", gateway.process.err.text());
    assert!(gateway.internal("/ready?stores").text().contains("CLIENT TRACKING"));
}

#[test]
fn the_smallest_acl_that_tracks_is_enough() {
    let upstream = Upstream::echoing();
    let world = World::with_sessions(&[("s1", "alice")]).recorded("app", &upstream);
    let world = world
        .route("path = \"/*\"\nupstream = \"app\"")
        .store(&format!("{USER}\nrevocation_bound = \"60s\""));
    // The README's, word for word.
    let rights = "resetkeys %R~sess:* resetchannels -@all +hello +auth +select +echo +get +hgetall +pttl +client|tracking";
    assert!(include_str!("../../README.md").contains(rights));
    let acl: Vec<&str> = "ACL SETUSER gw on >pw".split(' ').chain(rights.split(' ')).collect();
    world.redis().command::<()>(&acl);
    let url = format!("redis://127.0.0.1:{}/0", world.redis().port());
    let gateway = world.start_at(&url);
    eventually("a hit", || {
        status(gateway.public, "s1");
        let lines = gateway.lines();
        lines.iter().any(|line| line["session_from"] == "cache").then_some(())
    });
}

/// Redis before 6 has no HELLO.
#[test]
fn a_redis_without_resp3_is_asked_every_time() {
    let upstream = Upstream::echoing();
    let fake = FakeRedis::answering(|_, command| match command[0].as_str() {
        "HELLO" => Some("-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n".to_owned()),
        "GET" => Some(bulk(r#"{"user":{"id":"alice"}}"#)),
        "PTTL" => Some(":60000\r\n".to_owned()),
        _ => None,
    });
    let gateway = World::without_redis()
        .profile("app", crate::support::SESSIONS)
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
        .start_at(&fake.url());
    assert_eq!(status(gateway.public, "s1"), 200);
    gateway.process.err.wait_for("the warning", |text| text.contains("RESP3").then_some(()));
    assert_eq!(status(gateway.public, "s1"), 200);
}

/// The lease is counted on a clock that goes on while the process does not.
#[test]
fn a_gateway_that_was_stopped_wakes_up_without_a_lease() {
    let upstream = Upstream::echoing();
    let bound = Duration::from_millis(400);
    let mut world = world(&upstream, &[("s1", "alice")], "timeout = \"5s\"\nrevocation_bound = \"400ms\"");
    for _ in 0..3 {
        world.redis().set("sess:s1", r#"{"user":{"id":"alice"}}"#);
        eventually("a login", || (status(world.gateway.public, "s1") == 200).then_some(()));
        warm(&world, "s1");
        world.gateway.process.signal("STOP");
        world.redis().delete("sess:s1");
        let deleted = Instant::now();
        eventually("the bound to pass", || (deleted.elapsed() > bound).then_some(()));
        let mut client = Client::connect(world.gateway.public);
        client.send(Ask::get("/x").cookie("sid=s1").bytes());
        world.gateway.process.signal("CONT");
        assert_ne!(client.response("GET").unwrap().status, 200);
    }
}

/// A figure rather than a claim: `cargo test --test it -- --ignored --nocapture weighs`.
#[test]
#[ignore = "takes a minute, to print a number"]
fn what_a_held_session_weighs() {
    const SESSIONS: usize = 40_000;
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, &[], PATIENT);
    let filler = "x".repeat(250);
    let client = redis::Client::open(world.redis().url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    for chunk in (0..SESSIONS).collect::<Vec<_>>().chunks(1000) {
        let mut pipeline = redis::pipe();
        for id in chunk {
            let record = format!(r#"{{"user":{{"id":"user{id}"}},"filler":"{filler}"}}"#);
            pipeline.cmd("SET").arg(format!("sess:s{id}")).arg(record).ignore();
        }
        pipeline.query::<()>(&mut connection).unwrap();
    }
    let mut clients: Vec<Client> = (0..8).map(|_| Client::connect(world.gateway.public)).collect();
    let mut ask = |id: usize| {
        let ask = Ask::get("/x").cookie(&format!("sid=s{id}"));
        assert_eq!(clients[id % 8].ask(&ask).status, 200);
    };
    (0..2000).for_each(&mut ask);
    let before = world.gateway.resident();
    (2000..SESSIONS).for_each(&mut ask);
    let held = metric(&world, "cloakroom_sessions_held", "");
    let bytes = (world.gateway.resident() - before) / (SESSIONS as u64 - 2000);
    println!("{held} sessions held, {bytes} bytes each, records of {} bytes", filler.len() + 40);
}

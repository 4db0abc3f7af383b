//! Streams end with their session, and with no other.

use crate::support::{Ask, Client, Running, Upstream, World, agreement, eventually};
use std::io::{BufRead, Read, Write};
use std::time::{Duration, Instant};

/// A lease so long that only a message can have ended a stream within a test's patience.
const PATIENT: &str = "timeout = \"5s\"\nrevocation_bound = \"60s\"";

/// What comes next of a body.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Chunk(String),
    /// The last chunk, as it should be.
    End,
    /// The connection, before the last chunk.
    Cut,
}

/// Sends a tick every few milliseconds on anything but a handshake, and sends back what a tunnel brings.
fn upstream() -> Upstream {
    Upstream::playing(|wire| {
        let Some(request) = wire.request() else { return };
        if let Some(key) = request.one("sec-websocket-key") {
            wire.say(agreement(key, ""));
            return wire.echo();
        }
        let kind = if request.target.contains("events") { "text/event-stream" } else { "application/json" };
        let (socket, _) = wire.socket();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut alive = socket.write_all(head.as_bytes()).is_ok();
        while alive {
            alive = socket.write_all(b"6\r\ntick\n\n\r\n").is_ok();
            std::thread::sleep(Duration::from_millis(5));
        }
    })
}

fn world(upstream: &Upstream, store: &str, route: &str) -> Running {
    World::with_sessions(&[("s1", "alice"), ("s2", "bob")])
        .workers(2)
        .store(store)
        .profile("guarded", "framework = \"json\"\ncookie = \"gid\"\nkey = \"sess:{id}\"\nsubject = \"user.id\"\nattributes = { role = \"role\" }\nsub = \"g:{subject}\"")
        .recorded("app", upstream)
        .route(&format!("path = \"/*\"\nupstream = \"app\"\nsessions = [\"app\"]\n{route}"))
        .route("path = \"/guarded/*\"\nupstream = \"app\"\nsessions = [\"guarded\"]\nrequire = { role = [\"admin\"] }")
        .start()
}

fn open(world: &Running, target: &str, cookie: &str) -> Client {
    let mut client = Client::connect(world.gateway.public);
    client.send(Ask::get(target).cookie(cookie).bytes());
    assert_eq!(client.head().expect("an answer").status, 200);
    assert_eq!(next(&mut client), Next::Chunk("tick\n\n".into()));
    client
}

fn socket(world: &Running, cookie: &str) -> Client {
    let mut client = Client::connect(world.gateway.public);
    let ask = Ask::get("/ws").cookie(cookie).header("Connection", "Upgrade").header("Upgrade", "websocket");
    let ask =
        ask.header("Sec-WebSocket-Version", "13").header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    client.send(ask.bytes());
    assert_eq!(client.head().expect("an answer").status, 101);
    echo(&mut client);
    client
}

/// A frame there and back. The gateway does not look into it, so an unmasked one will do.
fn echo(client: &mut Client) {
    client.send(b"\x81\x05hello");
    assert_eq!(client.read_exact(7), b"\x81\x05hello");
}

fn next(client: &mut Client) -> Next {
    let mut line = String::new();
    if client.reader().read_line(&mut line).unwrap_or(0) == 0 {
        return Next::Cut;
    }
    let size = usize::from_str_radix(line.trim(), 16).unwrap();
    let mut chunk = vec![0; size + 2];
    if client.reader().read_exact(&mut chunk).is_err() {
        return Next::Cut;
    }
    chunk.truncate(size);
    if size == 0 { Next::End } else { Next::Chunk(String::from_utf8(chunk).unwrap()) }
}

/// How it ends.
fn end(client: &mut Client) -> Next {
    loop {
        match next(client) {
            Next::Chunk(_) => {}
            end => return end,
        }
    }
}

fn goes_on(client: &mut Client) {
    // More than what can lie in buffers on the way.
    let until = Instant::now() + Duration::from_millis(300);
    while Instant::now() < until {
        assert_eq!(next(client), Next::Chunk("tick\n\n".into()));
    }
}

fn metric(world: &Running, start: &str, with: &str) -> u64 {
    let page = world.gateway.internal("/metrics").text();
    let line = page.lines().find(|line| line.starts_with(start) && line.contains(with));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0, |value| value.parse().unwrap())
}

/// Until all of them are looked after.
fn held(world: &Running, streams: u64) {
    eventually("the streams to be held", || {
        (metric(world, "cloakroom_streams_open", "") == streams).then_some(())
    });
}

#[test]
fn a_revoked_users_websocket_gets_a_close_frame_and_another_users_goes_on() {
    let upstream = upstream();
    let mut world = world(&upstream, PATIENT, "");
    let (mut alice, mut again, mut bob) =
        (socket(&world, "sid=s1"), socket(&world, "sid=s1"), socket(&world, "sid=s2"));
    held(&world, 3);
    world.redis().delete("sess:s1");
    for client in [&mut alice, &mut again] {
        let frame = client.rest();
        assert_eq!(frame[..4], [0x88, 21, 0x03, 0xf0], "a close frame with 1008");
        assert_eq!(frame[4..], *b"the session is over");
    }
    echo(&mut bob);
    let line = world.gateway.line(|line| line["decision"] == "closed");
    assert_eq!((&line["reason"], &line["status"]), (&"session-revoked".into(), &101.into()));
    assert_eq!((&line["path"], &line["profile"]), (&"/ws".into(), &"app".into()));
    assert_eq!(metric(&world, "cloakroom_streams_closed_total", "session-revoked"), 2);
    held(&world, 1);
}

#[test]
fn a_websocket_in_the_middle_of_a_frame_is_cut() {
    let upstream = upstream();
    let mut world = world(&upstream, PATIENT, "");
    let mut alice = socket(&world, "sid=s1");
    alice.send(b"\x81\x05he");
    assert_eq!(alice.read_exact(4), b"\x81\x05he");
    held(&world, 1);
    world.redis().delete("sess:s1");
    assert_eq!(alice.rest(), b"", "a frame of ours would pass for the rest of this one");
}

#[test]
fn events_end_and_a_part_of_something_else_does_not_pass_for_the_whole() {
    let upstream = upstream();
    let mut world = world(&upstream, PATIENT, "");
    let mut events = open(&world, "/events", "sid=s1");
    let mut download = open(&world, "/download", "sid=s1");
    let mut bob = open(&world, "/events", "sid=s2");
    held(&world, 3);
    world.redis().delete("sess:s1");
    assert_eq!(end(&mut events), Next::End);
    assert_eq!(end(&mut download), Next::Cut);
    goes_on(&mut bob);
    assert_eq!(world.ask(&Ask::get("/events").cookie("sid=s1")).status, 401);
}

#[test]
fn a_stream_ends_once_its_session_fails_the_routes_rule_or_is_anothers() {
    let upstream = upstream();
    let mut world = world(&upstream, PATIENT, "");
    let set = |world: &mut Running, id: &str, user: &str, role: &str| {
        let session = format!(r#"{{"user":{{"id":"{user}"}},"role":"{role}","seen":"{}"}}"#, id.len());
        world.redis().set(&format!("sess:{id}"), &session);
    };
    for id in ["s1", "s2", "s3"] {
        set(&mut world, id, "alice", "admin");
    }
    let mut one = open(&world, "/guarded/events", "gid=s1");
    let mut two = open(&world, "/guarded/events", "gid=s2");
    let mut three = open(&world, "/events", "sid=s3");
    held(&world, 3);
    world.redis().command::<()>(&["EXPIRE", "sess:s2", "1000"]);
    let seen = r#"{"user":{"id":"alice"},"role":"admin","cart":[1,2,3]}"#;
    world.redis().set("sess:s2", seen);
    set(&mut world, "s1", "alice", "guest");
    assert_eq!(end(&mut one), Next::End);
    goes_on(&mut two);
    goes_on(&mut three);
    world.redis().set("sess:s3", r#"{"user":{"id":"carol"}}"#);
    assert_eq!(end(&mut three), Next::End);
    for route in ["route=\"/*\"", "route=\"/guarded/*\""] {
        assert_eq!(metric(&world, "cloakroom_streams_closed_total", route), 1);
    }
    goes_on(&mut two);
}

#[test]
fn a_stream_ends_with_the_sessions_ttl_and_not_before() {
    let upstream = upstream();
    let mut world = world(&upstream, PATIENT, "");
    let (mut alice, mut bob) = (open(&world, "/events", "sid=s1"), open(&world, "/events", "sid=s2"));
    world.redis().command::<()>(&["PEXPIRE", "sess:s1", "400"]);
    world.redis().command::<()>(&["PEXPIRE", "sess:s2", "1500"]);
    // The app keeps this one alive.
    world.redis().command::<()>(&["EXPIRE", "sess:s2", "1000"]);
    assert_eq!(end(&mut alice), Next::End);
    std::thread::sleep(Duration::from_millis(1600));
    goes_on(&mut bob);
    let line = world.gateway.line(|line| line["decision"] == "closed");
    let reason = line["reason"].as_str().unwrap();
    // Redis may delete the key a moment before the gateway's clock says that it is over.
    assert!(["session-expired", "session-revoked"].contains(&reason), "{line}");
}

#[test]
fn without_messages_the_store_is_asked_within_the_bound() {
    let upstream = upstream();
    let mut world =
        world(&upstream, "timeout = \"5s\"\nrevocation_bound = \"2s\"\nfreshness = \"strict\"", "");
    let (mut alice, mut bob) = (open(&world, "/events", "sid=s1"), open(&world, "/events", "sid=s2"));
    held(&world, 2);
    world.redis().delete("sess:s1");
    assert_eq!(end(&mut alice), Next::End);
    goes_on(&mut bob);
}

#[test]
fn a_flush_ends_all_within_the_bound() {
    let upstream = upstream();
    let mut world = world(&upstream, "timeout = \"5s\"\nrevocation_bound = \"2s\"", "");
    let (mut alice, mut bob) = (open(&world, "/events", "sid=s1"), socket(&world, "sid=s2"));
    held(&world, 2);
    world.redis().command::<()>(&["FLUSHALL"]);
    assert_eq!(end(&mut alice), Next::End);
    bob.rest();
}

#[test]
fn a_store_that_cannot_be_asked_ends_streams_as_the_policy_says() {
    let upstream = upstream();
    let quick = "timeout = \"100ms\"\nrevocation_bound = \"2s\"";
    let mut denying = world(&upstream, quick, "");
    let mut knowing = world(&upstream, quick, "outage = { serve_known = \"60s\" }");
    let (mut alice, mut bob) = (socket(&denying, "sid=s1"), open(&knowing, "/events", "sid=s2"));
    held(&denying, 1);
    held(&knowing, 1);
    denying.redis().kill();
    knowing.redis().kill();
    let frame = alice.rest();
    assert_eq!(frame[..4], [0x88, 38, 0x03, 0xf5], "come again later: {frame:?}");
    assert_eq!(metric(&denying, "cloakroom_streams_closed_total", "store-unavailable"), 1);
    goes_on(&mut bob);
    std::thread::sleep(Duration::from_millis(2500));
    goes_on(&mut bob);
}

#[test]
fn a_route_may_keep_its_streams() {
    let upstream = upstream();
    let mut world = world(&upstream, PATIENT, "streams = \"keep\"");
    let mut alice = open(&world, "/events", "sid=s1");
    world.redis().delete("sess:s1");
    eventually("the deletion to be seen", || {
        let mut client = Client::connect(world.gateway.public);
        client.send(Ask::get("/download").cookie("sid=s1").bytes());
        (client.head()?.status == 401).then_some(())
    });
    goes_on(&mut alice);
}

#[test]
fn short_answers_are_not_looked_after() {
    let upstream = Upstream::echoing();
    let world = world(&upstream, PATIENT, "");
    for _ in 0..20 {
        assert_eq!(world.ask(&Ask::get("/x").cookie("sid=s1")).status, 200);
    }
    assert_eq!(metric(&world, "cloakroom_streams_open", ""), 0);
}

/// How long it takes from the deletion to the end, over a number of streams; printed, and judged by the bound alone.
#[test]
fn how_soon_streams_end() {
    const STREAMS: usize = 100;
    let upstream = upstream();
    let mut world = world(&upstream, PATIENT, "");
    for at in 0..STREAMS {
        world.redis().set(&format!("sess:m{at}"), r#"{"user":{"id":"alice"}}"#);
    }
    let mut clients: Vec<Client> =
        (0..STREAMS).map(|at| open(&world, "/events", &format!("sid=m{at}"))).collect();
    held(&world, STREAMS as u64);
    let mut took = Vec::new();
    for (at, client) in clients.iter_mut().enumerate() {
        world.redis().delete(&format!("sess:m{at}"));
        let deleted = Instant::now();
        assert_eq!(end(client), Next::End);
        took.push(deleted.elapsed());
    }
    took.sort_unstable();
    let _ = writeln!(
        std::io::stdout(),
        "{STREAMS} streams ended after DEL: p50 {:?}, p99 {:?}, worst {:?}",
        took[STREAMS / 2],
        took[STREAMS * 99 / 100],
        took[STREAMS - 1]
    );
    assert!(took[STREAMS - 1] < Duration::from_secs(60));
}

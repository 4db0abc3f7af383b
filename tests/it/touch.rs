//! `idle_touch = "gateway"`: who only uses routes that bypass the app stays logged in, as if the app had seen them.

use crate::support::{Ask, Response, Running, Upstream, World, eventually};
use std::time::Duration;

const PATIENT: &str = "timeout = \"5s\"\nrevocation_bound = \"60s\"";
/// The user of the files under `deploy/redis`.
const USER: &str =
    "timeout = \"5s\"\nusername = \"cloakroom\"\npassword = { insecure_literal = \"cloakroom-password\" }";
const TOUCHED: &str = "framework = \"json\"\ncookie = \"sid\"\nkey = \"sess:{id}\"\nsubject = \"user.id\"\nidle_touch = { gateway = \"1000s\" }";
const ALICE: &str = r#"{"user":{"id":"alice"}}"#;

fn world(upstream: &Upstream, profile: &str) -> World {
    World::new()
        .workers(2)
        .store(PATIENT)
        .profile("app", profile)
        .recorded("app", upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
        .route("path = \"/app/*\"\nupstream = \"app\"\naccess = \"open\"")
}

fn ask(world: &Running) -> Response {
    world.ask(&Ask::get("/x").cookie("sid=s1"))
}

fn left(world: &mut Running, key: &str) -> i64 {
    world.redis().command(&["PTTL", key])
}

/// Milliseconds since 1970.
fn now() -> u64 {
    cloakroom::clock::Clock::System.now().as_millis()
}

fn metric(world: &Running, with: &str) -> u64 {
    let page = world.gateway.internal("/metrics").text();
    let line =
        page.lines().find(|line| line.starts_with("cloakroom_session_touches_total") && line.contains(with));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0, |value| value.parse().unwrap())
}

#[test]
fn a_session_in_use_is_extended_once_in_a_tenth_of_its_life() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, TOUCHED).start();
    world.redis().command::<()>(&["SET", "sess:s1", ALICE, "EX", "950"]);
    for _ in 0..20 {
        assert_eq!(ask(&world).status, 200);
    }
    assert_eq!(metric(&world, "extended"), 0, "nine tenths are left");
    world.redis().command::<()>(&["EXPIRE", "sess:s1", "500"]);
    eventually("the touch", || {
        assert_eq!(ask(&world).status, 200);
        (metric(&world, "extended") == 1).then_some(())
    });
    assert!(left(&mut world, "sess:s1") > 900_000);
    for _ in 0..50 {
        assert_eq!(ask(&world).status, 200);
    }
    assert_eq!(metric(&world, "extended"), 1);
}

#[test]
fn our_own_touch_is_no_change_to_session_and_token() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, TOUCHED).start();
    world.redis().command::<()>(&["SET", "sess:s1", ALICE, "EX", "950"]);
    let token = ask(&world).echoed("authorization");
    world.redis().command::<()>(&["EXPIRE", "sess:s1", "600"]);
    eventually("the touch", || {
        assert_eq!(ask(&world).echoed("authorization"), token);
        (metric(&world, "extended") == 1).then_some(())
    });
    for _ in 0..20 {
        assert_eq!(ask(&world).echoed("authorization"), token);
    }
}

#[test]
fn without_a_time_of_its_own_a_session_gets_back_what_it_had() {
    let upstream = Upstream::echoing();
    let profile = TOUCHED.replace("{ gateway = \"1000s\" }", "\"gateway\"");
    let mut world = world(&upstream, &profile).start();
    world.redis().command::<()>(&["SET", "sess:s1", ALICE, "EX", "400"]);
    assert_eq!(ask(&world).status, 200);
    world.redis().command::<()>(&["EXPIRE", "sess:s1", "300"]);
    eventually("the touch", || {
        assert_eq!(ask(&world).status, 200);
        (metric(&world, "extended") == 1).then_some(())
    });
    let left = left(&mut world, "sess:s1");
    assert!((350_000..=400_000).contains(&left), "{left}");
}

#[test]
fn a_session_without_an_end_gets_none() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream, TOUCHED).start();
    world.redis().set("sess:s1", ALICE);
    for _ in 0..10 {
        assert_eq!(ask(&world).status, 200);
    }
    assert_eq!(left(&mut world, "sess:s1"), -1);
}

/// Deleted and due at the same time, over and over, for the two ways of touching: what is gone stays gone.
#[test]
fn what_is_deleted_never_comes_back() {
    let upstream = Upstream::echoing();
    let koa = "framework = \"koa\"\ncookie = \"sid\"\nkey = \"sess:{id}\"\nsigned = false\nsubject = \"user\"\nidle_touch = \"gateway\"";
    for (profile, kind) in [(TOUCHED, "json"), (koa, "koa")] {
        let mut world = world(&upstream, profile).start();
        let millis = now();
        let record = match kind {
            "koa" => format!(r#"{{"user":"alice","_expire":{},"_maxAge":86400000}}"#, millis + 40_000_000),
            _ => ALICE.to_owned(),
        };
        let public = world.gateway.public;
        let mut extended = 0;
        for round in 0..100 {
            let (key, cookie) = (format!("sess:r{round}"), format!("sid=r{round}"));
            world.redis().command::<()>(&["SET", &key, &record, "EX", "300"]);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| Ask::get("/x").cookie(&cookie).at(public));
                }
                if round % 2 == 1 {
                    std::thread::sleep(Duration::from_micros(200 * round));
                }
                world.redis().delete(&key);
            });
            extended = metric(&world, "extended");
            let found: u64 = world.redis().command(&["EXISTS", &key]);
            assert_eq!(found, 0, "{kind} {round}");
            // And nothing that is still under way brings it back.
            eventually("the deletion to be seen", || {
                (Ask::get("/x").cookie(&cookie).at(public).status == 401).then_some(())
            });
        }
        let keys: Vec<String> = world.redis().command(&["KEYS", "*"]);
        assert!(keys.is_empty(), "{kind}: {keys:?}");
        assert!(extended > 0, "{kind}: no touch ever met a session, so this showed nothing");
    }
}

#[test]
fn koa_gets_its_own_end_in_the_record_and_the_rest_byte_for_byte() {
    let upstream = Upstream::echoing();
    let koa = "framework = \"koa\"\ncookie = \"sid\"\nkey = \"sess:{id}\"\nsigned = false\nsubject = \"user\"\nidle_touch = \"gateway\"";
    let mut world = world(&upstream, koa).start();
    let now = now();
    let record = |end: u64| {
        format!(
            "{{\"user\":\"alice\",\"big\":12345678901234567890.10,\"_expire\":{end},\"_maxAge\":86400000}}"
        )
    };
    world.redis().command::<()>(&["SET", "sess:s1", &record(now + 40_000_000), "PX", "40010000"]);
    eventually("the touch", || {
        assert_eq!(ask(&world).status, 200);
        (metric(&world, "extended") == 1).then_some(())
    });
    let written: String = world.redis().command(&["GET", "sess:s1"]);
    let end: u64 = written.split("\"_expire\":").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    assert!(end >= now + 86_400_000);
    assert_eq!(written, record(end));
    let left = left(&mut world, "sess:s1");
    assert!((86_300_000..=86_410_000).contains(&left), "{left}");
}

/// Bytes that the real frameworks' capture holds: a Java Long, and what is around it.
fn java_long(value: u64) -> Vec<u8> {
    let class = b"\xac\xed\x00\x05sr\x00\x0ejava.lang.Long;\x8b\xe4\x90\xcc\x8f#\xdf\x02\x00\x01J\x00\x05valuexr\x00\x10java.lang.Number\x86\xac\x95\x1d\x0b\x94\xe0\x8b\x02\x00\x00xp";
    [class.as_slice(), &value.to_be_bytes()].concat()
}

fn java_integer(value: u32) -> Vec<u8> {
    let class = b"\xac\xed\x00\x05sr\x00\x11java.lang.Integer\x12\xe2\xa0\xa4\xf7\x81\x878\x02\x00\x01I\x00\x05valuexr\x00\x10java.lang.Number\x86\xac\x95\x1d\x0b\x94\xe0\x8b\x02\x00\x00xp";
    [class.as_slice(), &value.to_be_bytes()].concat()
}

/// A session as Spring wrote it, used when half of its half an hour was over.
pub(crate) struct SpringSession {
    pub(crate) key: String,
    pub(crate) left_ms: u64,
}

impl SpringSession {
    pub(crate) fn write(&self, redis: &mut redis::Connection) {
        let last = now() - 900_000;
        let mut hash = redis::cmd("HSET");
        hash.arg(&self.key).arg("creationTime").arg(java_long(last));
        hash.arg("lastAccessedTime").arg(java_long(last)).arg("maxInactiveInterval").arg(java_integer(1800));
        hash.arg("sessionAttr:name").arg(b"\xac\xed\x00\x05t\x00\x05alice");
        hash.query::<()>(redis).unwrap();
        redis::cmd("PEXPIRE").arg(&self.key).arg(self.left_ms).query::<()>(redis).unwrap();
    }
}

#[test]
fn spring_is_touched_as_its_two_repositories_do_it() {
    const ID: &str = "6b969749-3e3c-474a-a0fa-e0bced5e0ba5";
    let upstream = Upstream::echoing();
    let spring = "framework = \"spring\"\nengine = \"plain_cookie\"\nkey = \"shop:sess:sessions:{id}\"\nsubject = \"name\"\nidle_touch = \"gateway\"";
    for indexed in [false, true] {
        let mut world = world(&upstream, spring).start();
        let now = now();
        let last = now - 900_000;
        let key = format!("shop:sess:sessions:{ID}");
        let expires = format!("shop:sess:sessions:expires:{ID}");
        let minute = |end: u64| format!("shop:sess:expirations:{}", (end / 60_000 + 1) * 60_000);
        let member = [b"\xac\xed\x00\x05t\x00,expires:".as_slice(), ID.as_bytes()].concat();
        let client = redis::Client::open(world.redis().url()).unwrap();
        let mut redis = client.get_connection().unwrap();
        let grace = if indexed { 300_000 } else { 0 };
        SpringSession { key: key.clone(), left_ms: 900_000 + grace }.write(&mut redis);
        if indexed {
            redis::cmd("SET").arg(&expires).arg("").arg("PX").arg(900_000).query::<()>(&mut redis).unwrap();
            let old = minute(last + 1_800_000);
            redis::cmd("SADD").arg(&old).arg(&member).query::<()>(&mut redis).unwrap();
            redis::cmd("PEXPIRE").arg(&old).arg(2_100_000).query::<()>(&mut redis).unwrap();
        }
        let ask = Ask::get("/x").cookie(&format!("SESSION={ID}"));
        let token = world.ask(&ask).echoed("authorization");
        assert!(token.is_some());
        eventually("the touch", || (metric(&world, "extended") == 1).then_some(()));
        let last: Vec<u8> = redis::cmd("HGET").arg(&key).arg("lastAccessedTime").query(&mut redis).unwrap();
        let last = u64::from_be_bytes(last[last.len() - 8..].try_into().unwrap());
        assert!(last >= now, "{last} {now}");
        let left = left(&mut world, &key) - i64::try_from(grace).unwrap();
        assert!((1_700_000..=1_800_000).contains(&left), "{left}");
        if indexed {
            assert!(crate::touch::left(&mut world, &expires) > 1_700_000);
            let members: Vec<Vec<u8>> =
                redis::cmd("SMEMBERS").arg(minute(last + 1_800_000)).query(&mut redis).unwrap();
            assert_eq!(members, [member]);
            let sets: Vec<String> =
                redis::cmd("KEYS").arg("shop:sess:expirations:*").query(&mut redis).unwrap();
            assert_eq!(sets.len(), 1, "{sets:?}");
        }
        for _ in 0..20 {
            assert_eq!(world.ask(&ask).echoed("authorization"), token, "the same session, the same token");
        }
        assert_eq!(metric(&world, "extended"), 1);
        // A logout of the indexed repository leaves the hash, and a touch must leave that alone.
        redis::cmd("DEL").arg(&expires).query::<()>(&mut redis).unwrap();
        redis::cmd("HSET")
            .arg(&key)
            .arg("maxInactiveInterval")
            .arg(java_integer(0))
            .query::<()>(&mut redis)
            .unwrap();
        eventually("the logout", || (world.ask(&ask).status == 401).then_some(()));
    }
}

#[test]
fn an_open_stream_is_activity() {
    let upstream = Upstream::playing(|wire| {
        if wire.request().is_some() {
            wire.say(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            );
            wire.hear_out();
        }
    });
    let profile = TOUCHED.replace("1000s", "4s");
    let mut world = world(&upstream, &profile).store("timeout = \"5s\"\nrevocation_bound = \"2s\"").start();
    world.redis().command::<()>(&["SET", "sess:s1", ALICE, "EX", "4"]);
    let mut client = crate::support::Client::connect(world.gateway.public);
    client.send(Ask::get("/events").cookie("sid=s1").bytes());
    assert_eq!(client.head().unwrap().status, 200);
    std::thread::sleep(Duration::from_secs(6));
    assert!(left(&mut world, "sess:s1") > 1000, "it would have been over two seconds ago");
    drop(client);
    eventually("its end", || (left(&mut world, "sess:s1") == -2).then_some(()));
}

#[test]
fn the_cookie_is_sent_again_as_the_app_was_seen_to_do_it() {
    let upstream = Upstream::playing(|wire| {
        while let Some(request) = wire.request() {
            let cookie = if request.target == "/app/rolling" {
                "Set-Cookie: sid=s1; Path=/; Expires=Wed, 01 Jan 2098 00:00:00 GMT; HttpOnly; SameSite=Lax\r\n"
            } else if request.target == "/app/login" {
                "Set-Cookie: sid=other; Path=/wrong; Max-Age=77\r\n"
            } else {
                ""
            };
            wire.say(format!("HTTP/1.1 200 OK\r\n{cookie}Content-Length: 0\r\n\r\n"));
        }
    });
    let mut world = world(&upstream, TOUCHED).start();
    let mut touched = |after: &str| {
        world.ask(&Ask::get(after).cookie("sid=s1"));
        world.redis().command::<()>(&["SET", "sess:s1", ALICE, "EX", "950"]);
        eventually("the session", || (ask(&world).status == 200).then_some(()));
        let before = metric(&world, "extended");
        // Of this round alone: bytes that were touched a moment ago are left alone for a tenth of their life.
        let record = format!(r#"{{"user":{{"id":"bob after {after}"}}}}"#);
        world.redis().command::<()>(&["SET", "sess:s1", &record, "EX", "500"]);
        let mut cookies = Vec::new();
        eventually("the touch", || {
            cookies.extend(ask(&world).all("set-cookie").into_iter().map(str::to_owned));
            (metric(&world, "extended") > before).then_some(())
        });
        cookies
    };
    assert!(touched("/app/login").is_empty(), "what is set at a login is not set again by that");
    let cookies = touched("/app/rolling");
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    assert!(
        cookies[0].starts_with("sid=s1; Max-Age=")
            && cookies[0].ends_with("; Path=/; HttpOnly; SameSite=Lax")
    );
}

#[test]
fn a_user_who_may_only_read_is_told_of_once() {
    let upstream = Upstream::echoing();
    let world = world(&upstream, TOUCHED).store(USER);
    world.redis().command::<()>(&["SET", "sess:s1", ALICE, "EX", "500"]);
    let acl = include_str!("../../deploy/redis/users.acl");
    load_users(&world, acl);
    let gateway = world.start_at(&world.redis().url());
    let said = |text: &str| text.matches("may not keep sessions alive").count();
    gateway.process.err.wait_for("the warning", |text| (said(text) > 0).then_some(()));
    for _ in 0..10 {
        assert_eq!(Ask::get("/x").cookie("sid=s1").at(gateway.public).status, 200);
    }
    assert_eq!(said(&gateway.process.err.text()), 1);
}

#[test]
fn the_acl_for_touching_is_enough_and_writes_nothing_else() {
    let upstream = Upstream::echoing();
    let world = world(&upstream, TOUCHED).store(USER);
    world.redis().command::<()>(&["SET", "sess:s1", ALICE, "EX", "500"]);
    load_users(&world, include_str!("../../deploy/redis/touch.acl"));
    let url = format!("redis://cloakroom:cloakroom-password@127.0.0.1:{}/0", world.redis().port());
    let client = redis::Client::open(url.as_str()).unwrap();
    let mut redis = client.get_connection().unwrap();
    for denied in
        [vec!["SET", "other", "x"], vec!["EXPIRE", "other", "1"], vec!["FLUSHALL"], vec!["KEYS", "*"]]
    {
        let mut command = redis::cmd(denied[0]);
        let answer = command.arg(&denied[1..]).query::<redis::Value>(&mut redis);
        assert_eq!(answer.unwrap_err().code(), Some("NOPERM"), "{denied:?}");
    }
    let gateway = world.start_at(&world.redis().url());
    eventually("the touch", || {
        Ask::get("/x").cookie("sid=s1").at(gateway.public);
        let page = gateway.internal("/metrics").text();
        page.lines()
            .any(|line| line.contains("touches_total") && line.contains("extended") && line.ends_with(" 1"))
            .then_some(())
    });
    assert!(!gateway.process.err.text().contains("may not keep sessions alive"));
}

/// Loads the users of a file, but for the one that the test itself is.
fn load_users(world: &World, acl: &str) {
    for line in acl.lines().filter(|line| line.starts_with("user ") && !line.starts_with("user default")) {
        let command: Vec<&str> = ["ACL", "SETUSER"].into_iter().chain(line.split(' ').skip(1)).collect();
        world.redis().command::<()>(&command);
    }
}

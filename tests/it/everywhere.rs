//! Logging out everywhere: all sessions of a user, those that no gateway has seen among them.

use crate::support::{Ask, Gateway, READER, Redis, Response, Upstream, World, eventually, reader_of};

const ALICE: &str = r#"{"user":{"id":"alice"}}"#;

/// Gateways of one deployment share their keys.
fn keys_folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn world(upstream: &Upstream, keys: &tempfile::TempDir) -> World {
    World::without_redis()
        .table(&format!("[tokens.keys]\ndirectory = \"{}\"", keys.path().display()))
        .profile("app", crate::support::SESSIONS)
        .table("[state]\n[logout]")
        .recorded("app", upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
}

/// Alice's sessions, and one of Bob's.
fn redis() -> Redis {
    let redis = Redis::start();
    for id in ["a1", "a2", "a3", "unseen"] {
        redis.set(&format!("sess:{id}"), ALICE);
    }
    redis.set("sess:b1", r#"{"user":{"id":"bob"}}"#);
    redis
}

fn get(gateway: &Gateway, id: &str) -> u16 {
    Ask::get("/x").cookie(&format!("sid={id}")).at(gateway.public).status
}

fn log_out(gateway: &Gateway, id: &str, which: &str) -> Response {
    let ask = Ask::new("POST", "/.cloakroom/logout").cookie(&format!("sid={id}"));
    let ask = ask.header("Content-Type", "application/x-www-form-urlencoded");
    ask.body(format!("sessions={which}")).at(gateway.public)
}

fn keys(redis: &mut Redis, pattern: &str) -> Vec<String> {
    let mut keys: Vec<String> = redis.command(&["KEYS", pattern]);
    keys.sort();
    keys
}

#[test]
fn all_sessions_of_a_user_end_at_every_gateway_and_nobody_elses() {
    let (upstream, mut redis) = (Upstream::echoing(), redis());
    let shared = keys_folder();
    let world = world(&upstream, &shared);
    let (one, other) = (world.start_beside(&redis), world.start_beside(&redis));
    for id in ["a1", "a2", "b1"] {
        assert_eq!((get(&one, id), get(&other, id)), (200, 200), "{id}");
    }
    assert_eq!(log_out(&one, "a1", "all").status, 204);
    for id in ["a1", "a2", "unseen"] {
        assert_eq!(get(&one, id), 401, "{id}");
    }
    eventually("the search to end", || (keys(&mut redis, "sess:*") == ["sess:b1"]).then_some(()));
    for id in ["a1", "a2", "a3", "unseen"] {
        assert_eq!((get(&one, id), get(&other, id)), (401, 401), "{id}");
    }
    assert_eq!((get(&one, "b1"), get(&other, "b1")), (200, 200));
    // A login under the same id is another session.
    redis.set("sess:a1", r#"{"user":{"id":"alice"},"again":true}"#);
    eventually("a login to count again", || {
        (get(&one, "a1") == 200 && get(&other, "a1") == 200).then_some(())
    });
}

#[test]
fn the_session_that_asks_can_be_spared() {
    let (upstream, mut redis) = (Upstream::echoing(), redis());
    let shared = keys_folder();
    let gateway = world(&upstream, &shared).start_beside(&redis);
    let left = log_out(&gateway, "a1", "all-but-this");
    assert_eq!((left.status, left.all("set-cookie").len()), (204, 0));
    eventually("the search to end", || (keys(&mut redis, "sess:*") == ["sess:a1", "sess:b1"]).then_some(()));
    assert_eq!((get(&gateway, "a1"), get(&gateway, "a2"), get(&gateway, "b1")), (200, 401, 200));
}

/// A request that the app was working on when the session ended saves it, as many frameworks do at the end of each.
#[test]
fn a_record_that_an_app_writes_again_after_the_end_opens_nothing_and_a_new_login_does() {
    let (upstream, redis) = (Upstream::echoing(), redis());
    let shared = keys_folder();
    let world = world(&upstream, &shared);
    let (one, other) = (world.start_beside(&redis), world.start_beside(&redis));
    assert_eq!((get(&one, "a1"), get(&other, "a1")), (200, 200));
    assert_eq!(log_out(&one, "a1", "this").status, 204);
    redis.set("sess:a1", ALICE);
    assert_eq!(get(&one, "a1"), 401);
    eventually("the other gateway to know", || (get(&other, "a1") == 401).then_some(()));
    assert_eq!(one.line(|line| line["reason"] == "revoked")["refusal"], "login-required");
    assert_eq!(get(&one, "a2"), 200);
    redis.set("sess:a1", r#"{"user":{"id":"alice"},"login":2}"#);
    eventually("the new login to count", || {
        (get(&one, "a1") == 200 && get(&other, "a1") == 200).then_some(())
    });
}

#[test]
fn what_is_noted_of_sessions_opens_none() {
    let (upstream, mut redis) = (Upstream::echoing(), redis());
    let shared = keys_folder();
    let gateway = world(&upstream, &shared).start_beside(&redis);
    // Long enough to be in what is kept by no chance.
    let id = "session-of-alice-3c5f9d";
    redis.set(&format!("sess:{id}"), r#"{"user":{"id":"alice"}}"#);
    assert_eq!(get(&gateway, id), 200);
    let noted = [keys(&mut redis, "cloakroom:sid:*"), keys(&mut redis, "cloakroom:user:*")].concat();
    assert_eq!(noted.len(), 2, "{noted:?}");
    for key in noted {
        let kept: Vec<Vec<u8>> = redis.command(&["HGETALL", &key]);
        let left: i64 = redis.command(&["PTTL", &key]);
        assert!(left > 0, "it goes by itself");
        let kept = [key.into_bytes(), kept.concat()].concat();
        for secret in [id, "alice"] {
            assert!(!kept.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
        }
    }
}

#[test]
fn where_nothing_can_be_kept_nothing_is_half_done() {
    let upstream = Upstream::echoing();
    let (redis, mut kept) = (redis(), Redis::start());
    let world = World::without_redis()
        .profile("app", &format!("{}\nstore = \"app\"", crate::support::SESSIONS))
        .table(&format!("[stores.own]\nurl = \"{}\"\ntimeout = \"5s\"", kept.url()))
        .table("[state]\nstore = \"own\"\n[logout]")
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"");
    let gateway = world.start_beside(&redis);
    assert_eq!(get(&gateway, "a1"), 200);
    kept.kill();
    let refused = log_out(&gateway, "a1", "all");
    assert_eq!((refused.status, refused.refusal()), (503, Some("store-unavailable")));
    assert!(refused.all("set-cookie").is_empty());
    assert_eq!((get(&gateway, "a1"), get(&gateway, "a2")), (200, 200));
    assert_eq!(log_out(&gateway, "a1", "some").refusal(), Some("invalid-request"));
}

/// The gateway that searches is gone, and half a minute later, which is not waited for here, another has it.
#[test]
fn a_search_goes_on_at_another_gateway_when_the_first_ends_in_it() {
    let (upstream, mut redis) = (Upstream::echoing(), redis());
    // So many keys that the search takes longer than what follows.
    let fill = "for i = 1, 20000 do redis.call('SET', 'sess:other' .. i, '{}') end";
    redis.command::<()>(&["EVAL", fill, "0"]);
    let shared = keys_folder();
    let world = world(&upstream, &shared);
    let mut one = world.start_beside(&redis);
    assert_eq!(get(&one, "a1"), 200);
    assert_eq!(log_out(&one, "a1", "all").status, 204);
    let open = "cloakroom:searches:open";
    let (search, lease) = eventually("the search to begin", || {
        let mut open: Vec<String> = redis.command(&["HGETALL", open]);
        let lease = open.pop().filter(|lease| !lease.starts_with("0:"))?;
        Some((open.pop()?, lease))
    });
    one.process.kill();
    assert!(!search.contains("alice") && search.contains("\"app\""), "{search}");
    assert!(!one.process.err.text().contains("have ended"));
    let (_, since) = lease.split_once(':').unwrap();
    redis.command::<()>(&["HSET", open, &search, &format!("1:{since}")]);
    let other = world.start_beside(&redis);
    other.process.err.wait_for("the search to end", |text| text.contains("have ended").then_some(()));
    assert_eq!(keys(&mut redis, "sess:a*").len() + keys(&mut redis, "sess:unseen").len(), 0);
    eventually("nothing to be wanted", || {
        let open: Vec<String> = redis.command(&["HGETALL", open]);
        open.is_empty().then_some(())
    });
    assert_eq!((get(&other, "a2"), get(&other, "b1")), (401, 200));
}

#[test]
fn the_acl_for_logging_out_is_enough_to_find_all_sessions() {
    let shared = keys_folder();
    let upstream = Upstream::echoing();
    let redis = Redis::start_with(&reader_of(include_str!("../../deploy/redis/logout.acl")));
    for id in ["a1", "a2", "unseen"] {
        redis.set(&format!("sess:{id}"), ALICE);
    }
    let gateway =
        world(&upstream, &shared).store(&format!("timeout = \"5s\"\n{READER}")).start_beside(&redis);
    assert_eq!((get(&gateway, "a1"), get(&gateway, "a2")), (200, 200));
    assert_eq!(log_out(&gateway, "a1", "all").status, 204);
    gateway.process.err.wait_for("the search", |text| text.contains("have ended").then_some(()));
    assert_eq!((get(&gateway, "a2"), get(&gateway, "unseen")), (401, 401));
    let log = gateway.process.err.text();
    assert!(!log.contains("NOPERM") && !log.contains("cannot"), "{log}");
}

/// Without SCAN in its ACL the gateway ends what it knows of, and says that it cannot look for the rest.
#[test]
fn a_store_that_cannot_be_searched_is_told_of() {
    let (upstream, shared) = (Upstream::echoing(), keys_folder());
    let acl = include_str!("../../deploy/redis/touch.acl").replace("~sess:*", "~sess:* ~cloakroom:*");
    let acl = acl.replace(
        " +wait",
        " +wait +info +time +hdel +zadd +zrangebyscore +zremrangebyscore +zremrangebyrank",
    );
    let redis = Redis::start_with(&reader_of(&acl));
    for id in ["a1", "a2", "unseen"] {
        redis.set(&format!("sess:{id}"), ALICE);
    }
    let gateway =
        world(&upstream, &shared).store(&format!("timeout = \"5s\"\n{READER}")).start_beside(&redis);
    assert_eq!((get(&gateway, "a1"), get(&gateway, "a2")), (200, 200));
    assert_eq!(log_out(&gateway, "a1", "all").status, 204);
    assert_eq!((get(&gateway, "a1"), get(&gateway, "a2")), (401, 401));
    eventually("the mark to be lifted", || (get(&gateway, "unseen") == 200).then_some(()));
}

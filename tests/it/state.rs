//! Where the gateway keeps its own.

use crate::support::{READER, Redis, World, eventually, reader_of};

const STATE: &str = "[state]\nstore = \"app\"";

/// What `/ready?stores` says of the state: whether it can be kept, and what is wrong.
fn health(gateway: &crate::support::Gateway) -> (bool, String) {
    let stores = gateway.internal("/ready?stores").json()["stores"].clone();
    let stores = stores.as_array().unwrap();
    let state = stores.iter().find(|store| store["name"] == "state in app").expect("the state's line");
    (state["reachable"].as_bool().unwrap(), state["detail"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_gateway_waits_for_the_place_of_its_state_and_stays_ready_when_it_goes() {
    let mut redis = Redis::start();
    redis.kill();
    let gateway = World::without_redis().table(STATE).start_beside(&redis);
    let waiting = gateway.internal("/ready");
    assert_eq!(waiting.status, 503);
    assert!(waiting.text().contains("state in store app was not reached yet"), "{}", waiting.text());
    redis.start_again();
    eventually("readiness", || (gateway.internal("/ready").status == 200).then_some(()));
    assert_eq!(health(&gateway), (true, String::new()));
    redis.kill();
    eventually("the loss to be seen", || (!health(&gateway).0).then_some(()));
    assert_eq!(gateway.internal("/ready").status, 200);
}

#[test]
fn a_redis_that_evicts_is_warned_of_once_and_until_it_is_mended() {
    let redis = Redis::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let gateway = World::without_redis().table(STATE).start_beside(&redis);
    let said = |text: &str| text.matches("maxmemory-policy allkeys-lru").count();
    gateway.process.err.wait_for("the warning", |text| (said(text) > 0).then_some(()));
    let (reachable, detail) = health(&gateway);
    assert!(reachable && detail.contains("noeviction"), "{detail}");
    redis.command::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    eventually("the mended Redis", || (health(&gateway) == (true, String::new())).then_some(()));
    assert_eq!(said(&gateway.process.err.text()), 1);
}

#[test]
fn a_user_who_may_only_read_is_told_of_and_the_shipped_one_may_keep_state_and_no_more() {
    for (acl, fits) in [
        (include_str!("../../deploy/redis/users.acl"), false),
        (include_str!("../../deploy/redis/state.acl"), true),
    ] {
        let redis = Redis::start_with(&reader_of(acl));
        let gateway = World::without_redis().store(READER).table(STATE).start_beside(&redis);
        let (reachable, detail) = eventually("a look at it", || {
            let seen = health(&gateway);
            (seen.0 || !seen.1.is_empty()).then_some(seen)
        });
        assert_eq!(reachable, fits, "{detail}");
        assert_eq!(detail.contains("deploy/redis/state.acl"), !fits, "{detail}");
        if fits {
            let url = format!("redis://cloakroom:cloakroom-password@127.0.0.1:{}/0", redis.port());
            let mut user = redis::Client::open(url).unwrap().get_connection().unwrap();
            for denied in
                [vec!["GET", "sess:s1"], vec!["DEL", "sess:s1"], vec!["FLUSHALL"], vec!["KEYS", "*"]]
            {
                let answer = redis::cmd(denied[0]).arg(&denied[1..]).query::<redis::Value>(&mut user);
                assert_eq!(answer.unwrap_err().code(), Some("NOPERM"), "{denied:?}");
            }
        }
    }
}

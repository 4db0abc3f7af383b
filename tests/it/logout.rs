//! Logging out at the gateway.

use crate::support::{Ask, Client, READER, Upstream, World, eventually, reader_of};

const ROUTE: &str = "path = \"/*\"\nupstream = \"app\"";

fn log_out() -> Ask {
    Ask::new("POST", "/.cloakroom/logout")
}

#[test]
fn a_logout_is_a_post_of_our_own_pages_and_off_until_configured() {
    let world = World::with_sessions(&[("s1", "alice")]).start();
    assert_eq!(world.ask(&log_out().cookie("sid=s1").body("")).status, 404);
    let mut world = World::with_sessions(&[("s1", "alice")]).table("[logout]").start();
    assert_eq!(world.ask(&Ask::get("/.cloakroom/logout").cookie("sid=s1")).status, 405);
    let foreign = log_out().cookie("sid=s1").header("Sec-Fetch-Site", "cross-site").body("");
    assert_eq!(world.ask(&foreign).refusal(), Some("cross-site"));
    let found: u64 = world.redis().command(&["EXISTS", "sess:s1"]);
    assert_eq!(found, 1);
}

#[test]
fn a_logout_ends_the_session_its_pair_and_its_cookie_and_nobody_elses() {
    let upstream = Upstream::echoing();
    let mut world = World::with_sessions(&[("s1", "alice"), ("s2", "bob")])
        .table("[logout]\nthen = \"/goodbye\"\n[state]\n[pair]\naudience = \"orders\"\nrefresh = \"body\"")
        .recorded("app", &upstream)
        .route(ROUTE)
        .start();
    for id in ["s1", "s2"] {
        assert_eq!(world.ask(&Ask::get("/x").cookie(&format!("sid={id}"))).status, 200);
    }
    let pair = world.ask(&Ask::new("POST", "/.cloakroom/token").cookie("sid=s1").body("")).json();
    let left = world.ask(&log_out().cookie("sid=s1").body(""));
    assert_eq!((left.status, left.header("cache-control")), (204, Some("no-store")));
    assert_eq!(left.all("set-cookie"), ["sid=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"]);
    assert_eq!(world.ask(&Ask::get("/x").cookie("sid=s1")).status, 401, "at once, here");
    let keys: Vec<String> = world.redis().command(&["KEYS", "sess:*"]);
    assert_eq!(keys, ["sess:s2"]);
    let refresh = Ask::new("POST", "/.cloakroom/refresh").header("Content-Type", "application/json");
    let refresh = refresh.body(format!("{{\"refresh_token\":{}}}", pair["refresh_token"]));
    assert_eq!(world.ask(&refresh).refusal(), Some("invalid-grant"));
    assert_eq!(world.ask(&Ask::get("/x").cookie("sid=s2")).status, 200);
    let again = world.ask(&log_out().cookie("sid=s1").body(""));
    assert_eq!(again.status, 204, "who is out already is out");
    let form = world.ask(&log_out().cookie("sid=s2").header("Accept", "text/html,*/*").body(""));
    assert_eq!((form.status, form.header("location")), (303, Some("/goodbye")));
    let outcomes: Vec<_> = eventually("the lines", || {
        let lines = world.gateway.lines();
        let own: Vec<String> =
            lines.iter().filter_map(|line| Some(line["own"].as_str()?.to_owned())).collect();
        (own.len() == 5).then_some(own)
    });
    assert_eq!(outcomes, ["opened", "ended", "refresh-unknown", "nothing-to-end", "ended"]);
}

#[test]
fn an_open_stream_ends_with_a_logout() {
    let upstream = Upstream::playing(|wire| {
        if wire.request().is_some() {
            wire.say(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            );
            wire.hear_out();
        }
    });
    let world = World::with_sessions(&[("s1", "alice")])
        .table("[logout]")
        .recorded("app", &upstream)
        .route(ROUTE)
        .start();
    let mut stream = Client::connect(world.gateway.public);
    stream.send(Ask::get("/events").cookie("sid=s1").bytes());
    assert_eq!(stream.head().unwrap().status, 200);
    assert_eq!(world.ask(&log_out().cookie("sid=s1").body("")).status, 204);
    assert_eq!(world.gateway.line(|line| line["decision"] == "closed")["path"], "/events");
    drop(stream);
}

#[test]
fn a_session_that_we_may_not_delete_goes_on_and_that_is_said() {
    let redis = crate::support::Redis::start_with(&reader_of(include_str!("../../deploy/redis/users.acl")));
    redis.set("sess:s1", r#"{"user":{"id":"alice"}}"#);
    let upstream = Upstream::echoing();
    let world = World::without_redis()
        .store(&format!("timeout = \"5s\"\n{READER}"))
        .profile("app", crate::support::SESSIONS)
        .table("[logout]")
        .recorded("app", &upstream)
        .route(ROUTE);
    let gateway = world.start_beside(&redis);
    let response = log_out().cookie("sid=s1").body("").at(gateway.public);
    assert_eq!((response.status, response.refusal()), (503, Some("store-unavailable")));
    assert!(response.all("set-cookie").is_empty(), "the cookie still opens it");
    assert!(
        gateway.line(|line| line["path"] == "/.cloakroom/logout")["reason"]
            .as_str()
            .unwrap()
            .contains("NOPERM")
    );
    assert_eq!(Ask::get("/x").cookie("sid=s1").at(gateway.public).status, 200);
}

#[test]
fn cookies_are_cleared_for_the_domain_and_path_that_the_app_gave_them() {
    let world = World::with_sessions(&[("s1", "alice")])
        .table("[logout]\npath = \"/shop\"\ndomain = \"gw.test\"")
        .start();
    let left = world.ask(&log_out().cookie("sid=s1").body(""));
    let rest = "HttpOnly; SameSite=Lax; Max-Age=0";
    let both = [format!("sid=; Path=/shop; {rest}"), format!("sid=; Path=/shop; Domain=gw.test; {rest}")];
    assert_eq!(left.all("set-cookie"), both);
}

/// The hash stays with an interval of none, for the listeners of the app; its second key goes, which is what wakes them.
#[test]
fn a_session_of_springs_indexed_repository_ends_as_spring_ends_it() {
    let profile =
        "framework = \"spring\"\nserializer = \"json\"\nsubject = \"user\"\nengine = \"plain_cookie\"";
    let upstream = Upstream::echoing();
    let mut world = World::new()
        .profile("app", profile)
        .table("[logout]")
        .recorded("app", &upstream)
        .route(ROUTE)
        .start();
    let now = crate::support::now() * 1000;
    let fields = ["creationTime", "lastAccessedTime", "maxInactiveInterval", "sessionAttr:user"];
    for id in ["one", "two"] {
        let key = format!("spring:session:sessions:{id}");
        for (field, value) in
            fields.iter().zip([now.to_string(), now.to_string(), "1800".into(), "\"alice\"".into()])
        {
            world.redis().command::<()>(&["HSET", &key, field, &value]);
        }
    }
    world.redis().command::<()>(&["SET", "spring:session:sessions:expires:one", ""]);
    for id in ["one", "two"] {
        assert_eq!(world.ask(&Ask::get("/x").cookie(&format!("SESSION={id}"))).status, 200, "{id}");
        assert_eq!(world.ask(&log_out().cookie(&format!("SESSION={id}")).body("")).status, 204, "{id}");
        assert_eq!(world.ask(&Ask::get("/x").cookie(&format!("SESSION={id}"))).status, 401, "{id}");
    }
    let keys: Vec<String> = world.redis().command(&["KEYS", "*"]);
    assert_eq!(keys, ["spring:session:sessions:one"]);
    let interval: String = world.redis().command(&["HGET", &keys[0], "maxInactiveInterval"]);
    let left: i64 = world.redis().command(&["PTTL", &keys[0]]);
    assert!(interval == "0" && left > 0, "{interval} {left}");
}

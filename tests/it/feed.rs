//! What was ended, for services that cannot wait.

use crate::support::{Ask, Client, Upstream, World, eventually};
use std::io::BufRead;

fn world(upstream: &Upstream) -> World {
    World::with_sessions(&[("s1", "alice"), ("s2", "alice"), ("s3", "bob")])
        .table("[state]\n[logout]")
        .recorded("app", upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
}

fn log_out(id: &str, which: &str) -> Ask {
    let ask = Ask::new("POST", "/.cloakroom/logout").cookie(&format!("sid={id}"));
    ask.header("Content-Type", "application/x-www-form-urlencoded").body(format!("sessions={which}"))
}

#[test]
fn where_nothing_can_be_ended_there_is_no_list() {
    let world = World::new().start();
    assert_eq!(world.gateway.internal("/revoked").status, 404);
    let upstream = Upstream::echoing();
    let world = self::world(&upstream).start();
    let post = Ask::new("POST", "/revoked").body("").at(world.gateway.internal);
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(world.get("/revoked").status, 401, "not on the public port: that one is the app's");
}

#[test]
fn the_list_names_the_sessions_that_ended_and_its_tag_changes_with_it() {
    let upstream = Upstream::echoing();
    let world = self::world(&upstream).start();
    let ids = ["s1", "s2", "s3"];
    let sids: Vec<String> = ids
        .iter()
        .map(|id| {
            assert_eq!(world.ask(&Ask::get(&format!("/{id}")).cookie(&format!("sid={id}"))).status, 200);
            let line = world.gateway.line(|line| line["path"] == format!("/{id}"));
            line["sid"].as_str().unwrap().to_owned()
        })
        .collect();
    let empty = world.gateway.internal("/revoked");
    assert_eq!(empty.json()["sessions"].as_array().unwrap().len(), 0);
    assert_eq!(empty.json()["keep"], 35, "the life of a token and the skew");
    let poll = |tag: &str| Ask::get("/revoked").header("If-None-Match", tag).at(world.gateway.internal);
    let tag = empty.header("etag").unwrap();
    assert_eq!((poll(tag).status, poll(tag).body.len()), (304, 0));
    assert_eq!(world.ask(&log_out("s1", "all")).status, 204);
    let changed = poll(tag);
    assert_eq!(changed.status, 200);
    let mut named: Vec<String> = changed.json()["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            assert!(entry["at"].as_u64().unwrap() <= crate::support::now());
            entry["sid"].as_str().unwrap().to_owned()
        })
        .collect();
    named.sort();
    let mut ended = sids[..2].to_vec();
    ended.sort();
    assert_eq!(named, ended);
}

#[test]
fn a_stream_says_what_has_ended_and_what_ends_and_at_every_gateway() {
    let (upstream, shared) = (Upstream::echoing(), tempfile::tempdir().unwrap());
    let world =
        self::world(&upstream).table(&format!("[tokens.keys]\ndirectory = \"{}\"", shared.path().display()));
    let redis = crate::support::Redis::start();
    for id in ["s1", "s2"] {
        redis.set(&format!("sess:{id}"), r#"{"user":{"id":"alice"}}"#);
    }
    let (one, other) = (world.start_beside(&redis), world.start_beside(&redis));
    assert_eq!(log_out("s1", "this").at(one.public).status, 204);
    eventually("the other gateway to know", || {
        let list = other.internal("/revoked").json();
        (list["sessions"].as_array().unwrap().len() == 1).then_some(())
    });
    let mut stream = Client::connect(other.internal);
    stream.send(Ask::get("/revoked").header("Accept", "text/event-stream").bytes());
    let head = stream.head().unwrap();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    let mut next = || {
        let mut line = String::new();
        while !line.starts_with("data: ") {
            line.clear();
            stream.reader().read_line(&mut line).unwrap();
        }
        let data: serde_json::Value = serde_json::from_str(line.trim_start_matches("data: ")).unwrap();
        data["sid"].as_str().unwrap().to_owned()
    };
    let first = next();
    assert_eq!(log_out("s2", "this").at(one.public).status, 204);
    assert_ne!(next(), first);
}

#[test]
fn a_token_that_its_service_ends_is_active_no_more_and_on_the_list() {
    let upstream = Upstream::echoing();
    let world = self::world(&upstream)
        .environment("SECRET", "a secret of the service")
        .environment("OTHER", "a secret of other's")
        .table("[clients.app]\nsecrets = [{ env = \"SECRET\" }]\n[clients.other]\nsecrets = [{ env = \"OTHER\" }]")
        .start();
    let given = world.ask(&Ask::get("/x").cookie("sid=s1")).echoed("authorization").unwrap();
    let given = given.strip_prefix("Bearer ").unwrap().to_owned();
    let post = |path: &str, client: &str, token: &str| {
        use base64::Engine;
        let basic = base64::engine::general_purpose::STANDARD.encode(match client {
            "app" => "app:a+secret+of+the+service",
            _ => "other:a+secret+of+other%27s",
        });
        let ask = Ask::new("POST", path).header("Authorization", &format!("Basic {basic}"));
        let ask = ask.header("Content-Type", "application/x-www-form-urlencoded");
        ask.body(format!("token={token}")).at(world.gateway.internal)
    };
    for (client, token) in [("other", given.as_str()), ("app", "none-of-ours")] {
        assert_eq!(post("/revoke", client, token).status, 200, "RFC 7009: that is no mistake");
    }
    assert_eq!(post("/introspect", "app", &given).json()["active"], true);
    let jti = post("/introspect", "app", &given).json()["jti"].clone();
    assert_eq!(post("/revoke", "app", &given).status, 200);
    assert_eq!(post("/introspect", "app", &given).json()["active"], false);
    assert_eq!(world.gateway.internal("/revoked").json()["tokens"][0]["jti"], jti);
    assert_eq!(world.ask(&Ask::get("/x").cookie("sid=s1")).status, 200, "the session goes on");
}

/// The app deletes the record, as its own logout does. One that was only touched or never had a token is not told of.
#[test]
fn a_session_that_its_app_ended_is_on_the_list_of_every_gateway() {
    let (upstream, shared) = (Upstream::echoing(), tempfile::tempdir().unwrap());
    let world =
        self::world(&upstream).table(&format!("[tokens.keys]\ndirectory = \"{}\"", shared.path().display()));
    let redis = crate::support::Redis::start();
    for id in ["left", "touched", "unseen"] {
        redis.set(&format!("sess:{id}"), r#"{"user":{"id":"alice"}}"#);
    }
    let (one, other) = (world.start_beside(&redis), world.start_beside(&redis));
    let sids = ["left", "touched"].map(|id| {
        assert_eq!(Ask::get(&format!("/{id}")).cookie(&format!("sid={id}")).at(one.public).status, 200);
        let line = one.line(|line| line["path"] == format!("/{id}"));
        line["sid"].as_str().unwrap().to_owned()
    });
    redis.command::<()>(&["EXPIRE", "sess:touched", "500"]);
    redis.delete("sess:unseen");
    redis.delete("sess:left");
    for gateway in [&one, &other] {
        let listed = eventually("the list", || {
            let list = gateway.internal("/revoked").json();
            let sessions = list["sessions"].as_array().unwrap().clone();
            (!sessions.is_empty()).then_some(sessions)
        });
        let listed: Vec<&str> = listed.iter().map(|entry| entry["sid"].as_str().unwrap()).collect();
        assert_eq!(listed, [&sids[0]]);
    }
    assert_eq!(Ask::get("/x").cookie("sid=touched").at(one.public).status, 200);
    assert_eq!(Ask::get("/x").cookie("sid=left").at(one.public).status, 401);
    redis.delete("sess:touched");
    eventually("the other one", || {
        let list = other.internal("/revoked").json();
        (list["sessions"].as_array().unwrap().len() == 2).then_some(())
    });
}

//! A Redis that is not there, does not answer, or is no primary any more.

use crate::support::{Ask, Client, Gateway, Redis, Response, Running, Upstream, World, eventually};
use std::time::{Duration, Instant};

const BOUND: Duration = Duration::from_secs(1);
const STORE: &str = "timeout = \"250ms\"\nrevocation_bound = \"1s\"";

/// Sessions of alice, behind one route of each policy.
fn world(upstream: &Upstream) -> Running {
    World::with_sessions(&[("s1", "alice"), ("s2", "bob")])
        .store(STORE)
        .recorded("app", upstream)
        .route("path = \"/deny\"\nupstream = \"app\"")
        .route("path = \"/strict\"\nupstream = \"app\"\nfreshness = \"strict\"")
        .route("path = \"/open\"\nupstream = \"app\"\naccess = \"open\"")
        .route("path = \"/nobody\"\nupstream = \"app\"\naccess = \"optional\"\noutage = \"anonymous\"")
        .route("path = \"/known\"\nupstream = \"app\"\noutage = { serve_known = \"2s\" }")
        .start()
}

fn ask(gateway: &Gateway, path: &str, id: &str) -> Response {
    Ask::get(path).cookie(&format!("sid={id}")).at(gateway.public)
}

fn warm(gateway: &Gateway, path: &str) {
    eventually("a hit", || {
        ask(gateway, path, "s1");
        gateway.lines().last().filter(|line| line["session_from"] == "cache").map(|_| ())
    });
}

fn metric(gateway: &Gateway, start: &str, with: &str) -> u64 {
    let page = gateway.internal("/metrics").text();
    let line = page.lines().find(|line| line.starts_with(start) && line.contains(with));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0, |value| value.parse().unwrap())
}

/// Whatever becomes of Redis, no request that comes later than the bound after it fell silent is let in.
#[test]
fn a_silent_redis_is_believed_for_the_bound_and_no_longer() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream);
    warm(&world.gateway, "/deny");
    world.redis().freeze();
    // The last heartbeat it answered was sent before.
    let silent = Instant::now();
    let mut served = 0;
    let response = loop {
        let came = Instant::now();
        let response = ask(&world.gateway, "/deny", "s1");
        if response.status != 200 {
            break response;
        }
        served += 1;
        assert!(came < silent + BOUND, "served {:?} after", came - silent);
    };
    assert!(served > 0, "within the lease what is known is served");
    assert_eq!((response.status, response.refusal()), (503, Some("store-unavailable")));
    assert!(response.header("retry-after").is_some() && response.all("set-cookie").is_empty());
    assert_eq!(ask(&world.gateway, "/open", "s1").status, 200, "an open route asks nobody");
    assert_eq!(Ask::get("/deny").at(world.gateway.public).status, 401, "nor does who shows no cookie");
    world.redis().thaw();
    eventually("to be let in again", || (ask(&world.gateway, "/deny", "s1").status == 200).then_some(()));
    warm(&world.gateway, "/deny");
}

#[test]
fn a_strict_route_is_503_as_soon_as_its_redis_is_silent() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream);
    warm(&world.gateway, "/deny");
    world.redis().freeze();
    assert_eq!(ask(&world.gateway, "/strict", "s1").status, 503);
    world.redis().thaw();
    eventually("to be let in again", || (ask(&world.gateway, "/strict", "s1").status == 200).then_some(()));
}

#[test]
fn known_sessions_are_served_for_the_bound_and_their_time_and_it_is_said() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream);
    warm(&world.gateway, "/known");
    world.redis().freeze();
    let silent = Instant::now();
    let mut bridged = 0;
    loop {
        let came = Instant::now();
        let response = ask(&world.gateway, "/known", "s1");
        if response.status != 200 {
            assert_eq!(response.refusal(), Some("store-unavailable"));
            break;
        }
        assert!(came < silent + BOUND + Duration::from_secs(2), "served {:?} after", came - silent);
        if response.header("cloakroom-outage") == Some("serve_known") {
            bridged += 1;
            assert!(response.echoed("authorization").is_some(), "with a token as ever");
            assert_eq!(
                ask(&world.gateway, "/known", "s2").status,
                503,
                "whom we do not know we do not guess"
            );
        }
    }
    assert!(bridged > 0);
    let line = world.gateway.line(|line| line["outage"] == "serve_known");
    assert_eq!((line["session_from"].as_str(), line["sid"].is_string()), (Some("known"), true));
    assert!(metric(&world.gateway, "cloakroom_outages_bridged_total", "serve_known") >= bridged);
    world.redis().thaw();
    eventually("to be let in again", || {
        let response = ask(&world.gateway, "/known", "s1");
        (response.status == 200 && response.header("cloakroom-outage").is_none()).then_some(())
    });
}

#[test]
fn what_was_revoked_before_an_outage_is_not_served_in_it() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream);
    warm(&world.gateway, "/known");
    world.redis().delete("sess:s1");
    eventually("the deletion to be seen", || {
        (ask(&world.gateway, "/known", "s1").status == 401).then_some(())
    });
    world.redis().kill();
    for _ in 0..20 {
        assert_ne!(ask(&world.gateway, "/known", "s1").status, 200);
    }
    eventually("the outage", || (ask(&world.gateway, "/known", "s1").status == 503).then_some(()));
}

#[test]
fn an_optional_route_may_go_on_as_nobody_and_says_so() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream);
    world.redis().kill();
    eventually("the outage", || {
        let response = ask(&world.gateway, "/nobody", "s1");
        assert_eq!(response.status, 200);
        if response.header("cloakroom-outage") != Some("anonymous") {
            return None;
        }
        assert_eq!(response.echoed("cloakroom-verdict").as_deref(), Some("anonymous"));
        assert_eq!(response.echoed("authorization"), None);
        Some(())
    });
    assert_eq!(world.gateway.line(|line| line["outage"] == "anonymous")["verdict"], "unknown");
    assert!(metric(&world.gateway, "cloakroom_outages_bridged_total", "anonymous") > 0);
}

#[test]
fn one_stores_trouble_is_not_anothers() {
    let upstream = Upstream::echoing();
    let (mut one, other) = (Redis::start(), Redis::start());
    for redis in [&one, &other] {
        redis.set("sess:s1", r#"{"user":{"id":"alice"}}"#);
    }
    let gateway = World::without_redis()
        .store(STORE)
        .table(&format!("[stores.other]\nurl = \"{}\"\n{STORE}", other.url()))
        .profile("one", &format!("store = \"app\"\n{}", crate::support::SESSIONS))
        .profile(
            "two",
            &format!("store = \"other\"\nsub = \"two:{{subject}}\"\n{}", crate::support::SESSIONS),
        )
        .recorded("app", &upstream)
        .route("path = \"/one\"\nupstream = \"app\"\nsessions = [\"one\"]")
        .route("path = \"/two\"\nupstream = \"app\"\nsessions = [\"two\"]")
        .start_beside(&one);
    warm(&gateway, "/one");
    warm(&gateway, "/two");
    let lost = metric(&gateway, "cloakroom_leases_lost_total", "other");
    one.kill();
    eventually("the outage of one", || (ask(&gateway, "/one", "s1").status == 503).then_some(()));
    for _ in 0..50 {
        assert_eq!(ask(&gateway, "/two", "s1").status, 200);
    }
    assert_eq!(metric(&gateway, "cloakroom_leases_lost_total", "other"), lost);
    assert!(metric(&gateway, "cloakroom_leases_lost_total", "app") > 0);
    assert_eq!(gateway.internal("/ready").status, 200);
    assert_eq!(gateway.internal("/ready?stores").status, 503);
}

/// What an old primary still answers may have been revoked at the new one.
#[test]
fn a_server_that_was_made_a_replica_is_not_believed() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream);
    warm(&world.gateway, "/deny");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port().to_string();
    world.redis().command::<()>(&["REPLICAOF", "127.0.0.1", &port]);
    for path in ["/deny", "/strict"] {
        eventually("it not to be believed", || (ask(&world.gateway, path, "s1").status == 503).then_some(()));
        for _ in 0..10 {
            assert_eq!(ask(&world.gateway, path, "s1").status, 503);
        }
    }
    world.redis().command::<()>(&["REPLICAOF", "NO", "ONE"]);
    for path in ["/deny", "/strict"] {
        eventually("to be let in again", || (ask(&world.gateway, path, "s1").status == 200).then_some(()));
    }
}

#[test]
fn a_store_that_is_only_read_strictly_is_not_believed_as_a_replica_either() {
    let upstream = Upstream::echoing();
    let mut world = World::with_sessions(&[("s1", "alice")])
        .store(&format!("{STORE}\nfreshness = \"strict\""))
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
        .start();
    eventually("a login", || (ask(&world.gateway, "/x", "s1").status == 200).then_some(()));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port().to_string();
    world.redis().command::<()>(&["REPLICAOF", "127.0.0.1", &port]);
    eventually("it not to be believed", || (ask(&world.gateway, "/x", "s1").status == 503).then_some(()));
    world.redis().command::<()>(&["REPLICAOF", "NO", "ONE"]);
    eventually("to be let in again", || (ask(&world.gateway, "/x", "s1").status == 200).then_some(()));
}

/// More questions than a silent Redis will ever answer: each gets its 503, and the gateway is as it was afterwards.
#[test]
fn a_crowd_before_a_silent_redis_is_turned_away_and_let_in_when_it_is_back() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream);
    warm(&world.gateway, "/deny");
    world.redis().freeze();
    let mut clients: Vec<Client> = (0..200).map(|_| Client::connect(world.gateway.public)).collect();
    for (at, client) in clients.iter_mut().enumerate() {
        client.send(Ask::get("/deny").cookie(&format!("sid=crowd{at}")).bytes());
    }
    for client in &mut clients {
        let response = client.response("GET").unwrap();
        assert_eq!((response.status, response.refusal()), (503, Some("store-unavailable")));
    }
    world.redis().thaw();
    for client in &mut clients {
        eventually("an answer about the session", || {
            (client.ask(&Ask::get("/deny").cookie("sid=s1")).status == 200).then_some(())
        });
    }
}

/// The crowd that an outage leaves behind must not be the next one.
#[test]
fn when_redis_is_back_it_is_asked_once_a_session_and_not_once_a_request() {
    const SESSIONS: usize = 200;
    let upstream = Upstream::echoing();
    let redis = Redis::start();
    for id in 0..SESSIONS {
        redis.set(&format!("sess:c{id}"), r#"{"user":{"id":"alice"}}"#);
    }
    let gateway = World::without_redis()
        .workers(2)
        .store(STORE)
        .profile("app", crate::support::SESSIONS)
        .recorded("app", &upstream)
        .route("path = \"/deny\"\nupstream = \"app\"")
        .start_beside(&redis);
    let crowd = |rounds: usize| {
        std::thread::scope(|scope| {
            for start in 0..8 {
                let gateway = &gateway;
                scope.spawn(move || {
                    let mut client = Client::connect(gateway.public);
                    for at in 0..rounds * SESSIONS {
                        let cookie = format!("sid=c{}", (start * 25 + at) % SESSIONS);
                        let status = client.ask(&Ask::get("/deny").cookie(&cookie)).status;
                        assert!(matches!(status, 200 | 503), "nobody is logged out: {status}");
                    }
                });
            }
        });
    };
    crowd(2);
    for _ in 0..3 {
        redis.freeze();
        eventually("the outage", || (ask(&gateway, "/deny", "c0").status == 503).then_some(()));
        redis.thaw();
        let reads = redis.calls("get");
        eventually("Redis to be back", || (ask(&gateway, "/deny", "c0").status == 200).then_some(()));
        crowd(3);
        let asked = redis.calls("get") - reads;
        assert!(asked <= 2 * SESSIONS as u64, "{asked} reads for {SESSIONS} sessions");
    }
}

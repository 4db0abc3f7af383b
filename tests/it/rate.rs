//! Who asks too often, and who must not suffer for it.

use crate::support::{Ask, Gateway, Redis, Response, Running, SESSIONS, Upstream, World, eventually};

const ALICE: (&str, &str) = ("id-of-alice-4b1d", "alice");
const BOB: (&str, &str) = ("id-of-bob-77aa", "bob");

fn world(tables: &str, upstream: &Upstream) -> World {
    World::with_sessions(&[ALICE, BOB])
        .server("trusted_proxies = [\"127.0.0.0/8\"]")
        .table(tables)
        .recorded("app", upstream)
}

/// A request that a trusted proxy passes on for `client`.
fn of(client: &str, target: &str) -> Ask {
    Ask::get(target).header("X-Forwarded-For", client)
}

fn with(client: &str, id: &str) -> Ask {
    of(client, "/x").cookie(&format!("sid={id}"))
}

fn statuses(world: &Running, asks: impl IntoIterator<Item = Ask>) -> Vec<u16> {
    asks.into_iter().map(|ask| world.ask(&ask).status).collect()
}

fn fields(response: &Response) -> [Option<&str>; 3] {
    ["retry-after", "ratelimit", "ratelimit-policy"].map(|name| response.header(name))
}

#[test]
fn an_id_guessing_client_is_slowed_before_redis_is_asked() {
    let upstream = Upstream::echoing();
    let limits = "[limits]\nlookups = \"3/h\"";
    let mut world = world(limits, &upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
        .route("path = \"/strict\"\nupstream = \"app\"\nfreshness = \"strict\"")
        .start();
    let guesses = (0..3).map(|at| with("192.0.2.1", &format!("guess-{at}")));
    assert_eq!(statuses(&world, guesses), [401; 3]);
    let asked = |world: &mut Running| world.redis().calls("get");
    let before = asked(&mut world);
    for at in 3..20 {
        let held_off = world.ask(&with("192.0.2.1", &format!("guess-{at}")));
        assert_eq!((held_off.status, held_off.refusal()), (429, Some("rate-limited")));
    }
    let strict = of("192.0.2.1", "/strict").cookie("sid=guess-20");
    assert_eq!(world.ask(&strict).status, 429, "a route that asks every time asks nothing for it");
    assert_eq!(asked(&mut world), before);
    let line = world.gateway.line(|line| line["refusal"] == "rate-limited");
    assert_eq!((&line["reason"], &line["client"]), (&"lookups: 3/h".into(), &"192.0.2.1".into()));
    assert_eq!(world.ask(&with("192.0.2.2", ALICE.0)).status, 200, "its neighbour is not held off");
    assert_eq!(world.ask(&with("192.0.2.1", ALICE.0)).status, 200, "what is in memory needs no lookup");
    assert_eq!(world.ask(&of("192.0.2.1", "/x")).status, 401, "nor does a request without a cookie");
}

#[test]
fn one_stale_cookie_sent_again_and_again_is_not_guessing() {
    let upstream = Upstream::echoing();
    let world =
        world("[limits]\nlookups = \"2/h\"", &upstream).route("path = \"/*\"\nupstream = \"app\"").start();
    eventually("the lease", || {
        world.ask(&with("192.0.2.9", ALICE.0));
        let lines = world.gateway.lines();
        lines.iter().any(|line| line["session_from"] == "cache").then_some(())
    });
    let stale = (0..10).map(|_| with("192.0.2.1", "expired-yesterday"));
    assert_eq!(statuses(&world, stale), [401; 10]);
}

#[test]
fn a_client_over_its_rate_is_told_when_to_come_again_and_nobody_else_waits() {
    let upstream = Upstream::echoing();
    let world = world("[limits]\nclient = \"3/h\"", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start();
    let mut passed = statuses(&world, (0..3).map(|_| of("192.0.2.1", "/x")));
    let refused = world.ask(&of("192.0.2.1", "/y"));
    assert_eq!((refused.status, refused.refusal()), (429, Some("rate-limited")));
    assert_eq!(refused.json()["code"], "rate-limited");
    assert_eq!(refused.header("cache-control"), Some("no-store"));
    let [retry, rate, policy] = fields(&refused);
    let wait: u64 = retry.unwrap().parse().unwrap();
    assert!((1100..=1200).contains(&wait), "a third of an hour: {wait}");
    assert_eq!(rate, Some(&*format!("\"client\";r=0;t={wait}")));
    assert_eq!(policy, Some("\"client\";q=3;w=3600"));
    passed.push(world.ask(&of("192.0.2.2", "/x")).status);
    assert_eq!(passed, [200; 4]);
    assert_eq!(upstream.requests().len(), 4, "what is refused is not forwarded");
    let page = world.ask(&of("192.0.2.1", "/y").navigation());
    assert!(page.text().contains("wait a little") && page.header("retry-after").is_some());
    let metrics = world.gateway.internal("/metrics").text();
    assert!(metrics.contains("cloakroom_rate_limited_total{route=\"/*\",limit=\"client\"} 2"), "{metrics}");
}

#[test]
fn a_forged_forwarded_for_is_no_new_client() {
    let upstream = Upstream::echoing();
    let world = World::new()
        .table("[limits]\nclient = \"2/h\"")
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start();
    let asks = (1..=4).map(|at| of(&format!("192.0.2.{at}"), "/x"));
    assert_eq!(statuses(&world, asks), [200, 200, 429, 429]);
}

#[test]
fn the_addresses_of_one_ipv6_customer_count_as_one() {
    let upstream = Upstream::echoing();
    let world = world("[limits]\nclient = \"2/h\"", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start();
    let asks = ["2001:db8:7:1::1", "2001:db8:7:1::2", "2001:db8:7:1:ffff::3", "2001:db8:7:2::1"];
    assert_eq!(statuses(&world, asks.map(|client| of(client, "/x"))), [200, 200, 429, 200]);
}

#[test]
fn a_routes_rate_is_each_clients_own_and_counted_there_alone() {
    let upstream = Upstream::echoing();
    let world = world("", &upstream)
        .route("path = \"/login\"\nupstream = \"app\"\naccess = \"open\"\nrate = \"2/h\"")
        .route("path = \"/all\"\nupstream = \"app\"\naccess = \"open\"\nrate = { route = \"2/h\" }")
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start();
    assert_eq!(statuses(&world, (0..3).map(|_| of("192.0.2.1", "/login"))), [200, 200, 429]);
    assert_eq!(world.ask(&of("192.0.2.2", "/login")).status, 200);
    assert_eq!(statuses(&world, (0..9).map(|_| of("192.0.2.1", "/x"))), [200; 9]);
    assert_eq!(statuses(&world, (1..4).map(|at| of(&format!("192.0.2.{at}"), "/all"))), [200, 200, 429]);
}

#[test]
fn a_session_is_one_caller_from_whatever_address() {
    let upstream = Upstream::echoing();
    let world =
        world("", &upstream).route("path = \"/*\"\nupstream = \"app\"\nrate = { session = \"2/h\" }").start();
    let asks = (1..=3).map(|at| with(&format!("192.0.2.{at}"), ALICE.0));
    assert_eq!(statuses(&world, asks), [200, 200, 429]);
    assert_eq!(world.ask(&with("192.0.2.1", BOB.0)).status, 200);
    let line = world.gateway.line(|line| line["refusal"] == "rate-limited");
    assert_eq!((&line["reason"], &line["verdict"]), (&"session: 2/h".into(), &"verified".into()));
}

/// Gateways that share what they count in a Redis of its own, beside that of the sessions.
fn sharing(kept: &Redis, keys: &tempfile::TempDir, limits: &str, upstream: &Upstream) -> World {
    World::without_redis()
        .server("trusted_proxies = [\"127.0.0.0/8\"]")
        .table(&format!("[tokens.keys]\ndirectory = \"{}\"", keys.path().display()))
        .table(&format!("[stores.own]\nurl = \"{}\"\ntimeout = \"1s\"\n[state]\nstore = \"own\"", kept.url()))
        .table(&format!("[limits]\nshared = true\n{limits}"))
        .profile("app", &format!("{SESSIONS}\nstore = \"app\""))
        .recorded("app", upstream)
        .route("path = \"/x\"\nupstream = \"app\"")
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"\nrate = { route = \"9/h\" }")
}

fn status(gateway: &Gateway, ask: &Ask) -> u16 {
    ask.at(gateway.public).status
}

#[test]
fn two_gateways_that_share_a_rate_let_no_more_pass_than_one() {
    let (upstream, kept, app) = (Upstream::echoing(), Redis::start(), Redis::start());
    let keys = tempfile::tempdir().unwrap();
    app.set("sess:alice", r#"{"user":{"id":"alice"}}"#);
    let world = sharing(&kept, &keys, "client = \"5/h\"\nsession = \"3/h\"", &upstream);
    let gateways = [world.start_beside(&app), world.start_beside(&app)];
    eventually("a session", || {
        let ask = of("192.0.2.7", "/x").cookie("sid=alice");
        gateways.iter().all(|gateway| matches!(status(gateway, &ask), 200 | 429)).then_some(())
    });
    for turn in 0..20 {
        let ask = of("192.0.2.1", "/open");
        let answer = status(&gateways[turn % 2], &ask);
        assert_eq!(answer, if turn < 5 { 200 } else { 429 }, "turn {turn}");
    }
    let asked = kept.calls("eval");
    for turn in 0..20 {
        assert_eq!(status(&gateways[turn % 2], &of("192.0.2.1", "/open")), 429);
    }
    assert_eq!(kept.calls("eval"), asked, "whoever is over a rate costs the store nothing more");
    let refused = of("192.0.2.1", "/open").at(gateways[1].public);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=720).contains(&wait), "a fifth of an hour: {wait}");
    let of_session = |at: usize| of(&format!("192.0.2.{}", 100 + at), "/x").cookie("sid=alice");
    let passed = (0..8).filter(|at| status(&gateways[at % 2], &of_session(*at)) == 200).count();
    assert!(passed <= 3 && status(&gateways[0], &of_session(9)) == 429, "{passed} of one session's 3");
    let of_all = (0..12).map(|at| status(&gateways[at % 2], &of(&format!("198.51.100.{at}"), "/open")));
    assert_eq!(of_all.filter(|status| *status == 200).count(), 4, "what is left of the route's nine");
}

#[test]
fn while_the_state_is_away_each_gateway_counts_for_itself() {
    let (upstream, mut kept, app) = (Upstream::echoing(), Redis::start(), Redis::start());
    let keys = tempfile::tempdir().unwrap();
    let world = sharing(&kept, &keys, "client = \"4/h\"", &upstream);
    let gateways = [world.start_beside(&app), world.start_beside(&app)];
    assert_eq!([0, 1].map(|at| status(&gateways[at], &of("192.0.2.1", "/open"))), [200, 200]);
    kept.kill();
    let statuses = |gateway| (0..6).map(|_| status(gateway, &of("192.0.2.1", "/open"))).collect::<Vec<_>>();
    assert_eq!(statuses(&gateways[0]), [200, 200, 200, 429, 429, 429], "it knew of one that had passed");
    assert_eq!(statuses(&gateways[1]), [200, 200, 429, 429, 429, 429], "it knew of two");
    let metrics = gateways[0].internal("/metrics").text();
    assert!(metrics.contains("cloakroom_shared_rates_total{counted=\"together\"} 2"), "{metrics}");
    assert!(metrics.contains("cloakroom_shared_rates_total{counted=\"alone\"} 6"), "{metrics}");
}

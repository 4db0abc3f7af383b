//! The catalogue of attacks against the real binary, judged by the oracle.
//!
//! Every case gets a gateway and a recording upstream of its own, and both end before anything is judged: what was
//! recorded is then all that ever was, and belongs to that case.

mod case;
mod h2;
mod oracle;
mod return_to;

use crate::support::{Authority, Client, Redis, Upstream, World, answer_with};
use case::{Case, EVIL, Place, VALID};
use oracle::{MARKER, Outcome, judge};
use std::io::Write;
use std::sync::Mutex;

/// How many cases run at once.
const LANES: usize = 3;

#[test]
fn every_case_of_the_catalogue_holds() {
    hold_all(None);
}

#[test]
fn every_case_of_the_catalogue_holds_inside_tls() {
    let authority = Authority::new();
    authority.issue("gw", &["gw.test"]);
    hold_all(Some(&authority));
}

/// Runs all cases; in TLS where there is somebody who signed for it.
fn hold_all(authority: Option<&Authority>) {
    let all = Case::all();
    let cases: Vec<&Case> = all.iter().filter(|case| matches!(case.proto.as_str(), "h1" | "url")).collect();
    let runs: Vec<(&Case, Place)> = cases.iter().flat_map(|case| places(case)).collect();
    let (next, violations) = (Mutex::new(runs.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                let redis = with_two_sessions();
                loop {
                    let Some((case, place)) = next.lock().unwrap().next() else { return };
                    let outcome = run(case, *place, &redis, authority);
                    let broken = judge(case, &outcome);
                    violations.lock().unwrap().extend(
                        broken.into_iter().map(|why| format!("{} ({}, {place:?}): {why}", case.id, case.row)),
                    );
                }
            });
        }
    });
    let violations = violations.into_inner().unwrap();
    // Past the capture of the test harness: this line is for whoever reads the log.
    let _ = writeln!(
        std::io::stdout(),
        "cases: {} run in {} worlds{}, {} violations; {} of other protocols are not for this gateway",
        cases.len(),
        runs.len(),
        if authority.is_some() { " of TLS" } else { "" },
        violations.len(),
        all.len() - cases.len()
    );
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

/// Where a case runs. An upgrade that nobody may make is tried once more where the route is open: there it must not
/// reach the upstream as an upgrade.
fn places(case: &Case) -> Vec<(&Case, Place)> {
    let place = case.place();
    let again = case.expect == "no_unauth" && (case.row.starts_with('E') || case.row.starts_with('A'));
    let again = again.then_some((case, Place::Open));
    [(case, place)].into_iter().chain(again.filter(|(_, again)| *again != place)).collect()
}

fn with_two_sessions() -> Redis {
    let redis = Redis::start();
    for (id, user) in [VALID, EVIL] {
        redis.set(&format!("sess:{id}"), &format!(r#"{{"user":{{"id":"{user}"}}}}"#));
    }
    redis
}

/// One case in a world of its own.
fn run(case: &Case, place: Place, redis: &Redis, authority: Option<&Authority>) -> Outcome {
    let upstream = Upstream::playing(|wire| {
        while let Some(request) = wire.request() {
            let body = format!("{} {}", request.method, request.target);
            wire.say(answer_with(&request, body.as_bytes()));
        }
    });
    let world = world(place, &upstream);
    let world = authority.into_iter().fold(world, |world, authority| world.table(&authority.entry("gw")));
    let mut gateway = world.start_beside(redis);
    let keys = gateway.keys();
    redis.command::<()>(&["CONFIG", "RESETSTAT"]);
    let mut client = match authority {
        None => Client::connect(gateway.public),
        Some(authority) => Client::secure(gateway.public, "gw.test", &authority.client()),
    };
    client.send(case.bytes());
    let mut responses = Vec::new();
    let first = if case.text().starts_with("HEAD ") { "HEAD" } else { "GET" };
    if let Some(response) = client.response(first) {
        responses.push(response);
        client.send(format!("GET {MARKER} HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n"));
        responses.extend(std::iter::from_fn(|| client.response("GET")));
    }
    drop(client);
    assert!(gateway.stop().success(), "{}: the gateway did not end well", case.id);
    let lookups = lookups(redis);
    let scheme = if authority.is_some() { "https" } else { "http" };
    Outcome { place, scheme, responses, upstream: upstream.finish(), lines: gateway.lines(), lookups, keys }
}

fn world(place: Place, upstream: &Upstream) -> World {
    let route = |path: &str, access: &str| {
        format!("host = \"gw.test\"\npath = \"{path}\"\nupstream = \"recorder\"\naccess = \"{access}\"")
    };
    let world = World::without_redis()
        .limits("header_timeout = \"2s\"\nbody_timeout = \"2s\"\nidle_timeout = \"5s\"")
        .profile("app", crate::support::SESSIONS)
        .recorded("recorder", upstream)
        .route(&route("/public/*", "open"))
        .route(&route("/*", "required"));
    let also: &[&str] = match place {
        Place::Required => &[],
        Place::Open => &["/p", "/p2", "/ws", "/early-401"],
    };
    also.iter().fold(world, |world, path| world.route(&route(path, "open")))
}

/// How many records were asked for since the last reset.
fn lookups(redis: &Redis) -> usize {
    let stats: String = redis.command(&["INFO", "commandstats"]);
    let lines = stats.lines().filter_map(|line| line.strip_prefix("cmdstat_get:calls="));
    lines.filter_map(|rest| rest.split(',').next()?.parse::<usize>().ok()).sum()
}

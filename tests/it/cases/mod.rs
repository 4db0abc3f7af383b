//! The catalogue of attacks against the real binary, judged by the oracle.
//!
//! Every case gets a gateway and an upstream of its own, and both end before anything is judged: what was recorded is then all
//! that ever was, and belongs to that case. It comes in plain bytes, inside TLS and in HTTP/2; as the first request of its
//! connection and as the second; before an upstream that records ([`ride`]) and before eight real servers ([`readers`]).

mod case;
mod h2;
mod oracle;
mod readers;
mod return_to;
mod ride;
mod translated;

use crate::support::{Authority, Redis};
use case::{Case, EVIL, Place, VALID};
use ride::{Behind, Position, Ride, Speech};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::sync::{Arc, Mutex};

/// How many cases run at once.
const LANES: usize = 3;

/// Of how many cases before real servers a test run takes one.
const SHARE: u64 = 16;

#[test]
fn every_case_of_the_catalogue_holds() {
    hold("in plain bytes", &of_http1(Speech::Plain, &[Position::First]), |_| Behind::Recorder);
}

#[test]
fn every_case_of_the_catalogue_holds_as_the_second_request_of_its_connection() {
    hold("second", &of_http1(Speech::Plain, &[Position::Second]), |_| Behind::Recorder);
}

#[test]
fn every_case_of_the_catalogue_holds_inside_tls() {
    let authority = Authority::new();
    authority.issue("gw", &["gw.test"]);
    hold("in TLS", &of_http1(Speech::Tls(&authority), &[Position::First]), |_| Behind::Recorder);
}

#[test]
fn every_case_of_http2_holds() {
    hold("in HTTP/2", &of_http2(&[Position::First]), |_| Behind::Recorder);
}

/// `CLOAKROOM_GRID` is `all`, or a number that chooses another share.
#[test]
fn what_is_forwarded_every_server_reads_alike() {
    let authority = Authority::new();
    authority.issue("gw", &["gw.test"]);
    let positions = [Position::First, Position::Second, Position::AtOnce];
    let mut rides = of_http1(Speech::Plain, &positions);
    rides.extend(of_http1(Speech::Tls(&authority), &positions));
    rides.extend(of_http2(&[Position::First, Position::Second]));
    let wish = std::env::var_os("CLOAKROOM_GRID").unwrap_or_default();
    if wish != "all" {
        let mut at = 0_u64;
        rides.retain(|_| {
            at += 1;
            let mut hasher = DefaultHasher::new();
            (&wish, at).hash(&mut hasher);
            hasher.finish().is_multiple_of(SHARE)
        });
    }
    let dir = tempfile::TempDir::new().unwrap();
    let servers = Arc::new(readers::all(dir.path()));
    let count = servers.len();
    hold(&format!("before {count} servers"), &rides, |at| Behind::Servers(servers.clone(), at % count));
}

fn of_http1<'a>(speech: Speech<'a>, positions: &[Position]) -> Vec<Ride<'a>> {
    let cases = Case::all().into_iter().filter(|case| matches!(case.proto.as_str(), "h1" | "url"));
    rides(cases.collect(), speech, positions)
}

fn of_http2(positions: &[Position]) -> Vec<Ride<'static>> {
    rides(h2::cases(), Speech::Http2, positions)
}

fn rides<'a>(cases: Vec<Case>, speech: Speech<'a>, positions: &[Position]) -> Vec<Ride<'a>> {
    let placed = cases.into_iter().flat_map(|case| {
        let places = places(&case);
        places.into_iter().map(move |place| (case.clone(), place))
    });
    placed
        .flat_map(|(case, place)| {
            positions.iter().map(move |position| Ride {
                case: case.clone(),
                place,
                speech,
                position: *position,
            })
        })
        .collect()
}

/// Where a case runs. An upgrade that nobody may make is tried once more where the route is open: there it must not
/// reach the upstream as an upgrade.
fn places(case: &Case) -> Vec<Place> {
    let place = case.place();
    let again = case.expect == "no_unauth" && (case.row.starts_with('E') || case.row.starts_with('A'));
    let again = again.then_some(Place::Open).filter(|again| *again != place);
    std::iter::once(place).chain(again).collect()
}

fn hold(how: &str, rides: &[Ride], behind: impl Fn(usize) -> Behind + Sync) {
    let (next, violations) = (Mutex::new(rides.iter().enumerate()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                let redis = with_two_sessions();
                loop {
                    let Some((at, ride)) = next.lock().unwrap().next() else { return };
                    let found = ride.violations(&behind(at), &redis);
                    violations.lock().unwrap().extend(found);
                }
            });
        }
    });
    let violations = violations.into_inner().unwrap();
    // Past the capture of the test harness: this line is for whoever reads the log.
    let _ =
        writeln!(std::io::stdout(), "cases {how}: {} worlds, {} violations", rides.len(), violations.len());
    assert!(!rides.is_empty() && violations.is_empty(), "\n{}", violations.join("\n"));
}

fn with_two_sessions() -> Redis {
    let redis = Redis::start();
    for (id, user) in [VALID, EVIL] {
        redis.set(&format!("sess:{id}"), &format!(r#"{{"user":{{"id":"{user}"}}}}"#));
    }
    redis
}

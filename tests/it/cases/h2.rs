//! The cases of HTTP/2, and those that are a target alone, in frames: judged by the same oracle.

use crate::cases::case::Case;
use crate::cases::oracle::{Outcome, judge};
use crate::cases::{Place, lookups, places, with_two_sessions, world};
use crate::support::h2::{DATA, END_HEADERS, END_STREAM, End, H2, HEADERS, block, frame, headers, integer};
use crate::support::{Redis, Response, Upstream, answer_with};
use std::io::Write;

/// `http` cuts a target at `#` before anything of ours sees it: what is judged and forwarded is the same, but it is not refused.
const CUT_BY_HTTP: &str = "h2-pseudo-4";

#[test]
fn every_case_of_http2_holds() {
    let all = Case::all();
    let cases = all.iter().filter(|case| matches!(case.proto.as_str(), "h2" | "url"));
    let cases: Vec<&Case> =
        cases.filter(|case| case.id != CUT_BY_HTTP && !case.text().contains('#')).collect();
    assert!(cases.len() > 55, "{}", cases.len());
    let (redis, mut violations) = (with_two_sessions(), Vec::new());
    for (case, place) in cases.iter().flat_map(|case| places(case)) {
        let outcome = run(case, place, &redis);
        let broken = judge(case, &outcome);
        violations
            .extend(broken.into_iter().map(|why| format!("{} ({}, {place:?}): {why}", case.id, case.row)));
    }
    let _ =
        writeln!(std::io::stdout(), "cases: {} run in HTTP/2, {} violations", cases.len(), violations.len());
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

fn run(case: &Case, place: Place, redis: &Redis) -> Outcome {
    let upstream = Upstream::playing(|wire| {
        while let Some(request) = wire.request() {
            let body = format!("{} {}", request.method, request.target);
            wire.say(answer_with(&request, body.as_bytes()));
        }
    });
    let mut gateway = world(place, &upstream).start_beside(redis);
    let keys = gateway.keys();
    redis.command::<()>(&["CONFIG", "RESETSTAT"]);
    let mut client = H2::connect(gateway.public);
    client.send(frames(case));
    let responses = match client.end_of(1) {
        End::Answer(status, body) => vec![Response { status, headers: Vec::new(), body }],
        End::Reset(_) | End::Goaway(_) | End::Closed => Vec::new(),
    };
    drop(client);
    assert!(gateway.stop().success(), "{}: the gateway did not end well", case.id);
    let lookups = lookups(redis);
    let (upstream, lines) = (upstream.finish(), gateway.lines());
    Outcome { place, scheme: "http", responses, upstream, lines, lookups, keys }
}

/// What a case sends: its fields on stream 1, and what its note says besides.
fn frames(case: &Case) -> Vec<u8> {
    let fields = case.pairs();
    match case.id.as_str() {
        "h2-trailer-auth" => [
            headers(1, 0, &fields),
            frame(DATA, 0, 1, b"x"),
            headers(1, END_STREAM, &[("authorization", "Bearer evil")]),
        ]
        .concat(),
        "h2-cookie-4000" => {
            // Said once and kept in the table, then named 4,000 times by one byte.
            let mut fields_once = block(&fields[..fields.len() - 1]);
            let (name, value) = &fields[fields.len() - 1];
            fields_once.push(0x40);
            for text in [name, value] {
                integer(text.len(), 7, 0, &mut fields_once);
                fields_once.extend_from_slice(text);
            }
            fields_once.extend([0xbe; 4_000]);
            frame(HEADERS, END_STREAM | END_HEADERS, 1, &fields_once)
        }
        _ => headers(1, END_STREAM, &fields),
    }
}

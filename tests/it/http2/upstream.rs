//! Upstreams in HTTP/2 that say too much.

use crate::support::h2::{ACK, DATA, END_STREAM, HEADERS, PREFACE, SETTINGS, frame, headers};
use crate::support::{Response, Running, Upstream, World};

/// Answers every stream with so many interim heads, and then, if it is not to go on for ever, with the final one.
fn saying(interim: usize) -> Upstream {
    Upstream::playing(move |wire| {
        let mut came = wire.read();
        wire.say([frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, ACK, 0, &[])].concat());
        let mut at = PREFACE.len();
        loop {
            while came.len() < at + 9 {
                match wire.read() {
                    more if more.is_empty() => return,
                    more => came.extend(more),
                }
            }
            let length = u32::from_be_bytes([0, came[at], came[at + 1], came[at + 2]]) as usize;
            let stream = u32::from_be_bytes([0, came[at + 6], came[at + 7], came[at + 8]]);
            if came[at + 3] == HEADERS {
                let hint = headers(stream, 0, &[(":status", "103"), ("link", "</style.css>")]);
                for _ in 0..interim.min(100_000) {
                    wire.say(&hint);
                }
                wire.say(
                    [headers(stream, 0, &[(":status", "200")]), frame(DATA, END_STREAM, stream, b"ok")]
                        .concat(),
                );
            }
            at += 9 + length;
        }
    })
}

fn before(upstream: &Upstream) -> Running {
    let address = upstream.address();
    World::with_sessions(&[])
        .table(&format!("[upstreams.app]\nendpoints = [\"h2c://{address}\"]\nejection = {{ failures = 0 }}"))
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start()
}

#[test]
fn eight_interim_answers_pass_unheard_and_more_are_a_fault() {
    let upstream = saying(8);
    let running = before(&upstream);
    for _ in 0..20 {
        let answer: Response = running.get("/x");
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    }
    for interim in [9, 10, usize::MAX] {
        let upstream = saying(interim);
        let running = before(&upstream);
        for _ in 0..2 {
            let answer = running.get("/x");
            assert_eq!((answer.status, answer.refusal()), (502, Some("upstream-broken")), "{interim}");
        }
    }
}

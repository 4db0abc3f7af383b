//! Bodies that come slowly, or not at all.

use crate::support::h2::{
    ACK, DATA, END_STREAM, End, Frame, H2, HEADERS, PREFACE, SETTINGS, frame, headers, request,
};
use crate::support::{Running, Upstream, Wire, World, answer_with};
use std::io::Write;
use std::process::Command;
use std::time::Duration;

pub(super) fn before(endpoint: &str, limits: &str) -> Running {
    World::with_sessions(&[])
        .limits(limits)
        .table(&format!("[upstreams.app]\nendpoints = [\"{endpoint}\"]"))
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start()
}

/// Tells a service of every frame that comes, in HTTP/2 from the first byte.
pub(super) fn follow(wire: &mut Wire, mut tell: impl FnMut(&mut Wire, Frame)) {
    let (mut came, mut at) = (Vec::new(), PREFACE.len());
    let wait = |wire: &mut Wire, came: &mut Vec<u8>, bytes: usize| {
        while came.len() < bytes {
            match wire.read() {
                more if more.is_empty() => return false,
                more => came.extend(more),
            }
        }
        true
    };
    while wait(wire, &mut came, at + 9) {
        let length = u32::from_be_bytes([0, came[at], came[at + 1], came[at + 2]]) as usize;
        if !wait(wire, &mut came, at + 9 + length) {
            return;
        }
        let stream = u32::from_be_bytes([0, came[at + 6], came[at + 7], came[at + 8]]);
        let payload = came[at + 9..at + 9 + length].to_vec();
        let frame = Frame { kind: came[at + 3], flags: came[at + 4], stream, payload };
        at += 9 + length;
        tell(wire, frame);
    }
}

/// An upstream that answers in HTTP/2 once a stream's body has ended.
fn multiplexing() -> Upstream {
    Upstream::playing(|wire| {
        wire.say([frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, ACK, 0, &[])].concat());
        follow(wire, |wire, Frame { kind, flags, stream, .. }| {
            if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                let head = headers(stream, 0, &[(":status", "200")]);
                wire.say([head, frame(DATA, END_STREAM, stream, b"ok")].concat());
            }
        });
    })
}

/// An upstream of each kind, with its endpoint.
fn both() -> [(Upstream, String); 2] {
    let (one, two) = (Upstream::echoing(), multiplexing());
    let (first, second) = (format!("http://{}", one.address()), format!("h2c://{}", two.address()));
    [(one, first), (two, second)]
}

fn timed_out(end: End) {
    let End::Answer(408, body) = end else { panic!("{end:?}") };
    assert!(String::from_utf8_lossy(&body).contains("body-timed-out"));
}

#[test]
fn a_body_that_stands_still_is_408_and_its_neighbours_are_served() {
    for (_upstream, endpoint) in both() {
        let running = before(&endpoint, "body_timeout = \"300ms\"");
        let mut client = H2::connect(running.gateway.public);
        client.send(headers(1, 0, &request("POST", "/still")));
        client.send(frame(DATA, 0, 1, b"some"));
        assert!(matches!(client.get(3, "/good"), End::Answer(200, _)));
        timed_out(client.end_of(1));
        assert!(matches!(client.get(5, "/good"), End::Answer(200, _)), "{endpoint}");
    }
}

/// One byte now and then is never a standstill, and would hold a stream for days.
#[test]
fn a_body_that_trickles_is_408_however_regularly() {
    for (_upstream, endpoint) in both() {
        let running = before(&endpoint, "body_timeout = \"400ms\"\nbody_rate = \"1KiB\"");
        let mut client = H2::connect(running.gateway.public);
        client.send(headers(1, 0, &request("POST", "/slow")));
        let mut writer = client.socket().try_clone().unwrap();
        let trickling = std::thread::spawn(move || {
            for _ in 0..1500 {
                if writer.write_all(&frame(DATA, 0, 1, b"x")).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        timed_out(client.end_of(1));
        assert!(matches!(client.get(3, "/good"), End::Answer(200, _)), "{endpoint}");
        let _ = client.socket().shutdown(std::net::Shutdown::Both);
        trickling.join().unwrap();
    }
}

/// The upstream does not read for longer than a client may stand still: its window is full, and that is not its fault.
#[test]
fn a_client_that_may_not_send_is_not_blamed() {
    let upstream = Upstream::playing(|wire| {
        let Some(head) = wire.head() else { return };
        std::thread::sleep(Duration::from_secs(14));
        let (mut left, length) = (16 << 20, head.one("content-length").map(str::to_owned));
        assert_eq!(length.as_deref(), Some("16777216"));
        while left > 0 {
            match wire.read().len() {
                0 => return,
                count => left -= count.min(left),
            }
        }
        wire.say(answer_with(&head, b"all of it"));
    });
    let running =
        before(&format!("http://{}", upstream.address()), "body_timeout = \"10s\"\nbody_rate = \"1KiB\"");
    let url = format!("http://{}/upload", running.gateway.public);
    let script = "head -c 16777216 /dev/zero | curl -sS --http2-prior-knowledge -w '%{http_code}' -H Expect: --data-binary @- \"$1\"";
    let out = Command::new("sh").args(["-c", script, "sh", &url]).output().unwrap();
    let told = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(told.ends_with("200"), "{told} {}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn a_call_of_grpc_may_be_silent() {
    let upstream = multiplexing();
    let running = before(&format!("h2c://{}", upstream.address()), "body_timeout = \"200ms\"");
    let mut client = H2::connect(running.gateway.public);
    let mut fields = request("POST", "/test.Calls/Both");
    fields.push(("content-type", "application/grpc"));
    client.send(headers(1, 0, &fields));
    client.send(headers(3, 0, &request("POST", "/plain")));
    timed_out(client.end_of(3));
    std::thread::sleep(Duration::from_millis(500));
    client.send(frame(DATA, END_STREAM, 1, b""));
    assert_eq!(client.end_of(1), End::Answer(200, b"ok".to_vec()));
    // A service that speaks HTTP/1.1 has no calls.
    let upstream = Upstream::echoing();
    let running = before(&format!("http://{}", upstream.address()), "body_timeout = \"200ms\"");
    let mut client = H2::connect(running.gateway.public);
    client.send(headers(1, 0, &fields));
    client.end_of(1);
    running.gateway.line(|line| line["refusal"] == "body-timed-out");
}

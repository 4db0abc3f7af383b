//! What clients can make the gateway hold stays within its memory budget, and good clients are answered meanwhile. Each siege lasts
//! `CLOAKROOM_SIEGE` seconds, one by default; its last line gives the figures.

mod http1;
mod http2;
mod tls;
mod tunnels;

use crate::support::{
    Ask, Client, Gateway, Over, PATIENCE, Running, Upstream, World, answer_with, eventually,
};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const MIB: u64 = 1024 * 1024;
const BUDGET: u64 = 192 * MIB;
const ATTACKERS: usize = 4;
/// Connections that one of them holds at once.
const HELD: usize = 300;

#[allow(clippy::disallowed_methods, reason = "a developer's switch, not configuration")]
pub(crate) fn lasting(usual: u64) -> Duration {
    let seconds = std::env::var("CLOAKROOM_SIEGE").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(usual))
}

/// Has an answer without end at `/large`, takes a body's bytes one by one at `/body`, says nothing at `/wait`, and answers the rest at
/// once.
fn app() -> Upstream {
    Upstream::playing(|wire| {
        while let Some(request) = wire.head() {
            let (socket, _) = wire.socket();
            match request.target.as_str() {
                "/large" => {
                    let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n");
                    while socket.write_all(&[b'x'; 64 * 1024]).is_ok() {}
                    return;
                }
                "/body" | "/wait" => {
                    let _ = socket.set_read_timeout(None);
                    while matches!(socket.read(&mut [0]), Ok(1)) {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    return;
                }
                _ => wire.say(answer_with(&request, b"ok")),
            }
        }
    })
}

fn world(upstream: &Upstream) -> World {
    before(&format!("http://{}", upstream.address()))
}

fn before(endpoint: &str) -> World {
    World::new()
        .limits("memory = \"192MiB\"\nsession_memory = \"1MiB\"\nconnections = 3000")
        .table(&format!("[upstreams.app]\nendpoints = [\"{endpoint}\"]"))
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
}

fn metric(gateway: &Gateway, name: &str) -> u64 {
    let page = gateway.internal("/metrics").text();
    let line = page.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0, |value| value.parse().unwrap())
}

/// What good clients saw of a siege.
#[derive(Default, Debug)]
struct Seen {
    answered: usize,
    refused: usize,
    tightest: u64,
    slowest: Duration,
}

/// One good client that comes anew each time, while each attacker holds up to `most` of what `attack` makes.
fn besiege<H: Send>(
    world: &Running,
    (name, most): (&str, usize),
    good: impl Fn() -> Client,
    attack: impl Fn(&Gateway) -> Vec<H> + Sync,
) {
    let (over, mut seen) = (AtomicBool::new(false), Seen::default());
    let gateway = &world.gateway;
    std::thread::scope(|scope| {
        for _ in 0..ATTACKERS {
            scope.spawn(|| {
                let mut held = Vec::new();
                while !over.load(Ordering::SeqCst) {
                    held.extend(attack(gateway));
                    if held.len() > most {
                        held.drain(..most / 3);
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
        }
        let _over = Over(&over);
        let end = Instant::now() + lasting(1);
        while Instant::now() < end || (seen.answered == 0 && Instant::now() < end + PATIENCE) {
            let asked = Instant::now();
            let mut client = good();
            client.send(Ask::get("/good").bytes());
            match client.response("GET") {
                Some(answer) if answer.status == 200 => {
                    seen.answered += 1;
                    seen.slowest = seen.slowest.max(asked.elapsed());
                }
                Some(answer) => {
                    assert_eq!((answer.status, answer.refusal()), (503, Some("overloaded")));
                    seen.refused += 1;
                }
                None => seen.refused += 1,
            }
            seen.tightest = seen.tightest.max(metric(gateway, "cloakroom_memory_pressure"));
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let _ = writeln!(std::io::stdout(), "{name}: {} MiB of {}, {seen:?}", gateway.peak() / MIB, BUDGET / MIB);
    assert!(gateway.peak() <= BUDGET, "{} MiB of {} were held", gateway.peak() / MIB, BUDGET / MIB);
    assert!(seen.answered > 0, "nobody else was answered: {seen:?}");
    eventually("room again", || {
        let mut client = good();
        client.send(Ask::get("/good").bytes());
        client.response("GET").filter(|answer| answer.status == 200)
    });
}

/// A siege of the plain port.
fn siege<H: Send>(name: &str, most: usize, attack: impl Fn(&Gateway) -> Vec<H> + Sync) {
    let upstream = app();
    let world = world(&upstream).start();
    let good = || Client::connect(world.gateway.public);
    besiege(&world, (name, most), good, attack)
}

/// A connection on which so much was said as the gateway took within half a second.
fn said(gateway: &Gateway, bytes: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(gateway.public).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let _ = socket.write_all(bytes);
    socket
}

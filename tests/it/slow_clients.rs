//! The public port before slowhttptest, in each of its four modes: a good client is answered all the while. Each lasts
//! `CLOAKROOM_SIEGE` seconds, eight by default; its last line gives the figures.

use crate::siege::lasting;
use crate::support::{Ask, Client, Process, Upstream, World, answer_with};
use std::process::Command;
use std::time::{Duration, Instant};

const CONNECTIONS: &str = "800";

/// Has a megabyte at `/large`, and reads a body before it answers.
fn app() -> Upstream {
    let large = vec![b'x'; 1 << 20];
    Upstream::playing(move |wire| {
        while let Some(request) = wire.request() {
            let body: &[u8] = if request.target == "/large" { &large } else { b"ok" };
            wire.say(answer_with(&request, body));
        }
    })
}

/// Lets slowhttptest have its way, while a client that stays and one that comes anew ask without a pause.
fn endure(mode: &[&str], path: &str) {
    let upstream = app();
    let world = World::new()
        .limits("header_timeout = \"4s\"\nbody_timeout = \"4s\"")
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start();
    let public = world.gateway.public;
    let mut tool = Command::new("slowhttptest");
    tool.args(mode).args([
        "-c",
        CONNECTIONS,
        "-r",
        CONNECTIONS,
        "-l",
        &lasting(8).as_secs().to_string(),
        "-p",
        "60",
    ]);
    let mut tool = Process::start(tool.arg("-u").arg(format!("http://{public}{path}")));
    let (mut answered, mut slowest) = (0, Duration::ZERO);
    let mut stays = Client::connect(public);
    while !tool.has_ended() {
        let asked = Instant::now();
        stays.send(Ask::get("/good").bytes());
        assert_eq!(stays.response("GET").map(|answer| answer.status), Some(200), "who stays");
        assert_eq!(Ask::get("/good").at(public).status, 200, "who comes anew");
        (answered, slowest) = (answered + 2, slowest.max(asked.elapsed()));
    }
    tool.wait();
    let told = tool.out.text();
    let last =
        told.lines().rev().find(|line| line.contains("Exit status")).unwrap_or_else(|| panic!("{told}"));
    let probes: Vec<_> = told.lines().filter(|line| line.contains("service available")).collect();
    assert!(!probes.is_empty() && probes.iter().all(|line| line.contains("YES")), "{told}");
    println!("slowhttptest {mode:?}: {last}; {answered} answered meanwhile, the slowest two in {slowest:?}");
}

#[test]
fn slow_heads_harm_nobody_else() {
    endure(&["-H", "-i", "1"], "/");
}

#[test]
fn slow_bodies_harm_nobody_else() {
    endure(&["-B", "-i", "1", "-s", "100000"], "/");
}

#[test]
fn overlapping_ranges_harm_nobody_else() {
    endure(&["-R"], "/large");
}

#[test]
fn slow_readers_harm_nobody_else() {
    endure(&["-X", "-n", "1", "-z", "8", "-k", "3"], "/large");
}

//! Who is refused in an overload, and what is left alone.

use crate::changes::services::{self, handshake};
use crate::overload::crowd::Crowd;
use crate::overload::figures::{Told, busy, lost, served};
use crate::overload::service::service;
use crate::support::{Ask, Client, Running, Upstream, World, answer_with, eventually};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn told(world: &Running, reason: &str) -> serde_json::Value {
    world.gateway.line(|line| line["status"] == 503 && line["reason"] == reason)
}

/// Says nothing until it is let.
fn gated(gate: &Arc<AtomicBool>) -> Upstream {
    let gate = Arc::clone(gate);
    Upstream::playing(move |wire| {
        while let Some(request) = wire.head() {
            while !gate.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            wire.say(answer_with(&request, b"ok"));
        }
    })
}

#[test]
fn an_app_that_is_slower_than_its_latency_is_asked_less_and_later_as_much_as_before() {
    let gate = Arc::<AtomicBool>::default();
    let app = gated(&gate);
    let limits = "limits = { latency = \"200ms\" }";
    let world = World::new()
        .table(&format!("[upstreams.app]\nendpoints = [\"http://{}\"]\n{limits}", app.address()))
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start();
    let mut waiting = Vec::new();
    let refused = eventually("somebody to be told to come again", || {
        let mut client = Client::connect(world.gateway.public);
        client.send(Ask::get("/x").bytes());
        waiting.push(client);
        let lines = world.gateway.lines();
        lines.into_iter().find(|line| line["status"] == 503)
    });
    assert_eq!(refused["refusal"], "upstream-busy");
    assert_eq!(refused["reason"], "the upstream's answers take longer than `limits.latency`");
    gate.store(true, Ordering::SeqCst);
    let answers = waiting.iter_mut().map(|client| client.response("GET").expect("an answer"));
    let statuses: Vec<u16> = answers.map(|answer| answer.status).collect();
    assert!(statuses.contains(&200) && statuses.contains(&503), "{statuses:?}");
    eventually("as many at once as before", || {
        let mut clients: Vec<_> = (0..16).map(|_| Client::connect(world.gateway.public)).collect();
        clients.iter_mut().for_each(|client| client.send(Ask::get("/x").bytes()));
        let served = |client: &mut Client| client.response("GET").is_some_and(|answer| answer.status == 200);
        clients.iter_mut().all(served).then_some(())
    });
}

/// A gateway that may let nobody wait, and many who ask.
fn strained() -> (Running, Crowd) {
    let app = service(10_000, Duration::ZERO);
    let world = World::new()
        .limits("delay = \"1ms\"")
        .upstream("app", app)
        .upstream("socket", services::http1())
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .route("path = \"/ws\"\nupstream = \"socket\"\naccess = \"open\"")
        .start();
    let crowd = Crowd { address: world.gateway.public, ask: Ask::get("/x").bytes() };
    (world, crowd)
}

#[test]
fn a_worker_that_is_asked_for_more_than_it_can_do_says_so_and_serves_what_it_can() {
    let (world, crowd) = strained();
    let (mut refused, mut done) = (0, 0);
    eventually("some to be told to come again, and some to be served", || {
        let outcomes = crowd.in_turn(200, Duration::from_millis(300));
        assert_eq!(lost(&outcomes), []);
        refused += busy(&outcomes).len();
        done += served(&outcomes).len();
        assert!(outcomes.iter().all(|outcome| outcome.told != Told::Busy("upstream-busy")));
        (refused > 0 && done > 0).then_some(())
    });
    let line = told(&world, "time");
    assert_eq!(
        (&line["refusal"], &line["path"], &line["method"]),
        (&"overloaded".into(), &"/x".into(), &"GET".into())
    );
    eventually("everybody to be served again", || {
        let outcomes = crowd.in_turn(1, Duration::from_millis(50));
        (busy(&outcomes).len() == 0 && served(&outcomes).len() > 0).then_some(())
    });
}

#[test]
fn a_tunnel_goes_on_and_the_health_is_told_while_requests_are_refused() {
    let (world, crowd) = strained();
    let mut tunnel = Client::connect(world.gateway.public);
    tunnel.send(handshake());
    assert_eq!(tunnel.head().map(|head| head.status), Some(101));
    let mut refused = 0;
    eventually("some to be told to come again", || {
        let pressed = crowd.clone();
        let crowd = std::thread::spawn(move || pressed.in_turn(200, Duration::from_millis(300)));
        while !crowd.is_finished() {
            tunnel.send("hello");
            assert_eq!(tunnel.read_exact(5), b"hello");
            assert_eq!(world.gateway.internal("/live").status, 200);
        }
        refused += busy(&crowd.join().unwrap()).len();
        (refused > 0).then_some(())
    });
}

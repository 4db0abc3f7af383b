//! How a gateway ends.

use crate::support::{Ask, Client, Running, Upstream, World, eventually};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

fn open(upstream: &Upstream) -> World {
    World::new().recorded("app", upstream).route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
}

/// An upstream that says of every request that it came, and answers only when told to.
fn waiting() -> (Upstream, Receiver<()>, Sender<()>) {
    let (came, seen) = channel();
    let (allow, allowed) = channel();
    let (came, allowed) = (Mutex::new(came), Mutex::new(allowed));
    let upstream = Upstream::playing(move |wire| {
        while wire.request().is_some() {
            let _ = came.lock().unwrap().send(());
            let _ = allowed.lock().unwrap().recv();
            wire.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
        }
    });
    (upstream, seen, allow)
}

/// Who waits for an answer while the gateway begins to end.
fn begins_to_drain(world: &Running, came: &Receiver<()>) -> Client {
    let address = world.gateway.public;
    let mut client = Client::connect(address);
    client.send(Ask::get("/slow").bytes());
    came.recv().unwrap();
    world.gateway.process.signal("TERM");
    eventually("the gateway to stop listening", || std::net::TcpStream::connect(address).err());
    client
}

/// The handlers were set up after the addresses were announced: a supervisor that was quick killed the process.
#[test]
fn a_gateway_that_is_asked_to_end_as_soon_as_it_listens_ends_well() {
    for _ in 0..5 {
        let upstream = Upstream::echoing();
        let mut world = open(&upstream).start();
        assert!(world.gateway.stop().success());
    }
}

/// Nobody waited for the thread that writes them: a request in the last instant left no trace.
#[test]
fn the_last_access_line_is_written_before_the_end() {
    let upstream = Upstream::echoing();
    let mut world = open(&upstream).start();
    assert_eq!(world.get("/last").status, 200);
    world.gateway.stop();
    let lines = world.gateway.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["path"], "/last");
}

#[test]
fn a_request_that_runs_is_finished_and_no_new_connection_is_taken() {
    let (upstream, came, allow) = waiting();
    let mut world = open(&upstream).start();
    let mut client = begins_to_drain(&world, &came);
    allow.send(()).unwrap();
    let response = client.response("GET").expect("the answer of the running request");
    assert_eq!((response.status, response.text().as_str()), (200, "done"));
    assert!(client.response("GET").is_none(), "the connection ends with its request");
    assert!(world.gateway.process.wait().success());
}

/// It was the first to go: nobody could see that the gateway drains, nor how.
#[test]
fn the_internal_listener_says_that_the_gateway_drains_until_that_is_over() {
    let (upstream, came, allow) = waiting();
    let mut world = open(&upstream).limits("drain_timeout = \"1h\"").start();
    let mut kept = Client::connect(world.gateway.internal);
    assert_eq!(kept.ask(&Ask::get("/live")).status, 200);
    let mut client = begins_to_drain(&world, &came);
    for ready in [world.gateway.internal("/ready"), kept.ask(&Ask::get("/ready"))] {
        assert_eq!(ready.status, 503);
        assert!(ready.text().contains("draining"), "{}", ready.text());
    }
    assert_eq!(world.gateway.internal("/metrics").status, 200);
    allow.send(()).unwrap();
    assert_eq!(client.response("GET").map(|response| response.status), Some(200));
    // Though `kept` is still there.
    assert!(world.gateway.process.wait().success());
}

#[test]
fn a_request_that_outlasts_the_drain_timeout_does_not_hold_the_process() {
    let (upstream, came, allow) = waiting();
    let mut world = open(&upstream).limits("drain_timeout = \"200ms\"").start();
    let mut client = Client::connect(world.gateway.public);
    client.send(Ask::get("/endless").bytes());
    came.recv().unwrap();
    assert!(world.gateway.stop().success());
    drop(allow);
    assert!(client.response("GET").is_none());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (upstream, came, allow) = waiting();
    let mut world = open(&upstream).limits("drain_timeout = \"1h\"").start();
    let mut client = Client::connect(world.gateway.public);
    client.send(Ask::get("/endless").bytes());
    came.recv().unwrap();
    world.gateway.process.signal("TERM");
    let told =
        world.gateway.process.err.wait_for("the drain", |text| text.contains("draining").then_some(()));
    assert!(told.is_some());
    world.gateway.process.signal("TERM");
    assert_eq!(world.gateway.process.wait().code(), Some(1));
    drop(allow);
}

#[test]
fn an_idle_connection_does_not_hold_the_drain() {
    let upstream = Arc::new(Upstream::echoing());
    let mut world = open(&upstream).limits("drain_timeout = \"1h\"").start();
    let mut client = Client::connect(world.gateway.public);
    assert_eq!(client.ask(&Ask::get("/")).status, 200);
    assert!(world.gateway.stop().success());
}

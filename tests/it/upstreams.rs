//! Several processes behind one name.

use crate::support::{Ask, Client, Upstream, World};
use std::collections::HashSet;

/// An upstream that says who it is.
fn named(name: &'static str) -> Upstream {
    Upstream::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len()))
}

fn table(upstreams: &[&Upstream], more: &str) -> String {
    let endpoints: Vec<String> =
        upstreams.iter().map(|upstream| format!("\"http://{}\"", upstream.address())).collect();
    format!("[upstreams.app]\nendpoints = [{}]\n{more}", endpoints.join(", "))
}

#[test]
fn a_session_stays_at_one_endpoint_at_every_gateway_and_the_sessions_are_spread() {
    let upstreams = [named("one"), named("two"), named("six")];
    let users: Vec<String> = (0..24).map(|user| format!("s{user}")).collect();
    let pairs: Vec<(&str, &str)> = users.iter().map(|user| (user.as_str(), user.as_str())).collect();
    let world = World::with_sessions(&pairs)
        .workers(2)
        .table(&table(&[&upstreams[0], &upstreams[1], &upstreams[2]], "balance = \"hash-session\""))
        .route("path = \"/*\"\nupstream = \"app\"")
        .start();
    let home = |user: &str| world.ask(&Ask::get("/x").cookie(&format!("sid={user}"))).text();
    let homes: Vec<String> = users.iter().map(|user| home(user)).collect();
    assert!(homes.iter().collect::<HashSet<_>>().len() > 1, "{homes:?}");
    for _ in 0..3 {
        for (user, its) in users.iter().zip(&homes) {
            assert_eq!(home(user), *its, "{user}");
        }
    }
}

#[test]
fn beyond_its_connections_and_queue_a_service_is_busy_and_recovers() {
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let slow = Upstream::playing(move |wire| {
        while wire.request().is_some() {
            let _ = gate.lock().unwrap().recv();
            wire.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let world = World::without_redis()
        .table(&table(&[&slow], "limits = { connections = 1, queue = 0 }"))
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start_at("redis://127.0.0.1:1/0");
    let mut first = Client::connect(world.public);
    first.send(Ask::get("/x").bytes());
    crate::support::eventually("the first request", || (slow.requests().len() == 1).then_some(()));
    let busy = Ask::get("/x").at(world.public);
    assert_eq!((busy.status, busy.header("cloakroom-refusal")), (503, Some("upstream-busy")));
    assert_eq!(busy.header("retry-after"), Some("1"));
    drop(open);
    assert_eq!(first.response("GET").map(|response| response.status), Some(200));
    assert_eq!(Ask::get("/x").at(world.public).status, 200);
    assert_eq!(slow.requests().len(), 2, "a refused request never arrives");
}

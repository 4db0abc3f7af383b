//! Several processes behind one name.

use crate::support::{Ask, Client, Upstream, World, eventually};
use serde_json::Value;
use std::collections::HashSet;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    eventually("the first request", || (slow.requests().len() == 1).then_some(()));
    let busy = Ask::get("/x").at(world.public);
    assert_eq!((busy.status, busy.header("cloakroom-refusal")), (503, Some("upstream-busy")));
    assert_eq!(busy.header("retry-after"), Some("1"));
    drop(open);
    assert_eq!(first.response("GET").map(|response| response.status), Some(200));
    assert_eq!(Ask::get("/x").at(world.public).status, 200);
    assert_eq!(slow.requests().len(), 2, "a refused request never arrives");
}

/// An upstream that is well or not, and says who it is.
fn checked(name: &'static str, well: &Arc<AtomicBool>) -> Upstream {
    let well = Arc::clone(well);
    Upstream::playing(move |wire| {
        while let Some(request) = wire.request() {
            let fails = request.target == "/healthz?deep" && !well.load(Ordering::SeqCst);
            let status = if fails { "503 Not Now" } else { "200 OK" };
            wire.say(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{name}", name.len()));
        }
    })
}

#[test]
fn an_endpoint_whose_health_checks_fail_gets_no_requests_until_they_pass() {
    let (one, two) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let upstreams = [checked("one", &one), checked("two", &two)];
    let health = "health = { path = \"/healthz?deep\", interval = \"20ms\", failures = 1, passes = 1 }";
    let gateway = World::without_redis()
        .table(&table(&[&upstreams[0], &upstreams[1]], health))
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start_at("redis://127.0.0.1:1/0");
    let states = || {
        let ready: Value = serde_json::from_slice(&gateway.internal("/ready?upstreams").body).unwrap();
        let endpoints = ready["upstreams"][0]["endpoints"].clone();
        [0, 1].map(|at| endpoints[at]["state"].as_str().unwrap().to_owned())
    };
    let answers =
        || -> HashSet<String> { (0..20).map(|_| Ask::get("/x").at(gateway.public).text()).collect() };
    eventually("one endpoint to be out", || (states() == ["serving", "unhealthy"]).then_some(()));
    assert_eq!(answers(), HashSet::from(["one".to_owned()]));
    let metrics = gateway.internal("/metrics").text();
    assert!(metrics.contains("state=\"unhealthy\"} 1"), "{metrics}");

    one.store(false, Ordering::SeqCst);
    eventually("both to be out", || (states() == ["unhealthy", "unhealthy"]).then_some(()));
    assert_eq!(answers().len(), 2, "if nobody is well, all are asked");
    assert!(gateway.internal("/ready?upstreams").text().contains("it answers 503"));

    two.store(true, Ordering::SeqCst);
    eventually("the other to be back", || (states() == ["unhealthy", "serving"]).then_some(()));
    assert_eq!(answers(), HashSet::from(["two".to_owned()]));
}

#[test]
fn an_upstream_may_be_a_unix_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
            head.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        String::from_utf8(head).unwrap()
    });
    let gateway = World::without_redis()
        .table(&format!("[upstreams.app]\nendpoints = [\"unix:{}\"]", path.display()))
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start_at("redis://127.0.0.1:1/0");
    assert_eq!(Ask::get("/x?y").at(gateway.public).text(), "ok");
    let head = serving.join().unwrap();
    assert!(head.starts_with("GET /x?y HTTP/1.1\r\n") && head.contains("host: gw.test\r\n"), "{head}");
}

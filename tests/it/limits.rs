//! What a client may ask for, how long anything may take, and when something is tried again.

use crate::support::{Ask, Client, Running, Upstream, World, eventually};

fn open(upstream: &Upstream) -> World {
    World::new().recorded("app", upstream).route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
}

fn refused_with(world: &Running, bytes: &str) -> (u16, String) {
    let mut client = Client::connect(world.gateway.public);
    client.send(bytes);
    let response = client.response("GET").expect("an answer before the connection closes");
    assert!(client.rest().is_empty(), "the connection closes");
    (response.status, response.refusal().unwrap_or_default().to_owned())
}

#[test]
fn a_head_that_is_too_long_or_has_too_many_fields_is_431() {
    let upstream = Upstream::echoing();
    let world = open(&upstream).limits("header_bytes = \"4KiB\"\nheaders = 10").start();
    let long = format!("GET / HTTP/1.1\r\nHost: gw.test\r\nX: {}\r\n\r\n", "a".repeat(5000));
    assert_eq!(refused_with(&world, &long), (431, "head-too-large".into()));
    let endless = "GET /".to_owned() + &"a".repeat(5000);
    assert_eq!(refused_with(&world, &endless).0, 431);
    let many = "GET / HTTP/1.1\r\nHost: gw.test\r\n".to_owned() + &"X: y\r\n".repeat(11) + "\r\n";
    assert_eq!(refused_with(&world, &many), (431, "too-many-headers".into()));
    let just = "GET / HTTP/1.1\r\nHost: gw.test\r\n".to_owned() + &"X: y\r\n".repeat(9) + "\r\n";
    let mut client = Client::connect(world.gateway.public);
    client.send(just);
    assert_eq!(client.response("GET").unwrap().status, 200);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_head_or_body_that_does_not_come_is_408_and_an_idle_connection_ends() {
    let upstream = Upstream::echoing();
    let limits = "header_timeout = \"100ms\"\nbody_timeout = \"100ms\"\nidle_timeout = \"100ms\"";
    let world = open(&upstream).limits(limits).start();
    assert_eq!(refused_with(&world, "GET / HTTP/1.1\r\nHost:"), (408, "head-timed-out".into()));
    let body = "POST / HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 5\r\n\r\nhe";
    assert_eq!(refused_with(&world, body), (408, "body-timed-out".into()));
    let mut silent = Client::connect(world.gateway.public);
    assert!(silent.rest().is_empty(), "a connection that says nothing is closed without a word");
    let mut idle = Client::connect(world.gateway.public);
    idle.ask(&Ask::get("/"));
    assert!(idle.rest().is_empty());
}

#[test]
fn a_body_beyond_its_limit_is_413_and_never_whole_at_the_upstream() {
    let upstream = Upstream::echoing();
    let world = open(&upstream)
        .limits("body = \"10B\"")
        .route("path = \"/large/*\"\nupstream = \"app\"\naccess = \"open\"\nlimits = { body = \"20B\" }")
        .start();
    let post = |target: &str, length: usize| world.ask(&Ask::new("POST", target).body("x".repeat(length)));
    assert_eq!(post("/", 11).refusal(), Some("body-too-large"));
    assert_eq!(post("/large/x", 21).status, 413);
    assert!(upstream.requests().is_empty());
    assert_eq!((post("/", 10).status, post("/large/x", 20).status), (200, 200));
    let chunked =
        "POST / HTTP/1.1\r\nHost: gw.test\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n";
    assert_eq!(refused_with(&world, chunked), (413, "body-too-large".into()));
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn a_silent_upstream_is_504_and_an_unreachable_one_502() {
    let upstream = Upstream::playing(|wire| {
        wire.request();
    });
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::new()
        .table(&format!(
            "[upstreams.silent]\nendpoints = [\"http://{}\"]\ntimeouts = {{ first_byte = \"100ms\" }}",
            upstream.address()
        ))
        .upstream("nobody", nobody)
        .route("path = \"/silent\"\nupstream = \"silent\"\naccess = \"open\"")
        .route("path = \"/nobody\"\nupstream = \"nobody\"\naccess = \"open\"")
        .start();
    let silent = world.get("/silent");
    assert_eq!((silent.status, silent.refusal()), (504, Some("upstream-timed-out")));
    let nobody = world.get("/nobody");
    assert_eq!((nobody.status, nobody.refusal()), (502, Some("upstream-unreachable")));
}

/// Answers once on a connection, then hangs up when the next request comes, as a server does whose idle timer ran out.
fn forgetful() -> Upstream {
    Upstream::playing(|wire| {
        if wire.request().is_some() {
            wire.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            wire.read();
            wire.hang_up();
        }
    })
}

#[test]
fn a_safe_request_on_a_connection_that_had_just_ended_is_sent_once_more() {
    let upstream = forgetful();
    let world = open(&upstream).start();
    let mut client = Client::connect(world.gateway.public);
    for _ in 0..4 {
        assert_eq!(client.ask(&Ask::get("/x")).status, 200);
    }
}

#[test]
fn an_unsafe_request_that_may_have_arrived_is_never_sent_twice() {
    let upstream = forgetful();
    let mut world = open(&upstream).start();
    let mut client = Client::connect(world.gateway.public);
    assert_eq!(client.ask(&Ask::get("/warm")).status, 200);
    let posted = client.ask(&Ask::new("POST", "/pay").body("1 EUR"));
    assert_eq!((posted.status, posted.refusal()), (502, Some("upstream-broken")));
    world.gateway.stop();
    let bytes = upstream.finish().concat();
    assert_eq!(bytes.windows(9).filter(|window| *window == b"POST /pay").count(), 1);
}

#[test]
fn no_more_connections_than_allowed_are_served() {
    let upstream = Upstream::echoing();
    let world = open(&upstream).limits("connections = 2").start();
    let mut first = Client::connect(world.gateway.public);
    let mut second = Client::connect(world.gateway.public);
    assert_eq!((first.ask(&Ask::get("/")).status, second.ask(&Ask::get("/")).status), (200, 200));
    let mut third = Client::connect(world.gateway.public);
    third.send(Ask::get("/").bytes());
    assert!(third.response("GET").is_none(), "a third is closed without a word");
    drop(first);
    eventually("the place to be free", || {
        let mut next = Client::connect(world.gateway.public);
        next.send(Ask::get("/").bytes());
        next.response("GET").filter(|response| response.status == 200)
    });
    assert_eq!(second.ask(&Ask::get("/")).status, 200);
}

/// One byte now and then is never a standstill, and would hold a connection for days.
#[test]
fn a_body_that_trickles_is_408_however_regularly() {
    let upstream = Upstream::echoing();
    let world = open(&upstream).limits("body_timeout = \"400ms\"\nbody_rate = \"1KiB\"").start();
    for framing in ["Content-Length: 100000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n186a0\r\n"] {
        let mut slow = Client::connect(world.gateway.public);
        slow.send(format!("POST / HTTP/1.1\r\nHost: gw.test\r\n{framing}"));
        slow.socket().set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
        let answer = eventually("the trickle to be cut", || {
            slow.send("x");
            slow.head()
        });
        assert_eq!((answer.status, answer.refusal()), (408, Some("body-timed-out")), "{framing}");
    }
    let steady = world.ask(&Ask::new("POST", "/").body("x".repeat(300_000)));
    assert_eq!(steady.status, 200);
}

#[test]
fn what_waits_beyond_the_most_is_503_at_once_and_the_rest_is_answered() {
    let upstream = Upstream::playing(|wire| {
        while let Some(request) = wire.request() {
            if request.target == "/slow" {
                wire.read();
                return;
            }
            wire.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let world = open(&upstream).limits("requests = 2").start();
    let slow: Vec<Client> = (0..2)
        .map(|_| {
            let mut client = Client::connect(world.gateway.public);
            client.send(Ask::get("/slow").bytes());
            client
        })
        .collect();
    let shed = eventually("both to wait", || {
        let answer = world.get("/x");
        (answer.status == 503).then_some(answer)
    });
    assert_eq!((shed.refusal(), shed.header("retry-after")), (Some("overloaded"), Some("1")));
    drop(slow);
    eventually("a place to be free", || (world.get("/x").status == 200).then_some(()));
}

/// Without a descriptor left nothing can be accepted; the loop waits that out instead of ending or spinning.
#[test]
fn running_out_of_descriptors_ends_nothing() {
    let upstream = Upstream::echoing();
    let world = open(&upstream).start();
    let limit = format!("prlimit --pid {} --nofile=48", world.gateway.process.id());
    assert!(std::process::Command::new("sh").args(["-c", &limit]).status().unwrap().success());
    for _ in 0..3 {
        let crowd: Vec<Client> = (0..120).map(|_| Client::connect(world.gateway.public)).collect();
        world.gateway.process.err.wait_for("a connection could not be accepted", |text| {
            text.contains("a connection could not be accepted").then_some(())
        });
        drop(crowd);
        eventually("room for a good client", || {
            let mut client = Client::connect(world.gateway.public);
            client.send(Ask::get("/x").bytes());
            client.response("GET").filter(|answer| answer.status == 200)
        });
    }
}

/// Hundreds that send heads and bodies a byte at a time, as slowhttptest does, and one who just wants an answer.
#[test]
fn slow_clients_do_not_harm_good_ones() {
    let upstream = Upstream::echoing();
    let world = open(&upstream)
        .limits("header_timeout = \"1s\"\nbody_timeout = \"1s\"\nbody_rate = \"10KiB\"")
        .start();
    let begin = |bytes: &str| {
        let mut client = Client::connect(world.gateway.public);
        client.send(bytes);
        client
    };
    let heads = (0..150).map(|_| begin("GET / HTTP/1.1\r\nHost: gw.test\r\nX-"));
    let bodies =
        (0..150).map(|_| begin("POST / HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 100000\r\n\r\nx"));
    let mut slow: Vec<Client> = heads.chain(bodies).collect();
    for _ in 0..20 {
        slow.iter_mut().for_each(|client| client.send("a"));
        assert_eq!(world.get("/good").status, 200);
    }
    eventually("the slow ones to be gone", || {
        let page = world.gateway.internal("/metrics").text();
        slow.iter_mut().for_each(|client| client.send("a"));
        page.contains("cloakroom_connections 0").then_some(())
    });
}

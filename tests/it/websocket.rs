//! WebSocket through the gateway: who may open one, and that its bytes are nobody's business.

use crate::support::{Ask, Client, Running, Upstream, World, accept_of, agreement, eventually};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ID: &str = "ws-session-3c5f9d";

/// Accepts every handshake, then sends back what it gets.
fn echoing() -> Upstream {
    Upstream::playing(|wire| {
        while let Some(request) = wire.request() {
            let Some(key) = request.one("sec-websocket-key") else {
                wire.say("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n");
                continue;
            };
            wire.say(agreement(key, "Sec-WebSocket-Protocol: chat\r\n"));
            wire.echo();
        }
    })
}

fn world(upstream: &Upstream) -> Running {
    World::with_sessions(&[(ID, "alice")])
        .table("[csrf]\ntrusted_origins = [\"https://www.gw.test\"]")
        .recorded("chat", upstream)
        .route("path = \"/*\"\nupstream = \"chat\"")
        .start()
}

fn handshake() -> Ask {
    Ask::get("/ws")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", KEY)
}

fn with_session() -> Ask {
    handshake().cookie(&format!("sid={ID}"))
}

#[test]
fn bytes_pass_both_ways_unchanged_in_the_users_name() {
    let upstream = echoing();
    let world = world(&upstream);
    let mut client = Client::connect(world.gateway.public);
    client.send(
        with_session().header("Origin", "http://gw.test").header("Sec-WebSocket-Protocol", "chat").bytes(),
    );
    let answer = client.response("GET").unwrap();
    assert_eq!((answer.status, answer.header("sec-websocket-accept")), (101, Some(accept_of(KEY).as_str())));
    assert_eq!(answer.header("sec-websocket-protocol"), Some("chat"));
    let sent: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 1009 % 256) as u8).collect();
    let expected = sent.clone();
    let mut writer = client.socket().try_clone().unwrap();
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &sent).unwrap());
    assert!(client.read_exact(expected.len()) == expected);
    writing.join().unwrap();
    let request = &upstream.requests()[0];
    let claims = crate::support::verify(request.bearer().unwrap(), &world.gateway.keys(), "chat").unwrap();
    assert_eq!(claims["sub"], "alice");
    assert_eq!(request.one("cookie"), None);
}

#[test]
fn a_page_of_another_site_cannot_open_one() {
    let upstream = echoing();
    let world = world(&upstream);
    for origin in ["https://evil.test", "null", "https://gw.test.evil.test", "http://gw.test:81"] {
        let answer = world.ask(&with_session().header("Origin", origin));
        assert_eq!((answer.status, answer.refusal()), (403, Some("cross-site")), "{origin}");
    }
    let lying = with_session().header("Origin", "https://evil.test").header("Sec-Fetch-Site", "same-origin");
    assert_eq!(world.ask(&lying).status, 403);
    let two = with_session().header("Origin", "https://gw.test").header("Origin", "https://evil.test");
    assert_eq!(world.ask(&two).refusal(), Some("cross-site"));
    for site in ["cross-site", "same-site"] {
        let silent = with_session().header("Sec-Fetch-Site", site);
        assert_eq!(world.ask(&silent).refusal(), Some("cross-site"), "{site} without an Origin");
    }
    assert!(upstream.requests().is_empty());
    for origin in ["https://gw.test", "https://www.gw.test"] {
        assert_eq!(world.ask(&with_session().header("Origin", origin)).status, 101, "{origin}");
    }
}

#[test]
fn nobody_opens_one_without_a_session() {
    let upstream = echoing();
    let world = world(&upstream);
    assert_eq!(world.ask(&handshake()).status, 401);
    assert_eq!(world.ask(&handshake().cookie("sid=unknown")).status, 401);
    assert!(upstream.requests().is_empty());
}

#[test]
fn no_byte_reaches_the_upstream_before_it_has_agreed() {
    let (allow, allowed) = std::sync::mpsc::channel::<()>();
    let allowed = std::sync::Mutex::new(allowed);
    let upstream = Upstream::playing(move |wire| {
        while wire.request().is_some() {
            allowed.lock().unwrap().recv().unwrap();
            wire.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let mut world = world(&upstream);
    let mut client = Client::connect(world.gateway.public);
    client.send(with_session().bytes());
    client.send("GET /admin HTTP/1.1\r\nHost: gw.test\r\nX-Smuggled: 1\r\n\r\n");
    eventually("the handshake upstream", || (upstream.requests().len() == 1).then_some(()));
    allow.send(()).unwrap();
    assert_eq!(client.response("GET").unwrap().status, 403);
    drop(client);
    assert!(world.gateway.stop().success());
    let bytes = upstream.finish();
    assert!(!bytes.concat().windows(10).any(|window| window == b"X-Smuggled"));
}

#[test]
fn an_upstream_that_agrees_to_something_else_is_not_believed() {
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    ] {
        let upstream = Upstream::answering(answer);
        let response = world(&upstream).ask(&with_session());
        assert_eq!((response.status, response.refusal()), (502, Some("upstream-broken")));
    }
}

#[test]
fn a_service_without_websockets_says_so_itself() {
    let upstream = Upstream::answering("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
    let response = world(&upstream).ask(&with_session());
    assert_eq!((response.status, response.text().as_str()), (404, "no"));
}

#[test]
fn when_one_side_hangs_up_the_other_is_hung_up_on() {
    let upstream = echoing();
    let mut world = world(&upstream);
    let mut client = Client::connect(world.gateway.public);
    client.send(with_session().bytes());
    assert_eq!(client.response("GET").unwrap().status, 101);
    drop(client);
    assert!(world.gateway.stop().success());
    upstream.finish();
}

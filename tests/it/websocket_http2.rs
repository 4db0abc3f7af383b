//! WebSocket over HTTP/2 (RFC 8441), to either side, with Node's own HTTP/2 for client and for server.

use crate::support::h2::{DATA, END_STREAM, End, GOAWAY, H2, HEADERS, RST_STREAM, SETTINGS, frame, headers};
use crate::support::{
    Ask, Authority, Client, Process, Running, Upstream, World, agreement, answer_with, eventually,
};
use serde_json::{Value, json};
use std::process::Command;

const ID: &str = "ws-session-3c5f9d";
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn node(arguments: &[&str]) -> Command {
    let mut node = Command::new("node");
    node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node/sockets.js")).args(arguments);
    node
}

/// Node's server, which sends back what a socket brings, and the gateway before it.
struct Sockets {
    service: Process,
    running: Running,
    _authority: Authority,
}

impl Sockets {
    /// `kind` is `h1`, `h2c`, `deaf`, `h2`, or `h2 also-h1`.
    fn start(kind: &str) -> Self {
        let authority = Authority::new();
        authority.issue("here", &["localhost"]);
        let (kind, more) = kind.split_once(' ').unwrap_or((kind, ""));
        let files = [authority.path("here", "key"), authority.path("here", "pem")]
            .map(|path| path.display().to_string());
        let service = Process::start(&mut node(&["serve", kind, &files[0], &files[1], more]));
        let port: u16 = service
            .out
            .wait_for("the port", |text| {
                text.lines().find_map(|line| line.strip_prefix("listening ")?.parse().ok())
            })
            .unwrap();
        let table = match kind {
            "h1" => format!("endpoints = [\"http://127.0.0.1:{port}\"]"),
            "h2" => {
                format!("endpoints = [\"https://localhost:{port}\"]\nca = \"{}\"", authority.root().display())
            }
            _ => format!("endpoints = [\"h2c://127.0.0.1:{port}\"]"),
        };
        let running = World::with_sessions(&[(ID, "alice")])
            .table("[csrf]\ntrusted_origins = [\"https://www.gw.test\"]")
            .table(&format!("[upstreams.chat]\n{table}"))
            .route("path = \"/*\"\nupstream = \"chat\"")
            .start();
        Self { service, running, _authority: authority }
    }

    /// What Node's client says of a socket in HTTP/2 that was to bring back so much.
    fn call(&self, cookie: &str, mib: u32, origin: &str) -> Value {
        let port = self.running.gateway.public.port().to_string();
        let out = node(&["call", &port, cookie, &mib.to_string(), origin]).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        serde_json::from_str(&text)
            .unwrap_or_else(|_| panic!("{text}\n{}", String::from_utf8_lossy(&out.stderr)))
    }

    /// What the service saw of the handshake.
    fn seen(&self) -> Value {
        let line = self.service.out.wait_for("a handshake", |text| {
            text.lines().find_map(|line| line.strip_prefix("seen ").map(str::to_owned))
        });
        serde_json::from_str(&line.unwrap()).unwrap()
    }
}

fn handshake() -> Ask {
    Ask::get("/ws")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", KEY)
        .header("Sec-WebSocket-Protocol", "chat")
        .cookie(&format!("sid={ID}; theme=dark"))
}

/// Bytes that do not repeat soon.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        })
        .collect()
}

#[test]
fn from_http_2_64_mib_come_back_unchanged_from_a_service_of_any_kind() {
    for (kind, over) in [("h1", "h1"), ("h2c", "h2"), ("h2", "h2"), ("h2 also-h1", "h1")] {
        let sockets = Sockets::start(kind);
        let told = sockets.call(&format!("sid={ID}; theme=dark"), 64, "http://gw.test");
        assert_eq!((&told["offered"], &told["status"]), (&json!(true), &json!(200)), "{kind}");
        assert_eq!((&told["bytes"], &told["equal"]), (&json!(64 << 20), &json!(true)), "{kind}");
        assert_eq!(told["headers"]["sec-websocket-protocol"], "chat");
        assert_eq!(told["headers"].get("sec-websocket-accept"), None);
        let seen = sockets.seen();
        let fields = &seen["headers"];
        assert_eq!((&seen["over"], &fields["cookie"]), (&json!(over), &json!("theme=dark")), "{kind}");
        assert!(fields["authorization"].as_str().unwrap().starts_with("Bearer ey"), "{kind}");
        assert_eq!(fields["sec-websocket-version"], "13");
        assert_eq!(fields.get("sec-websocket-key").is_some(), over == "h1", "{kind}: {fields}");
    }
}

#[test]
fn from_http_1_64_mib_come_back_unchanged_from_a_service_in_http_2() {
    for kind in ["h2c", "h2"] {
        let sockets = Sockets::start(kind);
        let mut client = Client::connect(sockets.running.gateway.public);
        client.send(handshake().bytes());
        let answer = client.response("GET").unwrap();
        assert_eq!((answer.status, answer.header("sec-websocket-accept")), (101, Some(ACCEPT)), "{kind}");
        assert_eq!(answer.header("sec-websocket-protocol"), Some("chat"));
        assert_eq!(
            (answer.header("connection"), answer.header("upgrade")),
            (Some("Upgrade"), Some("websocket"))
        );
        let sent = noise(64 << 20);
        let mut writer = client.socket().try_clone().unwrap();
        let came = std::thread::scope(|scope| {
            scope.spawn(|| std::io::Write::write_all(&mut writer, &sent).unwrap());
            client.read_exact(sent.len())
        });
        assert!(came == sent, "{kind}");
        assert_eq!(sockets.seen()["over"], "h2");
        drop((client, writer));
        let closed = sockets.service.out.wait_for("the end", |text| text.contains("closed").then_some(()));
        assert!(closed.is_some());
    }
}

#[test]
fn who_may_not_open_one_in_http_1_may_not_in_http_2() {
    let sockets = Sockets::start("h2c");
    let sid = format!("sid={ID}");
    for (cookie, origin, status, refusal) in [
        ("a=b", "", 401, "login-required"),
        ("sid=unknown", "", 401, "login-required"),
        (sid.as_str(), "https://evil.test", 403, "cross-site"),
        (sid.as_str(), "null", 403, "cross-site"),
    ] {
        let told = sockets.call(cookie, 1, origin);
        assert_eq!(told["status"], status, "{cookie} {origin}");
        assert_eq!(told["headers"]["cloakroom-refusal"], refusal);
    }
    assert!(!sockets.service.out.text().contains("seen"));
    assert_eq!(sockets.call(&sid, 1, "https://www.gw.test")["equal"], true);
}

#[test]
fn a_service_that_makes_no_tunnels_in_http_2_is_told_of_as_what_it_is() {
    let sockets = Sockets::start("deaf");
    for _ in 0..2 {
        let answer = sockets.running.ask(&handshake());
        assert_eq!((answer.status, answer.refusal()), (502, Some("upstream-broken")));
        let told = sockets.call(&format!("sid={ID}"), 1, "");
        assert_eq!(
            (&told["status"], &told["headers"]["cloakroom-refusal"]),
            (&json!(502), &json!("upstream-broken"))
        );
    }
    let plain = sockets.running.ask(&Ask::get("/x").cookie(&format!("sid={ID}")));
    assert_eq!(plain.status, 426, "it goes on to serve what it can");
}

/// The pseudo-fields of an extended CONNECT, and what a handshake has besides.
fn connect(protocol: &str, cookie: &str) -> Vec<u8> {
    connect_with(protocol, cookie, 0, &[])
}

fn connect_with(protocol: &str, cookie: &str, flags: u8, more: &[(&str, &str)]) -> Vec<u8> {
    let mut fields = vec![
        (":method", "CONNECT"),
        (":protocol", protocol),
        (":scheme", "http"),
        (":authority", "gw.test"),
        (":path", "/ws"),
        ("sec-websocket-version", "13"),
        ("cookie", cookie),
    ];
    fields.extend(more);
    headers(1, flags, &fields)
}

/// An upstream in HTTP/1.1 that sends back what a tunnel brings, before a gateway with these limits.
fn plain(limits: &str) -> (Upstream, Running) {
    let upstream = Upstream::playing(|wire| {
        let Some(request) = wire.request() else { return };
        let Some(key) = request.one("sec-websocket-key") else { return };
        wire.say(agreement(key, ""));
        wire.echo();
    });
    let running = before(&upstream, limits);
    (upstream, running)
}

fn before(upstream: &Upstream, limits: &str) -> Running {
    World::with_sessions(&[(ID, "alice")])
        .store("timeout = \"5s\"\nrevocation_bound = \"60s\"")
        .limits(limits)
        .recorded("chat", upstream)
        .route("path = \"/*\"\nupstream = \"chat\"")
        .start()
}

/// Waits for the head of stream 1; of a tunnel, if it is one.
fn opened(client: &mut H2) -> bool {
    loop {
        match client.next() {
            Some(frame) if frame.kind == HEADERS => return frame.flags & END_STREAM == 0,
            Some(frame) if frame.kind == RST_STREAM => return false,
            Some(_) => {}
            None => return false,
        }
    }
}

/// The bytes that come in DATA frames, up to so many, or to the end of the stream.
fn bytes(client: &mut H2, most: usize) -> (Vec<u8>, bool) {
    let mut came = Vec::new();
    while came.len() < most {
        let Some(frame) = client.next() else { return (came, true) };
        if frame.kind == DATA {
            came.extend_from_slice(&frame.payload);
        }
        if frame.stream == 1
            && (frame.flags & END_STREAM != 0 && frame.kind == DATA || frame.kind == RST_STREAM)
        {
            return (came, true);
        }
    }
    (came, false)
}

fn echo(client: &mut H2) {
    client.send(frame(DATA, 0, 1, b"\x81\x05hello"));
    assert_eq!(bytes(client, 7), (b"\x81\x05hello".to_vec(), false));
}

fn tunnel(running: &Running) -> H2 {
    let mut client = H2::connect(running.gateway.public);
    client.send(connect("websocket", &format!("sid={ID}")));
    assert!(opened(&mut client));
    echo(&mut client);
    client
}

#[test]
fn a_connect_that_is_no_websocket_reaches_nobody() {
    let (upstream, running) = plain("");
    let sid = format!("sid={ID}");
    for connect in [
        connect("connect-udp", &sid),
        connect("WEBSOCKET", &sid),
        connect_with("websocket", &sid, END_STREAM, &[("content-length", "0")]),
        connect_with("websocket", &sid, 0, &[("sec-websocket-version", "8")]),
    ] {
        let mut client = H2::connect(running.gateway.public);
        client.send(connect);
        let end = client.end_of(1);
        assert!(matches!(end, End::Answer(400, _)), "{end:?}");
    }
    let mut client = H2::connect(running.gateway.public);
    client.send(headers(1, 0, &[(":method", "CONNECT"), (":authority", "gw.test:22")]));
    let end = client.end_of(1);
    assert!(matches!(end, End::Answer(400 | 405, _)), "{end:?}");
    // A protocol without CONNECT is malformed.
    let mut client = H2::connect(running.gateway.public);
    client.send(headers(
        1,
        END_STREAM,
        &[
            (":method", "GET"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":authority", "gw.test"),
            (":path", "/ws"),
        ],
    ));
    let end = client.end_of(1);
    assert!(matches!(end, End::Reset(1) | End::Answer(400, _)), "{end:?}");
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_success_that_is_no_agreement_opens_nothing() {
    for answer in ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 204 No Content\r\n\r\n"] {
        let upstream = Upstream::answering(answer);
        let running = before(&upstream, "");
        let mut client = H2::connect(running.gateway.public);
        client.send(connect("websocket", &format!("sid={ID}")));
        let End::Answer(502, body) = client.end_of(1) else { panic!("{answer}") };
        assert!(String::from_utf8_lossy(&body).contains("upstream-broken"), "{answer}");
    }
    let upstream = Upstream::answering("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
    let running = before(&upstream, "");
    let mut client = H2::connect(running.gateway.public);
    client.send(connect("websocket", &format!("sid={ID}")));
    assert_eq!(client.end_of(1), End::Answer(404, b"no".to_vec()));
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
    let mut running = before(&upstream, "");
    let mut client = H2::connect(running.gateway.public);
    client.send(connect("websocket", &format!("sid={ID}")));
    client.send(frame(DATA, 0, 1, b"GET /admin HTTP/1.1\r\nHost: gw.test\r\nX-Smuggled: 1\r\n\r\n"));
    eventually("the handshake upstream", || (upstream.requests().len() == 1).then_some(()));
    allow.send(()).unwrap();
    assert!(matches!(client.end_of(1), End::Answer(403, _)));
    drop(client);
    assert!(running.gateway.stop().success());
    assert!(!upstream.finish().concat().windows(10).any(|window| window == b"X-Smuggled"));
}

#[test]
fn a_revoked_session_gets_a_close_frame_and_other_streams_go_on() {
    let (_upstream, mut running) = plain("");
    let mut client = tunnel(&running);
    eventually("the stream to be held", || {
        running.gateway.internal("/metrics").text().contains("cloakroom_streams_open 1").then_some(())
    });
    running.redis().delete(&format!("sess:{ID}"));
    let (came, ended) = bytes(&mut client, usize::MAX);
    assert!(ended);
    assert_eq!(came[..4], [0x88, 21, 0x03, 0xf0], "a close frame with 1008");
    assert_eq!(came[4..], *b"the session is over");
    assert!(matches!(client.get(3, "/x"), End::Answer(401, _)), "the connection serves on");
    let line = running.gateway.line(|line| line["decision"] == "closed");
    assert_eq!((&line["reason"], &line["path"]), (&json!("session-revoked"), &json!("/ws")));
}

#[test]
fn an_open_socket_is_not_idle_and_the_connection_is_afterwards() {
    let (_upstream, running) =
        plain("idle_timeout = \"200ms\"\nheader_timeout = \"200ms\"\nbody_timeout = \"200ms\"");
    let mut client = tunnel(&running);
    std::thread::sleep(std::time::Duration::from_secs(1));
    echo(&mut client);
    client.send(frame(DATA, END_STREAM, 1, b""));
    let mut kinds = Vec::new();
    while let Some(frame) = client.next() {
        kinds.push(frame.kind);
    }
    assert!(kinds.contains(&GOAWAY), "{kinds:?}");
}

#[test]
fn a_drain_says_goodbye_and_waits_for_sockets_until_its_time_is_up() {
    let (upstream, mut running) = plain("drain_timeout = \"3s\"");
    let mut client = tunnel(&running);
    running.gateway.process.signal("TERM");
    loop {
        let frame = client.next().expect("a GOAWAY");
        if frame.kind == GOAWAY {
            break;
        }
        assert!(matches!(frame.kind, SETTINGS | DATA | 6 | 8), "{frame:?}");
    }
    echo(&mut client);
    assert!(running.gateway.process.wait().success());
    while client.next().is_some() {}
    upstream.finish();
}

/// Says what a text frame of a browser says, as a service does: without a mask.
fn saying_back() -> Upstream {
    Upstream::playing(|wire| {
        while let Some(request) = wire.request() {
            let Some(key) = request.one("sec-websocket-key") else {
                wire.say(answer_with(&request, b"a page"));
                continue;
            };
            wire.say(agreement(key, ""));
            let mut frame = wire.read();
            while frame.len() < 6 || frame.len() < 6 + usize::from(frame[1] & 0x7f) {
                let more = wire.read();
                if more.is_empty() {
                    return;
                }
                frame.extend(more);
            }
            let length = usize::from(frame[1] & 0x7f);
            let mut back = vec![0x81, frame[1] & 0x7f];
            back.extend((0..length).map(|at| frame[6 + at] ^ frame[2 + at % 4]));
            wire.say(back);
            wire.hear_out();
        }
    })
}

#[test]
fn a_browser_opens_one_over_the_connection_that_its_page_came_by() {
    let (authority, upstream) = (Authority::new(), saying_back());
    authority.issue("here", &["localhost"]);
    let world = World::with_sessions(&[(ID, "alice")])
        .recorded("chat", &upstream)
        .route("path = \"/\"\nupstream = \"chat\"\naccess = \"open\"")
        .route("path = \"/ws\"\nupstream = \"chat\"")
        .table(&authority.entry("here"))
        .start();
    let page = format!("https://localhost:{}/", world.gateway.public.port());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/websocket.mjs");
    let told = Command::new("node").args([script, &page, &format!("sid={ID}")]).output().unwrap();
    let told = String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned();
    assert_eq!(told, "200 from a page\n");
    let opened = upstream.requests().into_iter().find(|request| request.target == "/ws").unwrap();
    assert!(opened.bearer().is_some());
}

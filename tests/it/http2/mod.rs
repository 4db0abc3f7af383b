//! HTTP/2 by prior knowledge: the same rules as over HTTP/1.1, and what only HTTP/2 has.

mod bodies;
mod conformance;
pub(crate) mod fairness;
mod upstream;

use crate::support::h2::{
    CONTINUATION, DATA, END_STREAM, End, GOAWAY, H2, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, frame,
    headers, hello, request,
};
use crate::support::{Running, Upstream, World, answer_with, eventually};
use std::process::Command;

const ALICE: &str = "Vq3fY0rJbXhQe7TzL1mWn8sKdPa2CuG5";
const BOB: &str = "Ez9cN4tRwHkUj6BvSx0gMo2yFiDl8AqP";
const ENHANCE_YOUR_CALM: u32 = 0xb;

/// An echoing app: `/open/*` is open, the rest required.
fn app(upstream: &Upstream, limits: &str) -> Running {
    World::with_sessions(&[(ALICE, "alice"), (BOB, "bob")])
        .limits(limits)
        .recorded("app", upstream)
        .route("path = \"/open/*\"\nupstream = \"app\"\naccess = \"open\"")
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"required\"")
        .start()
}

fn echoing(limits: &str) -> (Upstream, Running) {
    let upstream = Upstream::echoing();
    let app = app(&upstream, limits);
    (upstream, app)
}

fn text(end: End) -> String {
    match end {
        End::Answer(200, body) => String::from_utf8(body).unwrap(),
        other => panic!("no good answer: {other:?}"),
    }
}

#[test]
fn what_reaches_an_http1_upstream_is_canonical() {
    let (upstream, app) = echoing("");
    let mut client = H2::connect(app.gateway.public);
    let cookie = format!("sid={ALICE}");
    let mut fields = request("POST", "/a/b?c=d");
    fields.extend([("x-user", "root"), ("cookie", "a=1"), ("cookie", cookie.as_str()), ("cookie", "b=2")]);
    fields.extend([("te", "trailers"), ("x_forwarded_for", "9.9.9.9"), ("accept", "*/*")]);
    client.send(headers(1, 0, &fields));
    client.send(frame(DATA, 0, 1, b"hel"));
    client.send(frame(DATA, 0, 1, b"lo"));
    client.send(headers(1, END_STREAM, &[("authorization", "Bearer evil")]));
    text(client.end_of(1));
    let seen = String::from_utf8(upstream.bytes().concat()).unwrap().to_lowercase();
    assert!(seen.starts_with("post /a/b?c=d http/1.1\r\n"), "{seen}");
    assert!(seen.contains("\r\ncookie: a=1; b=2\r\n") && seen.contains("\r\nhost: gw.test\r\n"), "{seen}");
    assert_eq!(seen.matches("authorization: bearer ey").count(), 1, "{seen}");
    for gone in ["x-user", "\r\nte:", "x_forwarded_for", "evil", "sid=", "connection:", ":authority"] {
        assert!(!seen.contains(gone), "{gone} in {seen}");
    }
    assert!(seen.ends_with("3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"), "{seen}");
}

/// lighttpd, for one, answers 411 to a POST that says nothing of its content.
#[test]
fn a_request_without_content_says_so_where_its_method_usually_has_some() {
    let (upstream, app) = echoing("");
    for (method, length) in
        [("POST", true), ("PUT", true), ("PATCH", true), ("GET", false), ("DELETE", false)]
    {
        let mut client = H2::connect(app.gateway.public);
        client.send(headers(1, END_STREAM, &request(method, "/open/a")));
        text(client.end_of(1));
        let seen = upstream.requests().pop().unwrap();
        assert_eq!((seen.method.as_str(), seen.one("content-length")), (method, length.then_some("0")));
        assert_eq!(seen.one("transfer-encoding"), None);
    }
    let mut client = H2::connect(app.gateway.public);
    let mut fields = request("POST", "/open/a");
    fields.push(("content-length", "0"));
    client.send(headers(1, END_STREAM, &fields));
    text(client.end_of(1));
    assert_eq!(upstream.requests().pop().unwrap().all("content-length"), ["0"]);
}

#[test]
fn two_sessions_in_cookie_crumbs_are_refused() {
    let (upstream, app) = echoing("");
    let mut client = H2::connect(app.gateway.public);
    let (one, two) = (format!("sid={ALICE}"), format!("sid={BOB}"));
    let mut fields = request("GET", "/a");
    fields.extend([("cookie", one.as_str()), ("cookie", two.as_str())]);
    client.send(headers(1, END_STREAM, &fields));
    assert!(matches!(client.end_of(1), End::Answer(401, _)));
    assert!(upstream.requests().is_empty());
}

#[test]
fn requests_of_one_connection_are_answered_as_they_are_ready() {
    let upstream = Upstream::playing(|wire| {
        while let Some(request) = wire.request() {
            if request.target == "/open/never" {
                return;
            }
            wire.say(answer_with(&request, request.target.as_bytes()));
        }
    });
    let app = app(&upstream, "");
    let mut client = H2::connect(app.gateway.public);
    client.send(headers(1, END_STREAM, &request("GET", "/open/never")));
    for stream in [3, 5, 7] {
        assert_eq!(text(client.get(stream, "/open/x")), "/open/x");
    }
}

#[test]
fn a_reset_of_the_client_reaches_the_upstream() {
    let upstream = Upstream::playing(|wire| {
        wire.request();
    });
    let app = app(&upstream, "");
    let mut client = H2::connect(app.gateway.public);
    client.send(headers(1, END_STREAM, &request("GET", "/open/a")));
    eventually("the request", || (!upstream.requests().is_empty()).then_some(()));
    client.send(frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes()));
    // The script ends only when the gateway hangs up, and `finish` waits for that; the gateway goes on.
    assert_eq!(upstream.finish().len(), 1);
    assert!(matches!(client.get(3, "/open/a"), End::Answer(502, _)));
}

#[test]
fn a_response_that_breaks_off_is_reset_and_the_other_streams_go_on() {
    let upstream = Upstream::playing(|wire| {
        while let Some(request) = wire.request() {
            if request.target == "/open/cut" {
                wire.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
                return wire.hang_up();
            }
            wire.say(answer_with(&request, b"whole"));
        }
    });
    let app = app(&upstream, "");
    let mut client = H2::connect(app.gateway.public);
    assert!(matches!(client.get(1, "/open/cut"), End::Reset(_)));
    assert_eq!(text(client.get(3, "/open/b")), "whole");
}

#[test]
fn a_head_over_the_limits_is_refused() {
    let (upstream, app) = echoing("header_bytes = \"4KiB\"\nheaders = 20");
    let mut client = H2::connect(app.gateway.public);
    let mut fields = request("GET", "/open/a");
    fields.extend([("a", "b"); 21]);
    client.send(headers(1, END_STREAM, &fields));
    assert!(matches!(client.end_of(1), End::Answer(431, _)));
    let long = "x".repeat(4096);
    let mut fields = request("GET", "/open/a");
    fields.push(("a", &long));
    client.send(headers(3, END_STREAM, &fields));
    assert!(matches!(client.end_of(3), End::Answer(431, _) | End::Reset(_)));
    let mut crumbs = request("GET", "/open/a");
    crumbs.extend([("cookie", "a=b"); 30]);
    client.send(headers(5, END_STREAM, &crumbs));
    assert!(matches!(client.end_of(5), End::Answer(200, _)));
    assert_eq!(upstream.requests().len(), 1);
}

/// Each sent until the gateway has had enough, in batches that no pending limit of a single read explains.
#[test]
fn floods_of_frames_that_do_nothing_end_their_connection_and_no_other() {
    let (_upstream, app) = echoing("");
    let mut bystander = H2::connect(app.gateway.public);
    let ping = frame(PING, 0, 0, &[0; 8]);
    let settings = frame(SETTINGS, 0, 0, &[]);
    let unknown = frame(0x77, 0, 0, b"grease");
    let priority = frame(2, 0, 1, &[0, 0, 0, 3, 7]);
    for flood in [ping, settings, unknown, priority] {
        let mut client = H2::connect(app.gateway.public);
        client.send(flood.repeat(5_000));
        let ended = std::iter::from_fn(|| client.next()).find(|frame| frame.kind == GOAWAY);
        let code = ended.map(|frame| frame.payload[7]);
        assert!(code.is_none_or(|code| u32::from(code) == ENHANCE_YOUR_CALM), "{code:?}");
        assert!(matches!(client.end_of(1), End::Closed));
    }
    let mut client = H2::connect(app.gateway.public);
    client.send(headers(1, 0, &request("POST", "/open/a")));
    client.send(frame(DATA, 0, 1, b"").repeat(5_000));
    assert!(!matches!(client.end_of(1), End::Answer(200, _)));
    assert!(matches!(bystander.get(1, "/open/a"), End::Answer(200, _)));
}

#[test]
fn a_rapid_reset_ends_its_connection_and_reaches_the_upstream_a_bounded_number_of_times() {
    let (upstream, app) = echoing("");
    let mut client = H2::connect(app.gateway.public);
    for stream in (1..20_000).step_by(2) {
        client.send(headers(stream, END_STREAM, &request("GET", "/open/a")));
        client.send(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    assert!(matches!(client.end_of(20_001), End::Goaway(ENHANCE_YOUR_CALM) | End::Closed));
    assert!(upstream.requests().len() < 1_000, "{}", upstream.requests().len());
    assert!(matches!(H2::connect(app.gateway.public).get(1, "/open/a"), End::Answer(200, _)));
}

#[test]
fn an_endless_header_block_ends_its_connection() {
    let (_upstream, app) = echoing("");
    let mut client = H2::connect(app.gateway.public);
    client.send(frame(HEADERS, END_STREAM, 1, &[]));
    for _ in 0..5_000 {
        client.send(frame(CONTINUATION, 0, 1, &[0, 1, b'a', 1, b'b']));
    }
    assert!(matches!(client.end_of(1), End::Goaway(_) | End::Closed));
    assert!(matches!(H2::connect(app.gateway.public).get(1, "/open/a"), End::Answer(200, _)));
}

#[test]
fn whoever_stops_within_a_preface_or_a_head_is_cut() {
    let (_upstream, app) = echoing("header_timeout = \"1s\"");
    let whole = headers(1, END_STREAM, &request("GET", "/open/a"));
    let hello = hello();
    for begun in [
        PREFACE[..3].to_vec(),
        PREFACE[..12].to_vec(),
        PREFACE.to_vec(),
        [&hello[..], &whole[..5]].concat(),
        [&hello[..], &whole[..20]].concat(),
        [hello, frame(HEADERS, END_STREAM, 1, &[])].concat(),
    ] {
        let mut client = H2::silent(app.gateway.public);
        client.send(&begun);
        // A 408 of HTTP/1.1 where not even the protocol could be known; either way it ends.
        let mut rest = Vec::new();
        let read = std::io::Read::read_to_end(client.socket(), &mut rest);
        assert!(read.is_ok() || read.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    }
}

#[test]
fn an_idle_connection_gets_a_goaway_and_ends() {
    let (_upstream, app) = echoing("idle_timeout = \"1s\"");
    let mut client = H2::connect(app.gateway.public);
    assert!(matches!(client.get(1, "/open/a"), End::Answer(200, _)));
    assert_eq!(client.end_of(3), End::Closed);
}

#[test]
fn a_drain_lets_streams_end_and_takes_no_more() {
    let upstream = Upstream::playing(|wire| {
        wire.request();
        wire.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
        wire.request();
    });
    let mut app = app(&upstream, "drain_timeout = \"2s\"");
    let mut client = H2::connect(app.gateway.public);
    client.send(headers(1, END_STREAM, &request("GET", "/open/a")));
    while client.next().unwrap().kind != DATA {}
    app.gateway.process.signal("TERM");
    let goaway = std::iter::from_fn(|| client.next()).find(|frame| frame.kind == GOAWAY);
    assert_eq!(goaway.unwrap().payload[4..8], [0; 4]);
    app.gateway.process.wait();
}

#[test]
fn curl_and_http1_share_the_listener() {
    let (_upstream, app) = echoing("");
    let url = format!("http://{}/open/curl", app.gateway.public);
    let arguments = ["-sS", "--http2-prior-knowledge", "-w", "%{http_version}", &url];
    let out = Command::new("curl").args(arguments).output().unwrap();
    let out = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.starts_with("GET /open/curl\n") && out.ends_with('2'), "{out}");
    assert_eq!(app.get("/open/one").status, 200);
}

/// Asks for each path on one connection, with the same text in a field, and says what came: the status and what the app saw.
const NODE: &str = r#"
const session = require("node:http2").connect(process.argv[1]);
const ask = (path) => new Promise((done) => {
  const stream = session.request({ ":path": path, "x-place": path });
  let status, body = "";
  stream.on("response", (headers) => (status = headers[":status"]));
  stream.on("data", (part) => (body += part)).on("error", () => done([0, "", ""]));
  stream.on("end", () => done([status, body.split("\n")[0], /^x-place: (.*)$/m.exec(body)?.[1] ?? ""]));
});
(async () => {
  const answers = [];
  for (const path of JSON.parse(process.argv[2])) answers.push(await ask(path));
  console.log(JSON.stringify(answers));
  session.close();
})();
"#;

/// Node writes in Huffman's code and keeps fields in the table.
#[test]
fn a_fragment_is_refused_on_its_stream_and_a_number_sign_elsewhere_is_nobodys_business() {
    let (upstream, app) = echoing("");
    let paths = ["/open/a", "/open/a#b", "/open/a#b", "/open/c?d#e", "/open/f?g=%23", "/open/a", "#"];
    let asked = serde_json::to_string(&paths).unwrap();
    let address = format!("http://{}", app.gateway.public);
    let out = Command::new("node").args(["-e", NODE, &address, &asked]).output().unwrap();
    let answers: Vec<(u16, String, String)> =
        serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{out:?}"));
    let told: Vec<_> = answers.iter().map(|(status, line, _)| (*status, line.as_str())).collect();
    for at in [0, 5] {
        assert_eq!(told[at], (200, "GET /open/a"), "{told:?}");
    }
    assert_eq!(told[4], (200, "GET /open/f?g=%23"), "{told:?}");
    // Malformed (RFC 9113 §8.1.1): the stream is reset.
    for at in [1, 2, 3, 6] {
        assert_eq!(told[at], (0, ""), "{told:?}");
    }
    assert_eq!(upstream.requests().len(), 3);
    let mut client = H2::connect(app.gateway.public);
    let mut fields = request("GET", "/open/a");
    fields.push(("x-place", "/open/a#b"));
    client.send(headers(1, END_STREAM, &fields));
    assert!(text(client.end_of(1)).contains("/open/a#b"));
}

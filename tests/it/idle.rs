//! What a client costs that only keeps its connection, or a tunnel in which nothing is said. Each kind is measured with
//! `CLOAKROOM_IDLE` clients, and is then held to its figure; by default with a few, to a bound that tells only a flaw.

use crate::support::h2::{
    DATA, END_HEADERS, END_STREAM, Frame, HEADERS, PREFACE, SETTINGS, WINDOW_UPDATE, block, frame, headers,
};
use crate::support::{Ask, Authority, Client, Gateway, Running, Upstream, World, agreement};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

const FEW: u64 = 500;
/// What only a flaw exceeds, however few share what the first of them cost.
const FLAW: u64 = 96 * 1024;
/// Beyond the kernel's own.
const HTTP1: u64 = 16 * 1024;
const HTTP2: u64 = 24 * 1024;
const TUNNEL: u64 = 24 * 1024;
const SHARED_TUNNEL: u64 = 8 * 1024;
/// What TLS has besides: room for a record that comes, keys, and where it is.
const TLS: u64 = 9 * 1024;
/// Clients that come and stay beforehand, so that what all share is there.
const WARM: u64 = 100;
/// Goes through a tunnel and back before it falls silent, in three frames of HTTP/2.
const MESSAGE_BYTES: usize = 3 * 1024;
/// Clients come by so many at once: those that take half a minute would have to answer pings.
const HANDS: u64 = 4;

#[allow(clippy::disallowed_methods, reason = "a developer's switch, not configuration")]
fn clients() -> Option<u64> {
    std::env::var("CLOAKROOM_IDLE").ok().and_then(|text| text.parse().ok())
}

/// Has so many clients come, and stay, and asks what each costs.
fn measure(name: &str, figure: u64, gateway: &Gateway, come: impl Fn() -> Client + Sync) {
    measure_by(1, name, figure, gateway, come);
}

/// The same of clients that bring `many` each.
fn measure_by(many: u64, name: &str, figure: u64, gateway: &Gateway, come: impl Fn() -> Client + Sync) {
    let asked = clients();
    let (count, most) = (asked.unwrap_or(FEW), if asked.is_some() { figure } else { FLAW });
    let come = |count: u64| -> Vec<Client> {
        let some = || (0..count / many / HANDS).map(|_| come()).collect::<Vec<_>>();
        std::thread::scope(|scope| {
            let hands: Vec<_> = (0..HANDS).map(|_| scope.spawn(some)).collect();
            hands.into_iter().flat_map(|hand| hand.join().unwrap()).collect()
        })
    };
    let warm = come(WARM.max(many * HANDS));
    let before = gateway.resident();
    let clients = come(count);
    let count = clients.len() as u64 * many;
    let each = gateway.resident().saturating_sub(before) / count;
    let page = gateway.internal("/metrics").text();
    let here = page.lines().find_map(|line| line.strip_prefix("cloakroom_connections "));
    let came = (warm.len() + clients.len()).to_string();
    assert!(asked.is_none() || here == Some(came.as_str()), "some have gone");
    let _ = writeln!(std::io::stdout(), "{name}, idle: {each} bytes each, of {count}");
    assert!(each <= most, "{name}: {each} bytes each, and not {most}");
}

fn world(endpoint: SocketAddr) -> World {
    World::new()
        .limits("idle_timeout = \"1h\"\nconnections = 20000")
        .table(&format!("[upstreams.app]\nendpoints = [\"http://{endpoint}\"]\nlimits.connections = 20000"))
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
}

fn asked(mut client: Client) -> Client {
    assert_eq!(client.ask(&Ask::get("/a").header("User-Agent", "a client like others")).status, 200);
    client
}

/// Sends heads over HTTP/2 and reads on until `is_all`.
fn asked_by_http2(
    mut client: Client,
    heads: &[u8],
    mut is_all: impl FnMut(&mut Client, &Frame) -> bool,
) -> Client {
    client.send([PREFACE, &frame(SETTINGS, 0, 0, &[]), heads].concat());
    loop {
        let head = client.read_exact(9);
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = client.read_exact(length);
        if is_all(&mut client, &Frame { kind: head[3], flags: head[4], stream, payload }) {
            return client;
        }
    }
}

fn got(client: Client, scheme: &str) -> Client {
    let mut block =
        block(&[(":method", "GET"), (":scheme", scheme), (":authority", "gw.test"), (":path", "/a")]);
    // Huffman-coded, as most clients do it: `custom-key: custom-value` (RFC 7541 C.4.3).
    block.extend(b"\x00\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf");
    let get = frame(HEADERS, END_STREAM | END_HEADERS, 1, &block);
    asked_by_http2(client, &get, |_, frame| {
        matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0
    })
}

#[test]
fn clients_of_http1_that_only_stay_cost_little() {
    let upstream = Upstream::echoing();
    let app = world(upstream.address()).start();
    let come = || asked(Client::connect(app.gateway.public));
    measure("HTTP/1.1", HTTP1, &app.gateway, come);
}

#[test]
fn clients_of_http2_that_only_stay_cost_little() {
    let upstream = Upstream::echoing();
    let app = world(upstream.address()).start();
    let come = || got(Client::connect(app.gateway.public), "http");
    measure("HTTP/2", HTTP2, &app.gateway, come);
}

/// A gateway with a certificate, and its clients.
fn in_tls(upstream: &Upstream) -> (Running, Authority) {
    let authority = Authority::new();
    authority.issue("a", &["gw.test"]);
    (world(upstream.address()).table(&authority.entry("a")).start(), authority)
}

#[test]
fn clients_of_http1_in_tls_that_only_stay_cost_little() {
    let upstream = Upstream::echoing();
    let (app, authority) = in_tls(&upstream);
    let config = authority.client();
    let come = || asked(Client::secure(app.gateway.public, "gw.test", &config));
    measure("HTTP/1.1 in TLS", HTTP1 + TLS, &app.gateway, come);
}

#[test]
fn clients_of_http2_in_tls_that_only_stay_cost_little() {
    let upstream = Upstream::echoing();
    let (app, authority) = in_tls(&upstream);
    let mut config = (*authority.client()).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let config = Arc::new(config);
    let come = || got(Client::secure(app.gateway.public, "gw.test", &config), "https");
    measure("HTTP/2 in TLS", HTTP2 + TLS, &app.gateway, come);
}

/// Agrees to every tunnel, says what it hears first, and keeps it, without a thread for each. Ends with the process.
fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let _held: Vec<_> = listener.incoming().map_while(Result::ok).map(agreed).collect();
    });
    address
}

fn agreed(mut stream: TcpStream) -> TcpStream {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let lines = reader.by_ref().lines().map_while(Result::ok);
    let fields = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| agreement(value, ""))
    });
    let agreed = fields.last().unwrap_or_default();
    let _ = stream.write_all(agreed.as_bytes());
    let mut message = vec![0; MESSAGE_BYTES];
    let _ = reader.read_exact(&mut message).and_then(|()| stream.write_all(&message));
    stream
}

/// With the connection to the service.
#[test]
fn tunnels_in_which_nothing_is_said_cost_little() {
    let app = world(silent()).start();
    let shake = Ask::get("/ws")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let come = || {
        let mut client = Client::connect(app.gateway.public);
        assert_eq!(client.ask(&shake).status, 101);
        client.send([0; MESSAGE_BYTES]);
        client.read_exact(MESSAGE_BYTES);
        client
    };
    measure("WebSocket", TUNNEL, &app.gateway, come);
}

/// A client with so many tunnels over one connection, each with a connection to the service.
fn tunnelled(gateway: &Gateway, many: u32) -> Client {
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "gw.test"),
        (":path", "/ws"),
        ("sec-websocket-version", "13"),
    ];
    let (mut heard, mut stream) = (0, 1);
    let wide = frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 24).to_be_bytes());
    let first = [wide, headers(stream, 0, &fields)].concat();
    asked_by_http2(Client::connect(gateway.public), &first, |client, came| {
        match came.kind {
            HEADERS => client.send(frame(DATA, 0, stream, &[0; MESSAGE_BYTES / 3]).repeat(3)),
            DATA => heard += came.payload.len(),
            _ => {}
        }
        let whole = heard == MESSAGE_BYTES;
        if whole && stream < many * 2 - 1 {
            (heard, stream) = (0, stream + 2);
            client.send(headers(stream, 0, &fields));
            return false;
        }
        whole
    })
}

#[test]
fn tunnels_over_http2_in_which_nothing_is_said_cost_little() {
    let app = world(silent()).start();
    measure("WebSocket over HTTP/2", TUNNEL, &app.gateway, || tunnelled(&app.gateway, 1));
}

/// As many as one connection may have, which counts as one.
#[test]
fn tunnels_that_share_a_connection_cost_less() {
    let app = world(silent()).start();
    let come = || tunnelled(&app.gateway, 100);
    measure_by(100, "WebSocket, a hundred to a connection", SHARED_TUNNEL, &app.gateway, come);
}

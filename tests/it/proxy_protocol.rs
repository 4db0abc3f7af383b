//! The PROXY protocol, from a balancer and to upstreams, against HAProxy and byte by byte.

use crate::support::{Ask, Authority, Client, Process, Running, Upstream, World};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use tempfile::TempDir;

const V4: &[u8] = b"PROXY TCP4 192.0.2.7 203.0.113.9 4711 443\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    [V2, &[command, family], &u16::try_from(rest.len()).unwrap().to_be_bytes(), rest].concat()
}

fn behind(upstream: &Upstream, trusted: &str) -> World {
    World::new()
        .server(&format!("proxy_protocol = true\ntrusted_proxies = [\"{trusted}\"]"))
        .recorded("app", upstream)
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
}

fn turned_away(world: &Running, cause: &str) -> u64 {
    let page = world.gateway.internal("/metrics").text();
    let line = format!("cloakroom_connections_turned_away_total{{cause=\"{cause}\"}} ");
    page.lines().find_map(|found| found.strip_prefix(&line)).unwrap_or("0").parse().unwrap()
}

/// Waits until so many are counted: a connection may end a moment before.
fn counted(world: &Running, cause: &str, count: u64) {
    crate::support::eventually("the count", || (turned_away(world, cause) == count).then_some(()));
}

/// What comes back for some bytes that are followed by a good request.
fn said(world: &Running, header: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(world.gateway.public).unwrap();
    // One that was refused by its first bytes has gone already.
    let _ = stream
        .write_all(&[header, b"GET /x HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n"].concat());
    let mut came = Vec::new();
    let _ = stream.read_to_end(&mut came);
    came
}

#[test]
fn whoever_is_not_introduced_is_cut_off_without_a_word_and_counted() {
    let upstream = Upstream::echoing();
    let world = behind(&upstream, "127.0.0.1").start();
    let long = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200]].concat();
    let oversized = [V2, &[0x21, 0x11, 0xff, 0xff], &[0; 5000]].concat();
    let wrong: [&[u8]; 7] = [
        b"",
        b"PROXY TCP4 192.0.2.7 203.0.113.9 4711\r\n",
        b"PROXY TCP4 192.0.2.7\r\n",
        &long,
        &oversized,
        &v2(0x21, 0x12, &[0; 12]),
        &v2(0x21, 0x11, &[0; 4]),
    ];
    for header in wrong {
        assert!(said(&world, header).is_empty(), "{header:?}");
    }
    counted(&world, "proxy-header", 7);
    // Whoever only looks whether the port is open is nobody's fault.
    drop(TcpStream::connect(world.gateway.public).unwrap());
    assert!(said(&world, V4).starts_with(b"HTTP/1.1 200"));
    assert_eq!(turned_away(&world, "proxy-header"), 7);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_header_is_believed_from_trusted_proxies_alone() {
    let upstream = Upstream::echoing();
    let world = behind(&upstream, "127.0.0.9").start();
    assert!(said(&world, V4).is_empty());
    let mut balancer = Client::from("127.0.0.9", world.gateway.public);
    balancer.send(V4);
    assert_eq!(balancer.ask(&Ask::get("/")).echoed("x-forwarded-for").as_deref(), Some("192.0.2.7"));
    counted(&world, "proxy-header", 1);
}

#[test]
fn a_header_that_does_not_come_in_time_ends_the_connection() {
    let upstream = Upstream::echoing();
    let world = behind(&upstream, "127.0.0.1").limits("handshake_timeout = \"200ms\"").start();
    for beginning in [&b""[..], b"PROXY TCP4 1.1.1.1", &V2[..8], &v2(0x21, 0x11, &[0; 12])[..20]] {
        let mut stream = TcpStream::connect(world.gateway.public).unwrap();
        stream.write_all(beginning).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{rest:?}");
    }
    counted(&world, "late", 4);
}

#[test]
fn a_header_byte_by_byte_is_the_same_header_and_takes_nothing_of_what_follows() {
    let upstream = Upstream::echoing();
    let world = behind(&upstream, "127.0.0.1").start();
    for header in [V4.to_vec(), v2(0x21, 0x11, &[192, 0, 2, 7, 1, 2, 3, 4, 0, 9, 0, 80, 0xea, 0, 1, 0])] {
        let mut client = Client::connect(world.gateway.public);
        for byte in &header {
            client.send([*byte]);
        }
        for _ in 0..2 {
            assert_eq!(client.ask(&Ask::get("/")).echoed("x-forwarded-for").as_deref(), Some("192.0.2.7"));
        }
    }
}

#[test]
fn what_a_client_writes_itself_is_not_the_balancers_word() {
    let upstream = Upstream::echoing();
    let world = behind(&upstream, "127.0.0.1").start();
    let spoof = Ask::get("/").header("X-Forwarded-For", "6.6.6.6").header("X-Forwarded-Proto", "https");
    let seen = |header: &[u8]| {
        let mut client = Client::connect(world.gateway.public);
        client.send(header);
        let answer = client.ask(&spoof);
        (answer.echoed("x-forwarded-for").unwrap(), answer.echoed("x-forwarded-proto").unwrap())
    };
    let pair = |address: &str, proto: &str| (address.to_owned(), proto.to_owned());
    assert_eq!(seen(V4), pair("192.0.2.7", "http"));
    // A client that cannot be named speaks through the balancer, which vouches for none of its fields.
    assert_eq!(seen(b"PROXY UNKNOWN\r\n"), pair("127.0.0.1", "http"));
    assert_eq!(seen(&v2(0x21, 0x31, &[b'/'; 216])), pair("127.0.0.1", "http"));
    // The balancer's own check may say what it likes.
    assert_eq!(seen(&v2(0x20, 0, &[])), pair("6.6.6.6, 127.0.0.1", "https"));
}

#[test]
fn the_header_comes_before_the_handshake() {
    let (authority, upstream) = (Authority::new(), Upstream::echoing());
    authority.issue("a", &["a.test"]);
    let world = behind(&upstream, "127.0.0.1").table(&authority.entry("a")).start();
    let mut client = Client::secure_behind(V4, world.gateway.public, "a.test", &authority.client());
    let answer = client.ask(&Ask::get("/"));
    assert_eq!(answer.echoed("x-forwarded-for").as_deref(), Some("192.0.2.7"));
    assert_eq!(answer.echoed("x-forwarded-proto").as_deref(), Some("https"));
    let mut bare = Client::secure(world.gateway.public, "a.test", &authority.client());
    bare.send(Ask::get("/").bytes());
    assert!(bare.response("GET").is_none(), "a handshake without a header before it");
}

/// HAProxy on a port of its own.
struct Haproxy {
    address: SocketAddr,
    _process: Process,
    _dir: TempDir,
}

impl Haproxy {
    /// `{PORT}` in the configuration stands for where it listens.
    fn start(config: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let defaults =
            "global\n nbthread 1\ndefaults\n timeout connect 9s\n timeout client 99s\n timeout server 99s\n";
        let config = defaults.to_owned() + &config.replace("{PORT}", &address.port().to_string());
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("haproxy.cfg"), config).unwrap();
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f"]).arg(dir.path().join("haproxy.cfg"));
        let process = Process::start(&mut command);
        crate::support::eventually("HAProxy to listen", || TcpStream::connect(address).ok());
        Self { address, _process: process, _dir: dir }
    }
}

#[test]
fn haproxy_before_the_gateway_says_who_the_client_is() {
    for option in ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn proxy-v2-options unique-id,crc32c"] {
        let upstream = Upstream::echoing();
        let world = behind(&upstream, "127.0.0.1").start();
        let balancer = Haproxy::start(&format!(
            "listen in\n mode tcp\n bind 127.0.0.1:{{PORT}}\n server gw {} {option}\n",
            world.gateway.public
        ));
        for source in ["127.0.0.2", "127.0.0.3"] {
            let answer = Client::from(source, balancer.address).ask(&Ask::get("/"));
            assert_eq!(answer.echoed("x-forwarded-for").as_deref(), Some(source), "{option}");
        }
    }
}

/// Answers with the client as the header names it, and a number of the connection.
fn haproxy_behind(bind: &str) -> Haproxy {
    Haproxy::start(&format!(
        "frontend out\n mode http\n bind 127.0.0.1:{{PORT}} accept-proxy {bind}\n \
         http-request set-var(sess.n) rand(1000000000) if !{{ var(sess.n) -m found }}\n \
         http-request return status 200 content-type text/plain lf-string \"%[src] %[var(sess.n)]\"\n"
    ))
}

#[test]
fn haproxy_behind_the_gateway_is_told_who_the_client_is_and_clients_share_nothing() {
    for (version, scheme, bind) in [("v1", "http", ""), ("v2", "http", ""), ("v2", "h2c", "proto h2")] {
        let service = haproxy_behind(bind);
        let world = World::new()
            .table(&format!(
                "[upstreams.app]\nendpoints = [\"{scheme}://{}\"]\nproxy_protocol = \"{version}\"",
                service.address
            ))
            .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
            .start();
        let mut clients =
            ["127.0.0.2", "127.0.0.3"].map(|source| (source, Client::from(source, world.gateway.public)));
        let mut connections: [Vec<String>; 2] = Default::default();
        for _ in 0..3 {
            for ((source, client), seen) in clients.iter_mut().zip(&mut connections) {
                let answer = client.ask(&Ask::get("/"));
                let (address, number) =
                    answer.text().split_once(' ').map(|(a, n)| (a.to_owned(), n.to_owned())).unwrap();
                assert_eq!(address, *source, "{version} {scheme}");
                seen.push(number);
            }
        }
        let [one, other] = connections;
        assert!(one.iter().all(|number| *number == one[0]), "a client keeps its connection: {one:?}");
        assert!(!other.contains(&one[0]), "{one:?} {other:?}");
    }
}

#[test]
fn a_full_endpoint_lets_go_of_another_clients_idle_connection() {
    let service = haproxy_behind("");
    let world = World::new()
        .table(&format!(
            "[upstreams.app]\nendpoints = [\"http://{}\"]\nproxy_protocol = \"v2\"\nlimits = {{ connections = 1, wait = \"20s\" }}",
            service.address
        ))
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start();
    for source in ["127.0.0.2", "127.0.0.3", "127.0.0.2"] {
        let answer = Client::from(source, world.gateway.public).ask(&Ask::get("/"));
        assert_eq!((answer.status, answer.text().starts_with(source)), (200, true), "{}", answer.text());
    }
}

#[test]
fn a_health_check_introduces_nobody() {
    let upstream = Upstream::playing(|wire| {
        wire.read();
    });
    let _world = World::new()
        .table(&format!(
            "[upstreams.app]\nendpoints = [\"http://{}\"]\nproxy_protocol = \"v1\"\nhealth = {{ path = \"/up\" }}",
            upstream.address()
        ))
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start();
    crate::support::eventually("a check", || {
        upstream.bytes().iter().any(|bytes| bytes.starts_with(b"PROXY UNKNOWN\r\n")).then_some(())
    });
}

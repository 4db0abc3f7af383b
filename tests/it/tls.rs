//! TLS on the public port, seen by OpenSSL, curl and Python.

use crate::support::{Ask, Authority, Client, Running, Upstream, World};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

fn world(authority: &Authority, upstream: &Upstream, files: &[&str]) -> World {
    let world =
        World::new().recorded("app", upstream).route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"");
    files.iter().fold(world, |world, file| world.table(&authority.entry(file)))
}

/// A gateway with one certificate, for `a.test`.
fn one(upstream: &Upstream) -> (Authority, Running) {
    let authority = Authority::new();
    authority.issue("a", &["a.test"]);
    let running = world(&authority, upstream, &["a"]).start();
    (authority, running)
}

/// What `openssl s_client` prints, having sent `input` once the handshake is done.
fn s_client(world: &Running, options: &[&str], input: &str) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &world.gateway.public.to_string()]).args(options);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // One that was refused has gone already.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let printed = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&[printed.stdout, printed.stderr].concat()).into_owned()
}

const CLOSING: &str = "GET /x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

#[test]
fn versions_that_are_broken_are_refused() {
    let upstream = Upstream::echoing();
    let (_, world) = one(&upstream);
    for version in ["-tls1", "-tls1_1"] {
        let told = s_client(&world, &[version, "-cipher", "ALL:@SECLEVEL=0"], "");
        assert!(told.contains("SSL alert number") && !told.contains("HTTP/1.1"), "{version}: {told}");
    }
    for version in ["-tls1_2", "-tls1_3"] {
        let told = s_client(&world, &[version, "-ign_eof"], CLOSING);
        assert!(told.contains("HTTP/1.1 200"), "{version}: {told}");
    }
}

#[test]
fn ciphers_without_forward_secrecy_or_authentication_are_refused() {
    let upstream = Upstream::echoing();
    let (_, world) = one(&upstream);
    for cipher in ["kRSA", "aNULL", "3DES", "RC4", "AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "DHE", "CAMELLIA"]
    {
        let told = s_client(&world, &["-tls1_2", "-cipher", &format!("{cipher}:@SECLEVEL=0")], "");
        assert!(told.contains("alert") || told.contains("no cipher match"), "{cipher}: {told}");
        assert!(!told.contains("HTTP/1.1"), "{cipher}: {told}");
    }
}

/// The body of a PEM file, without its lines.
#[test]
fn who_knows_a_key_exchange_that_outlasts_quantum_computers_gets_it() {
    let upstream = Upstream::echoing();
    let (authority, world) = one(&upstream);
    let mut session =
        ClientConnection::new(authority.client(), ServerName::try_from("a.test").unwrap()).unwrap();
    let mut stream = TcpStream::connect(world.gateway.public).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut stream).unwrap();
    }
    let group = session.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), rustls::NamedGroup::X25519MLKEM768);
}

fn body(pem: &str) -> String {
    let from = pem.find("-----BEGIN CERTIFICATE-----").unwrap_or_else(|| panic!("{pem}"));
    let to = pem.find("-----END CERTIFICATE-----").unwrap();
    pem[from..to].chars().filter(|c| !c.is_whitespace()).collect()
}

#[test]
fn a_name_chooses_its_certificate_and_the_first_serves_strangers() {
    let (authority, upstream) = (Authority::new(), Upstream::echoing());
    let first = authority.issue("first", &["first.test"]);
    let exact = authority.issue("exact", &["a.test", "x.wild.test"]);
    let wild = authority.issue("wild", &["*.wild.test"]);
    let world = world(&authority, &upstream, &["first", "exact", "wild"]).start();
    let asked: [(&[&str], &str); 9] = [
        (&["-noservername"], &first),
        (&["-servername", "first.test"], &first),
        (&["-servername", "stranger.test"], &first),
        (&["-servername", "wild.test"], &first),
        (&["-servername", "two.deep.wild.test"], &first),
        (&["-servername", "a.test"], &exact),
        (&["-servername", "A.TEST"], &exact),
        (&["-servername", "x.wild.test"], &exact),
        (&["-servername", "y.wild.test"], &wild),
    ];
    for (options, expected) in asked {
        assert_eq!(body(&s_client(&world, options, "")), body(expected), "{options:?}");
    }
}

#[test]
fn a_session_is_resumed_and_takes_no_early_data() {
    let upstream = Upstream::echoing();
    let (authority, world) = one(&upstream);
    for version in ["-tls1_2", "-tls1_3"] {
        let session = authority.path(version, "session");
        let session = session.to_str().unwrap();
        let options = [version, "-ign_eof", "-servername", "a.test"];
        let told = s_client(&world, &[&options[..], &["-sess_out", session]].concat(), CLOSING);
        assert!(told.contains("New, TLS") && !told.contains("Reused, TLS"), "{told}");
        let told = s_client(&world, &[&options[..], &["-sess_in", session]].concat(), CLOSING);
        assert!(told.contains("Reused, TLS") && told.contains("HTTP/1.1 200"), "{version}: {told}");
        let sizes: Vec<&str> = told.lines().filter(|line| line.contains("Max Early Data")).collect();
        assert!(sizes.iter().all(|line| line.ends_with("Max Early Data: 0")), "{sizes:?}");
    }
    // A ticket is good for the name that it was given for.
    let session = authority.path("-tls1_3", "session");
    let other = ["-tls1_3", "-ign_eof", "-servername", "b.test", "-sess_in", session.to_str().unwrap()];
    let told = s_client(&world, &other, CLOSING);
    assert!(!told.contains("Reused, TLS"), "{told}");
}

#[test]
fn a_protocol_that_is_not_spoken_is_refused_by_an_alert() {
    let upstream = Upstream::echoing();
    let (_, world) = one(&upstream);
    let told = s_client(&world, &["-alpn", "spdy/1"], "");
    assert!(told.contains("no application protocol"), "{told}");
    for (offered, agreed) in [("http/1.1", "http/1.1"), ("http/1.1,h2", "h2"), ("h2,spdy/1", "h2")] {
        let told = s_client(&world, &["-alpn", offered], "");
        assert!(told.contains(&format!("ALPN protocol: {agreed}")), "{told}");
    }
}

#[test]
fn whoever_does_not_shake_hands_in_time_is_let_go() {
    let (authority, upstream) = (Authority::new(), Upstream::echoing());
    authority.issue("a", &["a.test"]);
    let world = world(&authority, &upstream, &["a"]).limits("handshake_timeout = \"200ms\"").start();
    for beginning in [&b""[..], b"\x16\x03\x01\x02\x00\x01", b"\x16"] {
        let mut stream = TcpStream::connect(world.gateway.public).unwrap();
        stream.write_all(beginning).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{rest:?}");
    }
}

#[test]
fn plain_http_on_the_port_reaches_nobody() {
    let upstream = Upstream::echoing();
    let (_, world) = one(&upstream);
    let mut client = Client::connect(world.gateway.public);
    client.send(Ask::get("/").bytes());
    assert!(client.response("GET").is_none());
    drop(world);
    assert!(upstream.finish().is_empty());
}

/// The same through curl, Python and our own client, so that no two of them err alike.
#[test]
fn a_request_arrives_as_https() {
    let upstream = Upstream::echoing();
    let (authority, world) = one(&upstream);
    let port = world.gateway.public.port();
    for (option, version) in [("--http1.1", "HTTP/1.1 200"), ("--http2", "HTTP/2 200")] {
        let curl = Command::new("curl")
            .args(["-sSi", option, "--cacert"])
            .arg(authority.root())
            .args(["--resolve", &format!("a.test:{port}:127.0.0.1"), &format!("https://a.test:{port}/x")])
            .output()
            .unwrap();
        let seen = String::from_utf8_lossy(&curl.stdout);
        assert!(seen.starts_with(version), "{seen}{}", String::from_utf8_lossy(&curl.stderr));
        assert!(seen.contains("x-forwarded-proto: https") && seen.contains("proto=https"), "{seen}");
    }
    let mut client = Client::secure(world.gateway.public, "a.test", &authority.client());
    for _ in 0..2 {
        assert_eq!(client.ask(&Ask::get("/x")).echoed("x-forwarded-proto").as_deref(), Some("https"));
    }
}

/// Splitting the first message over many packets hid its server name from some gateways, and with it the host's policy.
#[test]
fn a_hello_that_comes_byte_by_byte_is_the_same_hello() {
    let (authority, upstream) = (Authority::new(), Upstream::echoing());
    authority.issue("a", &["a.test"]);
    authority.issue("b", &["b.test"]);
    let world = world(&authority, &upstream, &["a", "b"]).start();
    let script = "
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
sock = socket.create_connection(('127.0.0.1', int(sys.argv[2])))
sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context.wrap_bio(came, goes, server_hostname='b.test')
def flush():
    for byte in goes.read():
        sock.sendall(bytes([byte]))
while True:
    try:
        tls.do_handshake()
        break
    except ssl.SSLWantReadError:
        flush()
        came.write(sock.recv(65536))
flush()
print(tls.version(), dict(tls.getpeercert())['subjectAltName'])
";
    let python = Command::new("python3")
        .args(["-c", script])
        .arg(authority.root())
        .arg(world.gateway.public.port().to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&python.stdout);
    assert!(
        said.contains("TLSv1.3") && said.contains("b.test"),
        "{said}{}",
        String::from_utf8_lossy(&python.stderr)
    );
}

#[test]
fn a_connection_in_tls_ends_with_a_word_and_not_with_a_cut() {
    let upstream = Upstream::echoing();
    let (_, world) = one(&upstream);
    let told = s_client(&world, &["-tls1_2", "-ign_eof"], CLOSING);
    assert!(told.contains("HTTP/1.1 200") && !told.contains("unexpected eof"), "{told}");
}

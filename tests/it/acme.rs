//! Certificates that the gateway orders itself, from Pebble.

use crate::support::{Ask, Client, Pebble, Running, Upstream, World, eventually};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

fn world(pebble: &Pebble, upstream: &Upstream, names: &str, storage: &Path, more: &str) -> World {
    World::new()
        .recorded("app", upstream)
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .table(&pebble.table(names, storage, more))
}

/// The certificate that is shown under a name, if the handshake succeeds.
fn shown(address: SocketAddr, name: &str, protocols: &[&str]) -> Option<Vec<u8>> {
    let config = trusting_all(protocols);
    let mut connection =
        ClientConnection::new(config, ServerName::try_from(name.to_owned()).unwrap()).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).ok()?;
    }
    connection.peer_certificates().and_then(|chain| chain.first()).map(|first| first.to_vec())
}

/// A client that looks at whatever it is shown.
fn trusting_all(protocols: &[&str]) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything(schemes)))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

#[derive(Debug)]
struct Anything(Vec<SignatureScheme>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

/// Waits until a certificate for this name alone is shown, and another than `before`. Until then strangers' may be.
fn new_one(world: &Running, name: &str, before: Option<&[u8]>) -> Vec<u8> {
    eventually("a certificate from Pebble", || {
        shown(world.gateway.public, name, &["h2", "http/1.1"])
            .filter(|shown| names(shown) == [name] && Some(shown.as_slice()) != before)
    })
}

fn names(certificate: &[u8]) -> Vec<String> {
    let certificate = X509Certificate::from_der(certificate).unwrap().1;
    let names = certificate.subject_alternative_name().unwrap().unwrap().value.general_names.iter();
    names
        .map(|name| match name {
            GeneralName::DNSName(name) => (*name).to_owned(),
            other => panic!("{other}"),
        })
        .collect()
}

fn issuer(certificate: &[u8]) -> String {
    X509Certificate::from_der(certificate).unwrap().1.issuer().to_string()
}

fn metric(world: &Running, line: &str) -> Option<u64> {
    let page = world.gateway.internal("/metrics").text();
    page.lines()
        .find_map(|found| found.strip_prefix(line)?.trim().parse::<f64>().ok())
        .map(|value| value as u64)
}

#[test]
fn a_name_without_a_certificate_fails_its_handshake_and_is_tried_again_later() {
    let (pebble, upstream, storage) = (Pebble::start(""), Upstream::echoing(), TempDir::new().unwrap());
    // What answers there does not know the proof.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    pebble.tls.point_at(closed.local_addr().unwrap());
    drop(closed);
    let world = world(&pebble, &upstream, "[\"a.test\"]", storage.path(), "").start();
    let told = world.gateway.process.err.wait_for("an order that fails", |text| {
        Some(text.lines().find(|line| line.contains("there is no new certificate"))?.to_owned())
    });
    let told = told.unwrap();
    for part in
        ["a.test", "did not find the proof that the name leads here", "urn:ietf:params:acme:error", "120s"]
    {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(shown(world.gateway.public, "a.test", &["http/1.1"]), None);
    assert_eq!(metric(&world, "cloakroom_certificate_orders_total{outcome=\"failed\"}"), Some(1));
    assert_eq!(world.gateway.internal("/ready").status, 200);
}

#[test]
fn a_handshake_for_the_proof_serves_nothing_and_fails_where_nothing_is_ordered() {
    let (pebble, upstream, storage) = (Pebble::start(""), Upstream::echoing(), TempDir::new().unwrap());
    let world = world(&pebble, &upstream, "[\"a.test\"]", storage.path(), "").start();
    pebble.tls.point_at(world.gateway.public);
    new_one(&world, "a.test", None);
    for name in ["a.test", "stranger.test"] {
        assert_eq!(shown(world.gateway.public, name, &["acme-tls/1"]), None, "{name}");
    }
    assert!(shown(world.gateway.public, "a.test", &["acme-tls/1", "http/1.1"]).is_some());
}

#[test]
fn each_name_gets_a_certificate_of_its_own_by_a_proof_in_the_handshake() {
    let (pebble, upstream, storage) = (Pebble::start(""), Upstream::echoing(), TempDir::new().unwrap());
    let storage = storage.path().join("made/by/the/gateway");
    let world =
        world(&pebble, &upstream, "[\"a.test\", \"B.test\"]", &storage, "contact = [\"ops@a.test\"]").start();
    pebble.tls.point_at(world.gateway.public);
    for name in ["a.test", "b.test"] {
        let certificate = new_one(&world, name, None);
        assert!(issuer(&certificate).contains("Pebble"), "{}", issuer(&certificate));
        let mut client = Client::secure(world.gateway.public, name, &trusting_all(&["http/1.1"]));
        assert_eq!(client.ask(&Ask::get("/x")).status, 200);
        let end = format!("cloakroom_certificate_end_seconds{{name=\"{name}\"}}");
        eventually("the end in the metrics", || metric(&world, &end).filter(|end| *end > 1_700_000_000));
    }
    for file in ["a.test.pem", "b.test.pem", "account.json"] {
        let mode = std::fs::metadata(storage.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_proof_in_plain_http_is_told_by_the_listener_without_tls() {
    let (pebble, upstream, storage) = (Pebble::start(""), Upstream::echoing(), TempDir::new().unwrap());
    let world = world(&pebble, &upstream, "[\"a.test\"]", storage.path(), "challenge = \"http-01\"")
        .server("redirect_http = { listen = [\"127.0.0.1:0\"] }")
        .start();
    let plain = crate::plain_http::plain(&world);
    pebble.http.point_at(plain);
    new_one(&world, "a.test", None);
    let mut stream = TcpStream::connect(plain).unwrap();
    stream
        .write_all(b"GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 308 "), "what is no proof is sent on like all else: {answer}");
}

#[test]
fn a_certificate_is_renewed_in_time_and_connections_live_on() {
    let pebble = Pebble::start("\"certificateValidityPeriod\": 12,");
    let (upstream, storage) = (Upstream::echoing(), TempDir::new().unwrap());
    let world = world(&pebble, &upstream, "[\"a.test\"]", storage.path(), "").start();
    pebble.tls.point_at(world.gateway.public);
    let first = new_one(&world, "a.test", None);
    let mut client = Client::secure(world.gateway.public, "a.test", &trusting_all(&["http/1.1"]));
    let ask = Ask::get("/x");
    assert_eq!(client.ask(&ask).status, 200);
    let second = new_one(&world, "a.test", Some(&first));
    assert!(issuer(&second).contains("Pebble"));
    assert_eq!(client.ask(&ask).status, 200);
}

#[test]
fn a_gateway_that_starts_again_orders_nothing_that_it_has() {
    let (pebble, upstream, storage) = (Pebble::start(""), Upstream::echoing(), TempDir::new().unwrap());
    let start = || world(&pebble, &upstream, "[\"a.test\"]", storage.path(), "").start();
    let first = start();
    pebble.tls.point_at(first.gateway.public);
    let before = new_one(&first, "a.test", None);
    drop(first);
    let second = start();
    assert_eq!(shown(second.gateway.public, "a.test", &["http/1.1"]), Some(before));
    let orders = |text: &str| text.matches("Added order").count();
    assert_eq!(orders(&pebble.process.out.text()) + orders(&pebble.process.err.text()), 1);
}

#[test]
fn an_account_that_the_authority_forgot_is_opened_anew() {
    let (pebble, upstream, storage) = (Pebble::start(""), Upstream::echoing(), TempDir::new().unwrap());
    {
        let world = world(&pebble, &upstream, "[\"a.test\"]", storage.path(), "").start();
        pebble.tls.point_at(world.gateway.public);
        new_one(&world, "a.test", None);
    }
    let kept = std::fs::read_to_string(storage.path().join("account.json")).unwrap();
    let again = Pebble::start("");
    let moved = kept.replace(&pebble.origin(), &again.origin());
    assert_ne!(kept, moved);
    std::fs::write(storage.path().join("account.json"), moved).unwrap();
    let world = world(&again, &upstream, "[\"b.test\"]", storage.path(), "").start();
    let told = world.gateway.process.err.wait_for("a refusal", |text| {
        Some(text.lines().find(|line| line.contains("accountDoesNotExist"))?.to_owned())
    });
    assert!(told.is_some());
    eventually("the account to be forgotten", || {
        (!storage.path().join("account.json").exists()).then_some(())
    });
}

#[test]
fn an_account_is_bound_to_one_outside_where_the_authority_asks_for_it() {
    let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let pebble = Pebble::start(&format!(
        "\"externalAccountBindingRequired\": true, \"externalAccountMACKeys\": {{\"kid-1\": \"{key}\"}},"
    ));
    let (upstream, storage) = (Upstream::echoing(), TempDir::new().unwrap());
    let more = format!("external_account = {{ kid = \"kid-1\", key = {{ insecure_literal = \"{key}\" }} }}");
    let world = world(&pebble, &upstream, "[\"a.test\"]", storage.path(), &more).start();
    pebble.tls.point_at(world.gateway.public);
    new_one(&world, "a.test", None);
}

//! TLS to upstreams, with Node's own servers: whom the gateway trusts, what it shows, and what it speaks.

use crate::support::{Authority, Process, Running, World, eventually};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// A service, and the gateway before it.
struct Secure {
    service: Process,
    running: Running,
}

impl Secure {
    /// The service has what was issued as `file`, wants clients of `clients` if there are any, and the gateway's table
    /// for it says `lines`.
    fn start(
        authority: &Authority,
        (file, speaks): (&str, &str),
        clients: Option<&Path>,
        lines: &str,
    ) -> Self {
        let mut node = Command::new("node");
        node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node/secure.js"));
        node.args([authority.path(file, "key"), authority.path(file, "pem")]);
        node.arg(clients.unwrap_or(Path::new("-"))).arg(speaks);
        let service = Process::start(&mut node);
        let port = service.out.wait_for("the port", |text| {
            text.lines().find_map(|line| line.strip_prefix("listening ")?.parse::<u16>().ok())
        });
        let endpoint = format!("https://localhost:{}", port.unwrap());
        let running = World::with_sessions(&[])
            .table(&format!("[upstreams.secure]\nendpoints = [\"{endpoint}\"]\n{lines}"))
            .route("path = \"/*\"\nupstream = \"secure\"\naccess = \"open\"")
            .start();
        Self { service, running }
    }

    /// What the service says of a request.
    fn seen(&self) -> Value {
        let response = self.running.get("/");
        assert_eq!(response.status, 200, "{response:?}");
        serde_json::from_slice(&response.body).unwrap()
    }

    /// The reason that the log gives for its 502.
    fn refused(&self) -> String {
        assert_eq!(self.running.get("/").status, 502);
        let line = self.running.gateway.line(|line| line["refusal"] == "upstream-unreachable");
        line["reason"].as_str().unwrap().to_owned()
    }
}

/// An authority, and the line that trusts it.
fn authority() -> (Authority, String) {
    let authority = Authority::new();
    let line = format!("ca = \"{}\"\n", authority.root().display());
    (authority, line)
}

/// The lines that show what was issued as `file`.
fn showing(authority: &Authority, file: &str) -> String {
    let (cert, key) = (authority.path(file, "pem"), authority.path(file, "key"));
    format!("client_cert = \"{}\"\nclient_key = \"{}\"\n", cert.display(), key.display())
}

#[test]
fn a_service_is_believed_by_its_authority_its_name_and_its_dates_alone() {
    let (authority, trust) = authority();
    authority.issue("here", &["localhost"]);
    authority.issue("elsewhere", &["elsewhere.internal"]);
    authority.issue_as("old", &["localhost"], |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    // What `openssl req -x509` makes.
    authority.issue_as("own", &["localhost"], |params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    let other = Authority::new();
    let stranger = format!("ca = \"{}\"\n", other.root().display());
    for (file, lines, cause) in [
        ("old", &trust, "certificate expired"),
        ("own", &trust, "the service shows the certificate of an authority"),
        ("elsewhere", &trust, "not valid for name"),
        // It has the same name and another key.
        ("here", &stranger, "BadSignature"),
        ("here", &String::new(), "UnknownIssuer"),
        ("here", &format!("{trust}server_name = \"elsewhere.internal\""), "not valid for name"),
    ] {
        let secure = Secure::start(&authority, (file, "h2"), None, lines);
        let reason = secure.refused();
        assert!(reason.contains(cause), "{file} {lines}: {reason}");
    }
    let secure = Secure::start(&authority, ("here", "h2"), None, &trust);
    assert_eq!(secure.seen()["name"], "localhost");
}

#[test]
fn server_name_is_what_is_asked_for_and_what_the_certificate_must_say() {
    let (authority, trust) = authority();
    authority.issue("elsewhere", &["elsewhere.internal"]);
    let lines = format!("{trust}server_name = \"elsewhere.internal\"\nhost = \"app.internal\"");
    let secure = Secure::start(&authority, ("elsewhere", "h2"), None, &lines);
    let seen =
        json!({ "version": "2.0", "name": "elsewhere.internal", "client": null, "host": "app.internal" });
    assert_eq!(secure.seen(), seen);
}

#[test]
fn http_2_is_spoken_where_it_is_agreed_and_http_1_otherwise() {
    let (authority, trust) = authority();
    authority.issue("here", &["localhost"]);
    let without = format!("{trust}http2 = false");
    for (speaks, lines, version) in [("h2", &trust, "2.0"), ("h1", &trust, "1.1"), ("h2", &without, "1.1")] {
        let secure = Secure::start(&authority, ("here", speaks), None, lines);
        for _ in 0..3 {
            assert_eq!(secure.seen()["version"], version, "{speaks} {lines}");
        }
    }
}

#[test]
fn a_service_that_asks_for_a_certificate_gets_ours_and_no_request_without_it() {
    let (authority, trust) = authority();
    authority.issue("here", &["localhost"]);
    authority.issue("gateway", &["gateway.internal"]);
    let wanted = Authority::new();
    wanted.issue("gateway", &["gateway.internal"]);
    let root = wanted.root();
    for (lines, version) in [("", "2.0"), ("http2 = false\n", "1.1")] {
        let shown = showing(&wanted, "gateway");
        let secure =
            Secure::start(&authority, ("here", "h2"), Some(&root), &format!("{trust}{shown}{lines}"));
        let seen = secure.seen();
        assert_eq!((&seen["client"], &seen["version"]), (&json!("gateway"), &json!(version)));
        for shown in [String::new(), showing(&authority, "gateway")] {
            let lines = format!("{trust}{shown}{lines}");
            let secure = Secure::start(&authority, ("here", "h2"), Some(&root), &lines);
            let response = secure.running.get("/");
            assert_eq!(response.status, 502, "{response:?}");
            let refused =
                secure.service.out.wait_for("a refusal", |text| text.contains("refused").then_some(()));
            assert!(refused.is_some());
        }
    }
}

#[test]
fn health_checks_trust_and_show_the_same() {
    let (authority, trust) = authority();
    authority.issue("here", &["localhost"]);
    authority.issue("gateway", &["gateway.internal"]);
    let (root, shown) = (authority.root(), showing(&authority, "gateway"));
    let health = "health = { path = \"/\", interval = \"100ms\", failures = 1, passes = 1 }\n";
    let unhealthy = |secure: &Secure| {
        let metrics = secure.running.gateway.internal("/metrics").text();
        metrics.contains("state=\"unhealthy\"} 1")
    };
    let secure = Secure::start(&authority, ("here", "h2"), Some(&root), &format!("{trust}{shown}{health}"));
    assert_eq!(secure.seen()["client"], "gateway");
    assert!(!unhealthy(&secure));
    let secure = Secure::start(&authority, ("here", "h2"), Some(&root), &format!("{trust}{health}"));
    eventually("the checks to fail", || unhealthy(&secure).then_some(()));
}

#[test]
fn a_reload_reads_the_authority_again_and_asks_the_service_anew() {
    let (authority, other) = (Authority::new(), Authority::new());
    authority.issue("here", &["localhost"]);
    let root = authority.path("trusted", "pem");
    std::fs::copy(authority.root(), &root).unwrap();
    let trust = format!("ca = \"{}\"", root.display());
    let secure = Secure::start(&authority, ("here", "h2"), None, &trust);
    assert_eq!(secure.seen()["version"], "2.0");
    std::fs::copy(other.root(), &root).unwrap();
    let gateway = &secure.running.gateway;
    gateway.process.signal("HUP");
    eventually("the authority to be another", || (secure.running.get("/").status == 502).then_some(()));
    assert!(gateway.process.err.text().contains("the configuration was reloaded"));
    assert!(secure.refused().contains("BadSignature"));
}

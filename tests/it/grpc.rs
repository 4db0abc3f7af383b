//! gRPC through the gateway, with the real grpcio for client and server.

use crate::support::{Authority, Process, Running, World};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

const ALICE: &str = "Vq3fY0rJbXhQe7TzL1mWn8sKdPa2CuG5";

struct Calls {
    server: Process,
    running: Running,
}

fn python() -> Command {
    let python = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../venv/bin/python");
    assert!(python.exists(), "{} is missing; `tests/run` installs it", python.display());
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/calls.py"));
    command
}

impl Calls {
    fn start() -> Self {
        Self::behind(python().arg("serve"), |port| format!("endpoints = [\"h2c://127.0.0.1:{port}\"]"))
    }

    /// Over TLS, with a certificate for `calls.internal`; the upstream's table says `lines` besides.
    fn over_tls(authority: &Authority, server: &str, lines: &str) -> Self {
        let files = [authority.path(server, "key"), authority.path(server, "pem"), authority.root()];
        let mut command = python();
        command.arg("serve").args(files);
        Self::behind(&mut command, |port| format!("endpoints = [\"https://127.0.0.1:{port}\"]\n{lines}"))
    }

    fn behind(command: &mut Command, table: impl FnOnce(u16) -> String) -> Self {
        let server = Process::start(command);
        let port = server.out.wait_for("the port", |text| {
            text.lines().find_map(|line| line.strip_prefix("port ")?.parse::<u16>().ok())
        });
        let endpoint = format!("[upstreams.calls]\n{}", table(port.unwrap()));
        let running = World::with_sessions(&[(ALICE, "alice")])
            .table(&endpoint)
            .route("path = \"/test.Calls/*\"\nupstream = \"calls\"")
            .start();
        Self { server, running }
    }

    fn call(&self, scenario: &str) -> Value {
        self.call_as(&format!("sid={ALICE}; theme=dark"), scenario)
    }

    fn call_as(&self, cookie: &str, scenario: &str) -> Value {
        let address = self.running.gateway.public.to_string();
        let out = python().args(["call", &address, cookie, scenario]).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        serde_json::from_str(&text)
            .unwrap_or_else(|_| panic!("{text}\n{}", String::from_utf8_lossy(&out.stderr)))
    }

    /// Waits until the server says that this call was cancelled.
    fn cancelled(&self, call: &str) {
        let line = format!("cancelled {call}");
        let seen = self.server.out.wait_for(&line, |text| text.contains(&line).then_some(()));
        assert!(seen.is_some());
    }
}

#[test]
fn a_refused_call_gets_a_status_and_never_a_page() {
    let calls = Calls::start();
    let refused = calls.call_as("", "unary");
    assert_eq!((&refused["code"], &refused["details"]), (&json!(16), &json!("login-required")));
    let refused = calls.call_as("sid=unknown", "down");
    assert_eq!(refused["code"], 16);
}

#[test]
fn every_kind_of_call_gets_through_in_its_caller_s_name() {
    let calls = Calls::start();
    let unary = calls.call("unary");
    let seen = json!({ "got": "unary", "authorization": "Bearer ey", "cookie": "theme=dark" });
    assert_eq!(unary["answer"], seen);
    // Only gRPC's own trailers pass, and grpcio keeps those for itself.
    assert_eq!(unary["trailers"], json!([]));
    assert_eq!(calls.call("down"), json!({ "answer": true }));
    assert_eq!(calls.call("up"), json!({ "answer": 2_000_000 }));
    assert_eq!(calls.call("both"), json!({ "answer": true }));
}

#[test]
fn a_failure_keeps_its_status_message_and_details() {
    let failed = Calls::start().call("fail");
    assert_eq!(failed, json!({ "code": 5, "details": "no such thing: é", "bin": "00ff64657461696c73" }));
}

#[test]
fn a_deadline_and_a_cancellation_reach_the_server() {
    let calls = Calls::start();
    assert_eq!(calls.call("deadline")["code"], 4);
    calls.cancelled("slow");
    assert_eq!(calls.call("cancel"), json!({ "answer": "begun" }));
    calls.cancelled("stream");
}

#[test]
fn a_server_that_is_gone_is_unavailable() {
    let mut calls = Calls::start();
    assert_eq!(calls.call("unary")["answer"]["got"], "unary");
    calls.server.kill();
    assert_eq!(calls.call("unary")["code"], 14);
}

/// An authority that issued a certificate to the server and one to the gateway, and what the gateway says of them.
fn trust() -> (Authority, String) {
    let authority = Authority::new();
    authority.issue("server", &["calls.internal"]);
    authority.issue_as("old", &["calls.internal"], |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    authority.issue("gateway", &["gateway.internal"]);
    let (cert, key) = (authority.path("gateway", "pem"), authority.path("gateway", "key"));
    let shown = format!("client_cert = \"{}\"\nclient_key = \"{}\"", cert.display(), key.display());
    let lines = format!("ca = \"{}\"\n{shown}\nserver_name = \"calls.internal\"", authority.root().display());
    (authority, lines)
}

#[test]
fn over_tls_calls_get_through_with_a_certificate_of_our_own() {
    let (authority, lines) = trust();
    let calls = Calls::over_tls(&authority, "server", &lines);
    assert_eq!(calls.call("unary")["answer"]["got"], "unary");
    assert_eq!(calls.call("up"), json!({ "answer": 2_000_000 }));
    assert_eq!(calls.call("both"), json!({ "answer": true }));
}

#[test]
fn a_server_whose_certificate_is_bad_gets_nothing_and_the_log_says_which_way() {
    let (authority, lines) = trust();
    let other = Authority::new();
    let stranger =
        lines.replace(&authority.root().display().to_string(), &other.root().display().to_string());
    let misnamed = lines.replace("calls.internal", "other.internal");
    for (server, lines, cause) in [
        ("old", &lines, "certificate expired"),
        ("server", &stranger, "BadSignature"),
        ("server", &misnamed, "not valid for name"),
    ] {
        let calls = Calls::over_tls(&authority, server, lines);
        assert_eq!(calls.call("unary")["code"], 14, "{cause}");
        let line = calls.running.gateway.line(|line| line["refusal"] == "upstream-unreachable");
        assert!(line["reason"].as_str().unwrap().contains(cause), "{line}");
    }
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_no_call_without_one() {
    let (authority, lines) = trust();
    let bare: Vec<&str> = lines.lines().filter(|line| !line.starts_with("client_")).collect();
    let calls = Calls::over_tls(&authority, "server", &bare.join("\n"));
    assert_eq!(calls.call("unary")["code"], 14);
}

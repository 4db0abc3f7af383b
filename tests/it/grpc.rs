//! gRPC through the gateway, with the real grpcio for client and server.

use crate::support::{Process, Running, World};
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
        let server = Process::start(python().arg("serve"));
        let port = server.out.wait_for("the port", |text| {
            text.lines().find_map(|line| line.strip_prefix("port ")?.parse::<u16>().ok())
        });
        let endpoint = format!("[upstreams.calls]\nendpoints = [\"h2c://127.0.0.1:{}\"]", port.unwrap());
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

//! The public port before scanners that look for weaknesses in TLS.

use crate::support::{Authority, Running, Upstream, World, now};
use rcgen::{CrlDistributionPoint, date_time_ymd};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

fn world(authority: &Authority, upstream: &Upstream) -> Running {
    authority.issue_as("a", &["localhost"], |params| {
        let list = CrlDistributionPoint { uris: vec!["http://localhost/list.crl".to_owned()] };
        params.crl_distribution_points = vec![list];
        let day = Duration::from_secs(24 * 3600);
        let today = date_time_ymd(1970, 1, 1) + Duration::from_secs(now());
        (params.not_before, params.not_after) = (today - day, today + 90 * day);
    });
    World::new()
        .server("hsts = { max_age = \"365d\" }")
        .recorded("app", upstream)
        // What is asked for is `/`, and what headers an app says there is its own.
        .route("path = \"/app/*\"\nupstream = \"app\"\naccess = \"open\"")
        .table(&authority.entry("a"))
        .start()
}

#[test]
fn testssl_finds_nothing_above_low() {
    let (authority, upstream) = (Authority::new(), Upstream::echoing());
    let world = world(&authority, &upstream);
    let report = authority.path("report", "json");
    let mut command = Command::new("testssl");
    command.args(["--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1", "--add-ca"]);
    command.arg(authority.root()).arg("--jsonfile").arg(&report);
    let printed = command.arg(format!("https://localhost:{}", world.gateway.public.port())).output().unwrap();
    let found: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let found = found.as_array().unwrap();
    assert!(found.len() > 100, "{}", String::from_utf8_lossy(&printed.stdout));
    let severe: Vec<_> = found
        .iter()
        .filter(|finding| {
            matches!(finding["severity"].as_str(), Some("MEDIUM" | "HIGH" | "CRITICAL" | "FATAL"))
        })
        .collect();
    assert!(severe.is_empty(), "{severe:#?}");
}

#[test]
fn sslyze_sees_no_early_data_and_no_old_version() {
    let (authority, upstream) = (Authority::new(), Upstream::echoing());
    let world = world(&authority, &upstream);
    let python = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../venv/bin/python");
    assert!(python.exists(), "{} is missing; `tests/run` installs it", python.display());
    let mut command = Command::new(python);
    command.args([
        "-m",
        "sslyze",
        "--early_data",
        "--tlsv1",
        "--tlsv1_1",
        "--tlsv1_3",
        "--compression",
        "--reneg",
    ]);
    command.args(["--heartbleed", "--openssl_ccs", "--robot", "--json_out", "-"]);
    let printed = command.arg(format!("localhost:{}", world.gateway.public.port())).output().unwrap();
    let report: Value = serde_json::from_slice(&printed.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&printed.stderr)));
    let scan = |name: &str| &report["server_scan_results"][0]["scan_result"][name]["result"];
    let fails = |name: &str, what: &str| assert_eq!(scan(name)[what], false, "{name} {what}: {}", scan(name));
    fails("tls_1_3_early_data", "supports_early_data");
    fails("tls_compression", "supports_compression");
    fails("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos");
    fails("heartbleed", "is_vulnerable_to_heartbleed");
    fails("openssl_ccs_injection", "is_vulnerable_to_ccs_injection");
    for (version, spoken) in [("tls_1_0", false), ("tls_1_1", false), ("tls_1_3", true)] {
        let accepted =
            scan(&format!("{version}_cipher_suites"))["accepted_cipher_suites"].as_array().unwrap();
        assert_eq!(!accepted.is_empty(), spoken, "{version}");
    }
}

//! The recipes of deploy/verify, as real services, against `attest`.

use crate::support::{Gateway, Process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

fn repo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The kinds that `attest` finds in the service that this command starts.
fn found(gateway: &Gateway, command: &mut Command) -> Vec<String> {
    command.env("JWKS_URL", gateway.jwks_url()).env("AUDIENCE", "orders").env("PORT", "0");
    let service = Process::start(command);
    let port = service.out.wait_for("its port", |text| {
        let (_, rest) = text.split_once("listening on ")?;
        rest.split_once('\n').map(|(port, _)| port.to_owned())
    });
    let port = port.unwrap_or_else(|| panic!("{}", service.err.text()));
    let output = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
        .arg("attest")
        .arg(format!("http://127.0.0.1:{port}/orders"))
        .args(["--audience", "orders", "--json", "--config"])
        .arg(gateway.dir().join("gateway.toml"))
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let tried = report["tried"].as_array().unwrap().iter();
    let flawed = tried.filter(|one| !one["flaw"].is_null());
    flawed.map(|one| format!("{} {}", one["kind"], one["outcome"])).collect()
}

fn gateway() -> Gateway {
    Gateway::start(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nworkers = 1\n[internal]\nlisten = \"127.0.0.1:0\"\n",
        &[],
    )
}

#[test]
fn nothing_is_found_in_the_recipe_for_node() {
    let gateway = gateway();
    // Modules are looked for beside the file.
    let recipe = gateway.dir().join("node.mjs");
    std::fs::copy(repo("deploy/verify/node.mjs"), &recipe).unwrap();
    std::os::unix::fs::symlink(repo("tests/node/node_modules"), gateway.dir().join("node_modules")).unwrap();
    assert_eq!(found(&gateway, Command::new("node").arg(recipe)), Vec::<String>::new());
}

#[test]
fn nothing_is_found_in_the_recipe_for_python() {
    let gateway = gateway();
    let python = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../venv/bin/python");
    assert_eq!(
        found(&gateway, Command::new(python).arg(repo("deploy/verify/python.py"))),
        Vec::<String>::new()
    );
}

//! The gateway's own binary, with a configuration of the test's own.

use crate::support::{Ask, Process, Response};
use jsonwebtoken::jwk::JwkSet;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus};
use tempfile::TempDir;

#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) public: SocketAddr,
    pub(crate) internal: SocketAddr,
    pub(crate) process: Process,
    dir: TempDir,
}

impl Gateway {
    /// Starts it and waits until it says where it listens.
    pub(crate) fn start(config: &str, environment: &[(String, String)]) -> Self {
        let binary = Path::new(env!("CARGO_BIN_EXE_cloakroom"));
        Self::start_as(binary, config, environment, Process::start)
    }

    /// The same under another path.
    pub(crate) fn start_as(
        binary: &Path,
        config: &str,
        environment: &[(String, String)],
        start: fn(&mut Command) -> Process,
    ) -> Self {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("gateway.toml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(binary);
        command.args(["serve", "--config"]).arg(&file).current_dir(dir.path());
        command.env_remove("RUST_LOG").envs(environment.iter().map(|(name, value)| (name, value)));
        let process = start(&mut command);
        let find = |before: &str| {
            let found = process.err.wait_for(before, |text| address(text, before));
            found.unwrap_or_else(|| panic!("{}\n{}", config, process.err.text()))
        };
        let (public, internal) = (find("\"listening on "), find("internal listener on "));
        Self { public, internal, process, dir }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A page of the internal listener.
    pub(crate) fn internal(&self, path: &str) -> Response {
        Ask::get(path).at(self.internal)
    }

    pub(crate) fn jwks_url(&self) -> String {
        format!("http://{}/.well-known/jwks.json", self.internal)
    }

    pub(crate) fn keys(&self) -> JwkSet {
        serde_json::from_slice(&self.internal("/.well-known/jwks.json").body).unwrap()
    }

    /// The access lines so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = self.process.out.text();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }

    /// The first access line that `is_it`, once it is there.
    pub(crate) fn line(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        let found = self.process.out.wait_for("an access line", |text| {
            let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            lines.filter_map(|line| serde_json::from_str(line).ok()).find(&is_it)
        });
        found.expect("an access line")
    }

    /// Resident bytes of the process.
    pub(crate) fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most that were ever resident.
    pub(crate) fn peak(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.process.signal("TERM");
        self.process.wait()
    }
}

fn address(text: &str, before: &str) -> Option<SocketAddr> {
    let rest = &text[text.find(before)? + before.len()..];
    let (_, address) = rest[..rest.find('"')?].split_once("://")?;
    address.parse().ok()
}

//! A real `redis-server` of the test's own.

use crate::support::{PATIENCE, Process, eventually};
use redis::FromRedisValue;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Ports below those that the system hands out for port 0, so that a Redis can come back on its own.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Logs a store in as the gateway's user of the files under `deploy/redis`.
pub(crate) const READER: &str =
    "username = \"cloakroom\"\npassword = { insecure_literal = \"cloakroom-password\" }";

/// The options that make a server know the gateway's user as one of those files has it.
pub(crate) fn reader_of(acl: &str) -> Vec<&str> {
    let line = acl.lines().find(|line| line.starts_with("user cloakroom ")).expect("the gateway's user");
    std::iter::once("--user").chain(line.split(' ').skip(1)).collect()
}

#[derive(Debug)]
pub(crate) struct Redis {
    port: u16,
    process: Process,
    dir: TempDir,
    options: Vec<String>,
    login: String,
}

impl Redis {
    /// Starts one on a port that is free; where it is not, Redis says so by ending, and the next is tried.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more of its options.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let dir = TempDir::new().unwrap();
        let (port, process) = eventually("a Redis", || {
            let port = candidate();
            Some((port, launch(port, &dir, &options)?))
        });
        Self { port, process, dir, options, login: String::new() }
    }

    /// Whom to log in as, as `user:password` or `:password`.
    pub(crate) fn log_in_with(mut self, login: &str) -> Self {
        self.login = format!("{login}@");
        self
    }

    pub(crate) fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Starts it again on the same port with other options.
    pub(crate) fn start_again_with(&mut self, options: &[&str]) {
        self.options = options.iter().map(|option| (*option).to_owned()).collect();
        self.start_again();
    }

    /// A connection, if it answers.
    pub(crate) fn connection(&self) -> Option<redis::Connection> {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_connection_with_timeout(Duration::from_millis(500)).ok()
    }

    /// How often it has executed a command.
    pub(crate) fn calls(&self, command: &str) -> u64 {
        let stats: String = self.command(&["INFO", "commandstats"]);
        let start = format!("cmdstat_{command}:calls=");
        let line = stats.lines().find_map(|line| line.strip_prefix(&start));
        line.and_then(|rest| rest.split(',').next()).map_or(0, |calls| calls.parse().unwrap())
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}127.0.0.1:{}/0", self.login, self.port)
    }

    pub(crate) fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_connection_with_timeout(PATIENCE).unwrap();
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        command.query(&mut connection).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    pub(crate) fn set(&self, key: &str, value: &str) {
        self.command::<()>(&["SET", key, value]);
    }

    pub(crate) fn set_for(&self, key: &str, value: &str, life: Duration) {
        self.command::<()>(&["SET", key, value, "PX", &life.as_millis().to_string()]);
    }

    pub(crate) fn delete(&self, key: &str) {
        self.command::<()>(&["DEL", key]);
    }

    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Holds it still: connections stay, answers do not come.
    pub(crate) fn freeze(&self) {
        self.process.signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.process.signal("CONT");
    }

    /// Ends it, and all it held.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port, empty.
    pub(crate) fn start_again(&mut self) {
        let (port, dir, options) = (self.port, &self.dir, &self.options);
        self.process = eventually("Redis on its old port", || launch(port, dir, options));
    }
}

pub(crate) fn candidate() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = PORTS.end - PORTS.start;
    let start = u16::try_from(std::process::id() * 7 % u32::from(span)).unwrap();
    PORTS.start + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % span
}

fn launch(port: u16, dir: &TempDir, options: &[String]) -> Option<Process> {
    let process = Process::start(
        Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(options)
            .current_dir(dir.path()),
    );
    process.out.wait_for("Redis to be ready", |text| text.contains("Ready to accept").then_some(()))?;
    Some(process)
}

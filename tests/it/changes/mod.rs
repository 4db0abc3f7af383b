//! Requests of every kind while configurations and binaries change under them. Short here, and as long as `CLOAKROOM_RELOADS`,
//! `CLOAKROOM_SWAPS` and `CLOAKROOM_REQUESTS` say; `CLOAKROOM_BINARY` is another build to be put to the test. Its last line gives the
//! figures.

mod clients;
pub(crate) mod services;

use crate::support::line::Line;
use crate::support::{Over, Process, World, eventually};
use clients::Seen;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

#[allow(clippy::disallowed_methods, reason = "a developer's switch, not configuration")]
fn asked<T: std::str::FromStr>(name: &str, usual: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Two versions of the program, and the link that leads to one of them, as packages install it.
pub(crate) struct Releases(TempDir);

impl Releases {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let built: PathBuf = asked("CLOAKROOM_BINARY", env!("CARGO_BIN_EXE_cloakroom").into());
        for version in ["a", "b"] {
            std::fs::hard_link(&built, dir.path().join(version)).unwrap();
        }
        let releases = Self(dir);
        releases.point_to(Path::new("a"));
        releases
    }

    pub(crate) fn current(&self) -> PathBuf {
        self.0.path().join("current")
    }

    /// Installs another version at a stroke.
    pub(crate) fn point_to(&self, version: &Path) {
        let next = self.0.path().join("next");
        std::os::unix::fs::symlink(version, &next).unwrap();
        std::fs::rename(next, self.current()).unwrap();
    }
}

fn python(arguments: &[&str]) -> Process {
    let python = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../venv/bin/python");
    let mut command = Command::new(python);
    Process::start(command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/calls.py")).args(arguments))
}

fn world(calls: &Process) -> World {
    let port = calls.out.wait_for("the port", |text| Some(text.strip_prefix("port ")?.trim().to_owned()));
    let tables = [
        format!("[upstreams.calls]\nendpoints = [\"h2c://127.0.0.1:{}\"]", port.unwrap()),
        format!("[upstreams.h2]\nendpoints = [\"h2c://{}\"]", services::http2()),
    ];
    World::with_sessions(&[("live", "alice")])
        .workers(2)
        // A machine that is busy with many processes may keep Redis waiting: that is no question here.
        .store("timeout = \"5s\"\nrevocation_bound = \"60s\"")
        .limits("drain_timeout = \"10s\"")
        .upstream("app", services::http1())
        .table(&tables.join("\n"))
        .route("path = \"/*\"\nupstream = \"app\"")
        .route("path = \"/ws\"\nupstream = \"app\"")
        .route("path = \"/load.Calls/*\"\nupstream = \"h2\"")
        .route("path = \"/test.Calls/*\"\nupstream = \"calls\"")
        .route("path = \"/other-0\"\nupstream = \"app\"\naccess = \"open\"")
}

/// What changes, in turn.
struct Changes<'a> {
    file: PathBuf,
    line: Line,
    releases: &'a Releases,
}

impl Changes<'_> {
    fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.file).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        std::fs::write(self.file.with_extension("new"), text.replace(from, to)).unwrap();
        std::fs::rename(self.file.with_extension("new"), &self.file).unwrap();
    }

    fn reload(&self, at: usize) {
        self.edit(&format!("/other-{at}\""), &format!("/other-{}\"", at + 1));
        self.line.reload();
    }

    /// Each new process has another binary, and another number of workers than sockets that it is handed.
    fn swap(&mut self, at: usize) {
        const WORKERS: [usize; 3] = [2, 3, 1];
        let (from, to) = (WORKERS[at % 3], WORKERS[(at + 1) % 3]);
        self.edit(&format!("workers = {from}\n"), &format!("workers = {to}\n"));
        let version = ["b", "a"][at % 2];
        self.releases.point_to(Path::new(version));
        self.line.swap();
        assert_eq!(self.line.file().file_name().unwrap(), version);
    }
}

#[test]
fn no_request_fails_while_configurations_and_binaries_come_and_go() {
    let (reloads, swaps) = (asked("CLOAKROOM_RELOADS", 10), asked("CLOAKROOM_SWAPS", 4));
    let requests = asked("CLOAKROOM_REQUESTS", 0);
    let (service, releases) = (python(&["serve"]), Releases::new());
    let world = world(&service).start_unheard(&releases.current());
    let (seen, address) = (Seen::default(), world.gateway.public);
    let line = Line::of(&world.gateway);
    let mut changes = Changes { file: world.gateway.dir().join("gateway.toml"), line, releases: &releases };
    let mut caller = python(&["repeat", &address.to_string(), "sid=live"]);
    eventually("a caller", || caller.out.text().contains("begun").then_some(()));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| seen.http1(address));
            scope.spawn(|| seen.http2(address, false));
            scope.spawn(|| seen.http2(address, true));
            scope.spawn(|| seen.websocket(address));
        }
        let _over = Over(&seen.over);
        let steps = reloads.max(swaps).max(1);
        for at in 0..steps {
            if at * reloads / steps != (at + 1) * reloads / steps {
                changes.reload(at * reloads / steps);
            }
            if at * swaps / steps != (at + 1) * swaps / steps {
                changes.swap(at * swaps / steps);
            }
            // The changes are spread over all requests.
            let due = requests * (at + 1) / steps;
            while seen.answered() < due && seen.goes_on() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    });
    let took = began.elapsed();
    caller.signal("TERM");
    assert!(caller.wait().success(), "{}", caller.err.text());
    let calls: serde_json::Value = serde_json::from_str(caller.out.text().lines().last().unwrap()).unwrap();
    let told = seen.report(took);
    println!("{reloads} reloads and {swaps} swaps in {took:.0?}: {told}; grpcio: {}", calls["answered"]);
    seen.judge(2 * swaps);
    assert_eq!(calls["failed"], serde_json::json!([]));
    assert!(calls["answered"].as_u64() > Some(0));
}

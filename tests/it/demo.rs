//! `cloakroom demo`: its page in a real browser, its services without the gateway, and what is left of it.

use crate::support::{Ask, Process};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A demo with a directory for temporary files of its own, so that what it leaves there shows.
struct Demo {
    process: Process,
    dir: TempDir,
}

impl Demo {
    fn start(set_up: impl FnOnce(&mut Command)) -> Self {
        let dir = TempDir::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_cloakroom"));
        command.args(["demo", "--port", "0"]).env("TMPDIR", dir.path());
        set_up(&mut command);
        let process = Process::start(&mut command);
        let started = process.out.wait_for("the last line", |text| text.contains("Ctrl-C").then_some(()));
        started.unwrap_or_else(|| panic!("{}", process.err.text()));
        Self { process, dir }
    }

    /// The first address in the line that begins with `name`.
    fn address(&self, name: &str) -> SocketAddr {
        let text = self.process.out.text();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{text}"));
        let rest = line.split_once("http://").unwrap().1;
        rest.split('/').next().unwrap().parse().unwrap()
    }

    fn click_through(&self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/click_path.mjs");
        let page = format!("http://{}/", self.address("Open"));
        let mut browser = Process::start(Command::new("node").arg(script).arg(page));
        let status = browser.wait();
        assert!(status.success(), "{}", browser.err.text());
        assert_eq!(browser.out.text(), "ok\n");
    }

    /// Ends it as Ctrl-C does, and looks whether it was the last of everything.
    fn end(mut self) {
        self.process.signal("INT");
        assert!(self.process.wait().success());
        assert_eq!(std::fs::read_dir(self.dir.path()).unwrap().count(), 0, "files are left");
        assert_eq!(living_in(self.dir.path()), Vec::<String>::new(), "processes are left");
    }
}

/// The names of processes whose working directory is, or was, below this one: the demo's Redis has it there.
fn living_in(dir: &Path) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let inside =
        processes.filter(|path| std::fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir)));
    inside.filter_map(|path| std::fs::read_to_string(path.join("comm")).ok()).collect()
}

#[test]
fn with_a_redis_of_its_own_the_page_does_what_it_says_and_nothing_is_left() {
    let demo = Demo::start(|_| {});
    assert!(demo.process.out.text().contains("a temporary Redis"), "{}", demo.process.out.text());
    assert_eq!(living_in(demo.dir.path()), ["redis-server\n"]);
    demo.click_through();
    demo.end();
}

#[test]
fn without_a_redis_on_the_path_the_page_does_the_same_from_memory() {
    let nothing = TempDir::new().unwrap();
    let demo = Demo::start(|command| {
        command.env("PATH", nothing.path());
    });
    assert!(demo.process.out.text().contains("memory (no `redis-server` on the PATH)"));
    demo.click_through();
    demo.end();
}

#[test]
fn a_redis_that_does_not_come_up_is_said_and_done_without() {
    let broken = TempDir::new().unwrap();
    let program = broken.path().join("redis-server");
    std::os::unix::fs::symlink("/bin/false", program).unwrap();
    let demo = Demo::start(|command| {
        command.env("PATH", broken.path());
    });
    assert!(demo.process.out.text().contains("`redis-server` did not start"), "{}", demo.process.out.text());
    demo.end();
}

#[test]
fn a_service_refuses_whoever_comes_without_a_token_or_with_one_that_no_gateway_signed() {
    let demo = Demo::start(|_| {});
    let forged = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0Iiwia2lkIjoiYSJ9.eyJzdWIiOiJhbGljZSJ9.";
    for service in ["orders", "invoices"] {
        let address = demo.address(service);
        assert_eq!(Ask::get("/").at(address).status, 401);
        let answer = Ask::get("/").header("authorization", &format!("Bearer {forged}")).at(address);
        assert_eq!(answer.status, 401);
        assert!(answer.header("www-authenticate").unwrap().contains("invalid_token"));
    }
    demo.end();
}

#[test]
fn an_access_line_is_written_where_it_was_asked_for_and_nowhere_else() {
    let demo = Demo::start(|command| {
        command.arg("--verbose");
    });
    assert_eq!(Ask::get("/api/orders/").at(demo.address("Open")).status, 401);
    let seen =
        demo.process.err.wait_for("an access line", |text| text.contains("login-required").then_some(()));
    assert!(seen.is_some() && !demo.process.out.text().contains("login-required"));
    demo.end();
}

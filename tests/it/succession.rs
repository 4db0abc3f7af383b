//! A new process that takes the place of one that serves.

use crate::changes::Releases;
use crate::changes::services::{handshake, switch};
use crate::support::line::{Line, REMAINS, signal};
use crate::support::{
    Ask, Authority, Client, PATIENCE, Process, Transcript, Upstream, World, answer_with, eventually,
};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use tempfile::TempDir;

const OPEN: &str = "access = \"open\"";

fn open(upstream: &Upstream) -> World {
    World::new().recorded("app", upstream).route(&format!("path = \"/*\"\nupstream = \"app\"\n{OPEN}"))
}

/// Sends back what comes over a WebSocket.
fn repeating() -> Upstream {
    Upstream::playing(|wire| {
        while let Some(request) = wire.request() {
            if request.one("upgrade").is_none() {
                wire.say(answer_with(&request, b""));
                continue;
            }
            wire.say(switch());
            loop {
                let bytes = wire.read();
                if bytes.is_empty() {
                    return;
                }
                wire.say(bytes);
            }
        }
    })
}

/// A WebSocket through the gateway.
fn socket(address: SocketAddr) -> Client {
    let mut client = Client::connect(address);
    client.send(handshake());
    assert_eq!(client.head().expect("an answer to the handshake").status, 101);
    client
}

fn repeats(client: &mut Client) -> bool {
    client.send([0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
    client.read_exact(8)[6..] == *b"hi"
}

/// Whether the rest is a close frame with 1001.
fn is_told_to_go(client: &mut Client) -> bool {
    let rest = client.rest();
    rest.starts_with(&[0x88]) && rest[2..4] == 1001_u16.to_be_bytes()
}

#[test]
fn a_process_that_cannot_start_leaves_the_one_before_serving() {
    let upstream = Upstream::echoing();
    let world = open(&upstream).start();
    let line = Line::of(&world.gateway);
    let file = world.gateway.dir().join("gateway.toml");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + "\nnonsense = 1\n").unwrap();
    line.signal("USR2");
    eventually("word of it", || (line.said(REMAINS) == 1).then_some(()));
    assert!(line.said("exit status: 2") > 0 && line.said("unknown key") > 0);
    assert_eq!(world.get("/x").status, 200);
    assert_eq!(world.gateway.internal("/ready").status, 200);
}

/// What may be wrong with a binary, down to one that is no program.
#[test]
fn a_binary_that_does_not_come_up_leaves_the_one_before_serving() {
    let (upstream, releases, broken) = (Upstream::echoing(), Releases::new(), TempDir::new().unwrap());
    let world = open(&upstream).start_unheard(&releases.current());
    let mut line = Line::of(&world.gateway);
    let first = line.file();
    let wrong = [
        ("missing", None, "No such file"),
        ("locked", Some(("#!/bin/sh\n", 0o600)), "Permission denied"),
        ("garbage", Some(("\u{7f}ELF", 0o700)), "Exec format error"),
        ("ends", Some(("#!/bin/sh\nexit 3\n", 0o700)), "exit status: 3"),
        ("crashes", Some(("#!/bin/sh\nkill -11 $$\n", 0o700)), "signal: 11"),
        ("lets-go", Some(("#!/bin/sh\nexec sleep 60 <&-\n", 0o700)), "did not say"),
    ];
    for (refused, (name, content, why)) in (1..).zip(wrong) {
        let file = broken.path().join(name);
        if let Some((text, mode)) = content {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        releases.point_to(&file);
        line.signal("USR2");
        eventually(name, || (line.said(REMAINS) == refused).then_some(()));
        assert_eq!(line.said(why), 1, "{name}: {}", world.gateway.process.err.text());
        assert_eq!(world.get("/x").status, 200);
    }
    releases.point_to(Path::new("b"));
    line.swap();
    assert_ne!(line.file(), first);
    assert_eq!(world.get("/x").status, 200);
}

/// One that hangs is not waited for when the gateway is to end.
#[test]
fn an_end_that_is_asked_for_while_a_new_process_starts_comes_at_once() {
    let (upstream, releases, hung) = (Upstream::echoing(), Releases::new(), TempDir::new().unwrap());
    let mut world = open(&upstream).start_unheard(&releases.current());
    let (file, begun) = (hung.path().join("hangs"), hung.path().join("begun"));
    let script = format!("#!/bin/sh\necho $$ > {0}.new\nmv {0}.new {0}\nexec sleep 600\n", begun.display());
    std::fs::write(&file, script).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700)).unwrap();
    releases.point_to(&file);
    world.gateway.process.signal("USR2");
    let process = eventually("the new process", || std::fs::read_to_string(&begun).ok());
    assert_eq!(world.get("/x").status, 200);
    world.gateway.process.signal("TERM");
    eventually("nobody to listen", || std::net::TcpStream::connect(world.gateway.public).err());
    let gone = Path::new("/proc").join(process.trim());
    eventually("the new process to be gone", || (!gone.exists()).then_some(()));
    eventually("the end", || world.gateway.process.ended());
}

#[test]
fn every_listener_goes_over_and_the_process_before_ends_well() {
    let (authority, upstream) = (Authority::new(), Upstream::echoing());
    authority.issue("a", &["a.test"]);
    let mut world = open(&upstream)
        .workers(2)
        .server("redirect_http = { listen = [\"127.0.0.1:0\"] }")
        .table(&authority.entry("a"))
        .table("[admin]\nlisten = \"127.0.0.1:0\"\nhosts = [\"gw.test\"]")
        .start();
    let (public, internal) = (world.gateway.public, world.gateway.internal);
    let (plain, admin) = (crate::plain_http::plain(&world), crate::admin::operators(&world.gateway));
    let mut line = Line::of(&world.gateway);
    line.swap();
    line.swap();
    let status = eventually("the first to end", || world.gateway.process.ended());
    assert!(status.success());
    let mut client = Client::secure(public, "a.test", &authority.client());
    client.send("GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.response("GET").unwrap().status, 200);
    let mut client = Client::connect(plain);
    client.send("GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.response("GET").unwrap().status, 308);
    // There is no operator.
    assert_eq!(Ask::get("/api/keys").at(admin).status, 403);
    let metrics = Ask::get("/metrics").at(internal);
    let counted = "cloakroom_own_endpoints_total{endpoint=\"redirect-http\",outcome=\"redirected\"} 1";
    assert!(metrics.text().contains(counted), "{}", metrics.text());
    // On a busy machine one of them may have come to the process before, which drains.
    assert!(!metrics.text().contains("cloakroom_connections 0\n"), "{}", metrics.text());
    line.signal("TERM");
    for address in [public, internal, plain, admin] {
        eventually("nobody to listen", || std::net::TcpStream::connect(address).err());
    }
}

/// All processes of a service get SIGTERM when systemd stops it: one that drains already must not take that for the second.
#[test]
fn what_runs_is_finished_by_the_process_that_it_began_with() {
    let ((came, seen), (allow, allowed)) = (channel(), channel::<()>());
    let (came, allowed) = (Mutex::new(came), Mutex::new(allowed));
    let upstream = Upstream::playing(move |wire| {
        while let Some(request) = wire.request() {
            if request.target == "/slow" {
                came.lock().unwrap().send(()).unwrap();
                allowed.lock().unwrap().recv().unwrap();
            }
            wire.say(answer_with(&request, b"done"));
        }
    });
    let mut world = open(&upstream).start();
    let mut client = Client::connect(world.gateway.public);
    client.send(Ask::get("/slow").bytes());
    seen.recv().unwrap();
    let mut line = Line::of(&world.gateway);
    line.swap();
    world.gateway.process.signal("TERM");
    assert_eq!(world.get("/fast").status, 200);
    assert!(world.gateway.process.ended().is_none());
    allow.send(()).unwrap();
    let response = client.response("GET").expect("the answer of the running request");
    assert_eq!((response.text().as_str(), response.header("connection")), ("done", Some("close")));
    let status = eventually("the first to end", || world.gateway.process.ended());
    assert!(status.success());
}

#[test]
fn who_is_idle_is_told_before_it_is_closed() {
    let upstream = Upstream::echoing();
    let world = open(&upstream).start();
    let mut client = Client::connect(world.gateway.public);
    assert_eq!(client.ask(&Ask::get("/x")).header("connection"), None);
    // It has not said a word yet.
    let mut silent = Client::connect(world.gateway.public);
    let mut line = Line::of(&world.gateway);
    line.swap();
    for client in [&mut client, &mut silent] {
        let response = client.ask(&Ask::get("/x"));
        assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    }
}

#[test]
fn a_websocket_outlives_a_reload_and_is_told_when_its_process_ends() {
    let upstream = repeating();
    let world = open(&upstream).limits("drain_timeout = \"3s\"").start();
    let mut client = socket(world.gateway.public);
    let mut line = Line::of(&world.gateway);
    line.reload();
    assert!(repeats(&mut client));
    line.swap();
    assert!(repeats(&mut client));
    assert!(is_told_to_go(&mut client));
    assert!(repeats(&mut socket(world.gateway.public)));
}

#[test]
fn a_websocket_is_told_that_the_gateway_goes_away_when_the_drain_is_over() {
    let upstream = repeating();
    let mut world = open(&upstream).limits("drain_timeout = \"2s\"").start();
    let mut client = socket(world.gateway.public);
    assert!(repeats(&mut client));
    world.gateway.process.signal("TERM");
    assert!(is_told_to_go(&mut client));
    assert!(world.gateway.process.wait().success());
}

/// What `sd_notify` says, in order.
#[test]
fn systemd_is_told_of_every_step() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = || {
        let mut bytes = [0; 512];
        let count = socket.recv(&mut bytes).expect("a word to the supervisor");
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    };
    let upstream = Upstream::echoing();
    let world = open(&upstream).environment("NOTIFY_SOCKET", path.to_str().unwrap()).start();
    assert_eq!(hear(), "READY=1");
    let mut line = Line::of(&world.gateway);
    line.reload();
    assert!(hear().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(hear(), "READY=1");
    line.swap();
    let mut told = [hear(), hear()];
    told.sort();
    assert_eq!(told, [format!("MAINPID={}", line.newest()), "READY=1".to_owned()]);
}

/// Files that configure a gateway on this address.
fn files(address: &str, upstream: &Upstream) -> TempDir {
    let dir = TempDir::new().unwrap();
    let config = format!(
        "[server]\nlisten = [\"{address}\"]\nworkers = 2\n[stores.app]\nurl = \"memory:\"\n\
         [upstreams.app]\nendpoints = [\"http://{}\"]\n[[routes]]\npath = \"/*\"\nupstream = \"app\"\n{OPEN}\n",
        upstream.address()
    );
    std::fs::write(dir.path().join("gateway.toml"), config).unwrap();
    dir
}

#[test]
fn the_pid_file_names_who_serves_and_goes_with_the_last() {
    let upstream = Upstream::echoing();
    let dir = files("127.0.0.1:0", &upstream);
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloakroom"));
    command.args(["serve", "--config", "gateway.toml", "--pid-file", "gateway.pid"]).current_dir(dir.path());
    let mut process = Process::start(&mut command);
    let file = dir.path().join("gateway.pid");
    let number = || std::fs::read_to_string(&file).ok()?.trim().parse::<u32>().ok();
    let mut line = Line::from(process.id(), process.err.clone());
    eventually("a number", || (number() == Some(line.newest())).then_some(()));
    line.swap();
    assert_ne!(line.newest(), process.id());
    eventually("another number", || (number() == Some(line.newest())).then_some(()));
    eventually("the first to end", || process.ended());
    assert_eq!(number(), Some(line.newest()));
    line.signal("TERM");
    eventually("no file", || (!file.exists()).then_some(()));
}

/// What systemd does: it opens the socket, and starts the service with that as descriptor 3, whenever it has ended and is wanted.
const SUPERVISOR: &str = r#"
import os, socket, subprocess, sys, time
binary, file = sys.argv[1:]
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(64)
text = open(file).read().replace("PORT", str(s.getsockname()[1]))
open(file, "w").write(text)
os.environ["LISTEN_FDS"] = "1"
def give():
    os.dup2(s.fileno(), 3)
    os.set_inheritable(3, True)
    os.environ["LISTEN_PID"] = str(os.getpid())
while True:
    while not os.path.exists("wanted"):
        time.sleep(0.01)
    os.remove("wanted")
    service = subprocess.Popen([binary, "serve", "--config", file], preexec_fn=give, pass_fds=(3,))
    print("started", service.pid, flush=True)
    service.wait()
    print("ended", service.pid, flush=True)
"#;

#[test]
fn a_socket_that_systemd_opened_takes_requests_while_nobody_serves() {
    let upstream = Upstream::echoing();
    let dir = files("127.0.0.1:PORT", &upstream);
    let wanted = || std::fs::write(dir.path().join("wanted"), "").unwrap();
    let mut command = Command::new("python3");
    let arguments = ["-c", SUPERVISOR, env!("CARGO_BIN_EXE_cloakroom"), "gateway.toml"];
    let systemd = Process::start(command.args(arguments).current_dir(dir.path()));
    let said = |out: &Transcript, word: &str, at: usize| {
        let number = out.wait_for(word, |text| {
            let line = text.split_inclusive('\n').filter(|line| line.starts_with(word)).nth(at)?;
            line.strip_prefix(word)?.strip_suffix('\n')?.trim().parse::<u32>().ok()
        });
        number.unwrap()
    };
    wanted();
    let mut line = Line::from(said(&systemd.out, "started", 0), systemd.err.clone());
    let listening = systemd.err.wait_for("an address", |text| {
        text.split("listening on http://").nth(1)?.split('"').next()?.parse::<SocketAddr>().ok()
    });
    let address = listening.expect("it says where it listens");
    assert_eq!(Ask::get("/x").at(address).status, 200);
    // The next process gets it from the one before.
    line.swap();
    said(&systemd.out, "ended", 0);
    for _ in 0..8 {
        assert_eq!(Ask::get("/x").at(address).status, 200);
    }
    signal("TERM", line.newest());
    let gone = Path::new("/proc").join(line.newest().to_string());
    eventually("the end", || (!gone.exists()).then_some(()));
    let mut client = Client::connect(address);
    client.send(Ask::get("/x").bytes());
    wanted();
    let _line = Line::from(said(&systemd.out, "started", 1), systemd.err.clone());
    assert_eq!(client.response("GET").expect("an answer of the next process").status, 200);
}

#[test]
fn the_units_are_what_systemd_takes() {
    let (dir, units) =
        (TempDir::new().unwrap(), Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd"));
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no"]);
    for name in ["cloakroom.service", "cloakroom.socket"] {
        let text = std::fs::read_to_string(units.join(name)).unwrap();
        // Nothing is installed here.
        let text = text.replace("/usr/local/bin/cloakroom", env!("CARGO_BIN_EXE_cloakroom"));
        std::fs::write(dir.path().join(name), text).unwrap();
        command.arg(dir.path().join(name));
    }
    let judged = command.output().expect("`tests/run` installs systemd-analyze");
    let said = String::from_utf8_lossy(&judged.stderr).into_owned();
    assert!(judged.status.success() && said.is_empty(), "{said}");
}

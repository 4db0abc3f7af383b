//! Servers of eight makes. Each says of every request how it reads it.

use crate::support::{PATIENCE, Process, eventually};
use std::io::Read;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    address: Address,
    _process: Process,
}

#[derive(Clone, Debug)]
enum Address {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// A connection to one.
#[derive(Debug)]
pub(super) enum Link {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// All of them; their files are in `dir`.
pub(crate) fn all(dir: &Path) -> Vec<Server> {
    std::fs::set_permissions(dir, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::copy(app("reader.cgi"), dir.join("reader.cgi")).unwrap();
    let python = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../venv/bin/python");
    let module = |name: &str| {
        let mut command = Command::new(&python);
        command.args(["-B", "-m", name]).current_dir(app(""));
        command
    };
    let file = |name: &str| dir.join(name);
    let mut nginx = Command::new("nginx");
    nginx.arg("-p").arg(dir).arg("-c").arg(conf(dir, "nginx.conf"));
    let mut haproxy = Command::new("haproxy");
    haproxy.args(["-db", "-f"]).arg(conf(dir, "haproxy.cfg"));
    let mut lighttpd = Command::new("lighttpd");
    lighttpd.args(["-D", "-f"]).arg(conf(dir, "lighttpd.conf"));
    let mut caddy = Command::new("caddy");
    caddy.args(["run", "--adapter", "caddyfile", "--config"]).arg(conf(dir, "Caddyfile"));
    caddy.env("HOME", dir).env("XDG_DATA_HOME", dir).env("XDG_CONFIG_HOME", dir);
    let mut node = Command::new("node");
    node.arg(app("reader.mjs")).arg(file("node.sock"));
    let mut gunicorn = module("gunicorn");
    gunicorn.args(["-k", "gthread", "--threads", "16", "--keep-alive", "60", "--no-control-socket", "-b"]);
    gunicorn.arg(format!("unix:{}", file("gunicorn.sock").display())).arg("reader:wsgi");
    let mut uvicorn = module("uvicorn");
    uvicorn.args(["--http", "httptools", "--ws", "none", "--lifespan", "off", "--no-access-log"]);
    uvicorn.args(["--timeout-keep-alive", "60", "reader:asgi", "--uds"]).arg(file("uvicorn.sock"));
    let at = |name: &'static str, command: &mut Command| {
        Server::start(name, Address::Unix(dir.join(format!("{name}.sock"))), command)
    };
    vec![
        at("nginx", &mut nginx),
        apache(dir),
        at("lighttpd", &mut lighttpd),
        at("haproxy", &mut haproxy),
        at("caddy", &mut caddy),
        at("node", &mut node),
        at("gunicorn", &mut gunicorn),
        at("uvicorn", &mut uvicorn),
    ]
}

/// The one that listens on no path: on a port that was free a moment ago, or on the next.
fn apache(dir: &Path) -> Server {
    let free = || TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let address = free();
    let file = conf(dir, "apache.conf");
    let text = std::fs::read_to_string(&file).unwrap().replace("@PORT@", &address.port().to_string());
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("apache2");
    command.arg("-DFOREGROUND").arg("-f").arg(&file);
    Server::start("apache", Address::Tcp(address), &mut command)
}

impl Server {
    fn start(name: &'static str, address: Address, command: &mut Command) -> Self {
        let process = Process::start(command);
        let server = Self { name, address, _process: process };
        eventually(&format!("{name} to listen"), || server.dial().ok());
        server
    }

    pub(super) fn connect(&self) -> Link {
        self.dial().unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn dial(&self) -> std::io::Result<Link> {
        match &self.address {
            Address::Unix(path) => UnixStream::connect(path).map(Link::Unix),
            Address::Tcp(address) => TcpStream::connect(address).map(Link::Tcp),
        }
    }
}

impl Link {
    /// Sends; a server that hung up has said why.
    pub(super) fn send(&self, bytes: &[u8]) {
        use std::io::Write;
        let _ = match self {
            Self::Unix(stream) => (&*stream).write_all(bytes),
            Self::Tcp(stream) => (&*stream).write_all(bytes),
        };
    }

    pub(super) fn close_write(&self) {
        let _ = match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
        };
    }

    pub(super) fn be_patient(&self, patience: Duration) {
        debug_assert!(patience <= PATIENCE);
        match self {
            Self::Unix(stream) => stream.set_read_timeout(Some(patience)).unwrap(),
            Self::Tcp(stream) => stream.set_read_timeout(Some(patience)).unwrap(),
        }
    }
}

impl Read for &Link {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Link::Unix(stream) => (&*stream).read(into),
            Link::Tcp(stream) => (&*stream).read(into),
        }
    }
}

/// A configuration with its places filled in.
fn conf(dir: &Path, name: &str) -> PathBuf {
    let text = std::fs::read_to_string(app(name)).unwrap();
    let file = dir.join(name);
    std::fs::write(&file, text.replace("@DIR@", &dir.display().to_string())).unwrap();
    file
}

fn app(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/apps/readers").join(name)
}

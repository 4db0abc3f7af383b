//! Pebble, the ACME authority that Let's Encrypt tests its clients with; every name leads to this machine.

use crate::support::redis::candidate;
use crate::support::{Authority, Process, Relay, eventually};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use tempfile::TempDir;

#[derive(Debug)]
pub(crate) struct Pebble {
    authority: Authority,
    address: SocketAddr,
    pub(crate) process: Process,
    _names: Process,
    _dir: TempDir,
    /// Where it looks for proofs in handshakes, and for those in plain HTTP.
    pub(crate) tls: Relay,
    pub(crate) http: Relay,
}

impl Pebble {
    /// Starts one; `options` are further lines of its configuration, each with a comma behind.
    pub(crate) fn start(options: &str) -> Self {
        let (authority, dir) = (Authority::new(), TempDir::new().unwrap());
        authority.issue_for_loopback("pebble");
        let (tls, http) = (Relay::new(), Relay::new());
        let (names, answering) = at_a_free_port(|port| {
            let mut command = Command::new("pebble-challtestsrv");
            command.args(["-dns01", &format!("127.0.0.1:{port}"), "-defaultIPv6", "", "-management", ""]);
            command.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
            command
        });
        let (process, address) = at_a_free_port(|port| {
            let config = format!(
                r#"{{"pebble": {{"listenAddress": "127.0.0.1:{port}", "managementListenAddress": "", {options}
                "certificate": "{}", "privateKey": "{}", "httpPort": {}, "tlsPort": {}, "ocspResponderURL": ""}}}}"#,
                authority.path("pebble", "pem").display(),
                authority.path("pebble", "key").display(),
                http.address().port(),
                tls.address().port(),
            );
            let file = dir.path().join("pebble.json");
            std::fs::write(&file, config).unwrap();
            let mut command = Command::new("pebble");
            command.arg("-config").arg(file).args(["-dnsserver", &answering.to_string()]);
            // It waits some seconds before it looks for a proof, and refuses a fifth of all nonces: clients must bear both.
            command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "20");
            command
        });
        Self { authority, address, process, _names: names, _dir: dir, tls, http }
    }

    /// Where all its URLs begin.
    pub(crate) fn origin(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The table of gateway.toml that orders from it.
    pub(crate) fn table(&self, names: &str, storage: &std::path::Path, more: &str) -> String {
        format!(
            "[server.acme]\nnames = {names}\nagree_to_terms = true\nstorage = \"{}\"\n\
             directory = \"{}/dir\"\nca = \"{}\"\n{more}\n",
            storage.display(),
            self.origin(),
            self.authority.root().display(),
        )
    }
}

/// A program that listens at a port that is free; where it is not, the program ends, and the next is tried.
fn at_a_free_port(command: impl Fn(u16) -> Command) -> (Process, SocketAddr) {
    eventually("a program of Pebble's", || {
        let address = SocketAddr::from(([127, 0, 0, 1], candidate()));
        let mut process = Process::start(&mut command(address.port()));
        let listens = eventually("it to listen, or to end", || {
            if TcpStream::connect(address).is_ok() {
                Some(true)
            } else {
                process.has_ended().then_some(false)
            }
        });
        listens.then_some((process, address))
    })
}

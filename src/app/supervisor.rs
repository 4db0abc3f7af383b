//! What those are told who look after the process: systemd (`sd_notify`) where it asks for it, others by a file with our number.

use rustix::time::{ClockId, clock_gettime};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;

/// Who runs us, if anybody listens.
#[derive(Debug)]
pub struct Supervisor {
    systemd: Option<(UnixDatagram, SocketAddr)>,
    pid_file: Option<PathBuf>,
}

impl Supervisor {
    /// The one that `NOTIFY_SOCKET` names, and whoever reads `pid_file`.
    pub fn of_this_process(pid_file: Option<PathBuf>) -> Self {
        let address =
            crate::config::environment("NOTIFY_SOCKET").and_then(|path| match path.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(name).ok(),
                None => SocketAddr::from_pathname(path).ok(),
            });
        let systemd = address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address)));
        Self { systemd, pid_file }
    }

    /// It serves: this process is the one to send signals to.
    pub fn serves(&self) {
        if let Some(file) = &self.pid_file
            && let Err(error) = std::fs::write(file, format!("{}\n", std::process::id()))
        {
            tracing::error!(%error, file = %file.display(), "our number cannot be written");
        }
        self.ready();
    }

    /// It has its configuration.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// It looks at its configuration; `ready` follows.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// It drains.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Another process is the service from now on.
    pub fn succeeded_by(&self, process: u32) {
        self.tell(&format!("MAINPID={process}"));
    }

    /// It ends. The file is left alone where another process has its number in it by now.
    pub fn ends(&self) {
        let ours = std::process::id().to_string();
        if let Some(file) = &self.pid_file
            && std::fs::read_to_string(file).is_ok_and(|number| number.trim() == ours)
        {
            // Gone is gone, whoever did it.
            let _ = std::fs::remove_file(file);
        }
    }

    fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.systemd
            && let Err(error) = socket.send_to_addr(state.as_bytes(), address)
        {
            tracing::debug!(%error, "the supervisor does not listen");
        }
    }
}

//! A Redis of the demo's own.

use crate::config::Secret;
use crate::demo::random;
use redis::Client;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Another process may take the port between our asking for a free one and Redis's binding it.
const TRIES: usize = 5;
/// Longest wait for it to come up.
const START_MAX: Duration = Duration::from_secs(5);
/// Pause between two questions whether it is up.
const PAUSE: Duration = Duration::from_millis(10);

/// A `redis-server` child that keeps nothing on disk, and is killed when dropped.
pub(super) struct RedisServer {
    child: Child,
    /// With the password.
    pub(super) url: Secret,
}

/// Why there is none.
pub(super) enum NoRedis {
    /// No `redis-server` on the PATH.
    NotInstalled,
    /// It is there and does not come up.
    Failed(std::io::Error),
}

impl RedisServer {
    /// Starts one in `directory`.
    pub(super) fn start(directory: &Path) -> Result<Self, NoRedis> {
        let mut last = std::io::Error::other("it ended at once");
        for _ in 0..TRIES {
            match Self::start_once(directory) {
                Err(NoRedis::Failed(error)) => last = error,
                started => return started,
            }
        }
        Err(NoRedis::Failed(last))
    }

    fn start_once(directory: &Path) -> Result<Self, NoRedis> {
        let password = hex(&random::<16>().map_err(NoRedis::Failed)?);
        let port = free_port().map_err(NoRedis::Failed)?;
        let mut child = Command::new("redis-server")
            // Its configuration comes through a pipe: anybody may read a command line.
            .arg("-")
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in a terminal goes to the whole group; Redis shall be there until the gateway has drained.
            .process_group(0)
            .spawn()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => NoRedis::NotInstalled,
                _ => NoRedis::Failed(error),
            })?;
        let settings = format!(
            "bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave \"\"\nappendonly no\n\
             maxmemory 64mb\nmaxmemory-policy noeviction\n"
        );
        let told = child.stdin.take().map(|mut stdin| stdin.write_all(settings.as_bytes()));
        let url = format!("redis://:{password}@127.0.0.1:{port}/0");
        let mut server = Self { child, url: Secret::new(url.clone().into_bytes()) };
        told.transpose().map_err(NoRedis::Failed)?;
        server.wait(&url).map_err(NoRedis::Failed)?;
        Ok(server)
    }

    /// Waits until it answers to its password, which no other server on that port would.
    fn wait(&mut self, url: &str) -> std::io::Result<()> {
        let client = Client::open(url).map_err(std::io::Error::other)?;
        let started = Instant::now();
        while started.elapsed() < START_MAX {
            if let Some(status) = self.child.try_wait()? {
                return Err(std::io::Error::other(format!("it ended: {status}")));
            }
            let connection = client.get_connection_with_timeout(START_MAX);
            if connection.is_ok_and(|mut connection| redis::cmd("PING").exec(&mut connection).is_ok()) {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        Err(std::io::Error::other("it does not answer"))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! How a new process takes the place of this one, without a moment in which nobody listens.
//!
//! The new process is started with one end of a Unix socket as its standard input. Over that it gets the listening sockets, and says one
//! byte when it is ready to serve on them. Until then this process serves as if nothing had happened, and if that byte does not come, it
//! ends the new one and goes on. To the byte it answers with the same, and there is no way back from that: the new one accepts, this one
//! drains. One that hears nothing more accepts as well, since then the other is dead. The sockets are never closed, so nobody who waits in
//! their queues is lost.

use crate::listen::{Inherited, send};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// The variable that tells a process to take over. It is of no use to anybody else.
const TAKE_OVER: &str = "CLOAKROOM_TAKES_OVER";
/// How long a new process may take until it is ready: it reads its configuration and connects to its stores.
const START_MAX: Duration = Duration::from_secs(30);
/// How often one who waits for it looks at what else is wished for.
const LOOK: Duration = Duration::from_millis(100);
/// How long the process before may take to hear that another is ready: it only has to read.
const HEARING_MAX: Duration = Duration::from_secs(5);
/// What the new process says when it is ready, and the answer to that.
const READY: u8 = b'+';

/// How this process was started, to start its like. Looked up at the start: the file may have been replaced by then, which is the point.
#[derive(Debug)]
pub struct Lineage {
    program: io::Result<PathBuf>,
    arguments: Vec<OsString>,
    takes_over: bool,
}

/// Why no new process took over.
#[derive(Debug)]
pub enum SuccessionError {
    /// Something else was wished for meanwhile.
    CalledOff,
    /// It ended before it was ready; it has said why.
    Ended(ExitStatus),
    /// A container ends with its first process, whatever others there are.
    FirstProcess,
    /// It did not say in time that it is ready, and was ended.
    Late,
    /// It could not be started, or the sockets could not be handed over.
    System(io::Error),
}

impl Lineage {
    /// Looks at how this process was started.
    pub fn of_this_process() -> Self {
        let mut arguments = std::env::args_os();
        let program = program(arguments.next().map(PathBuf::from));
        let takes_over = crate::config::environment(TAKE_OVER).is_some();
        Self { program, arguments: arguments.collect(), takes_over }
    }

    /// The sockets that this process is to serve on: those of the process before it, or of the supervisor.
    ///
    /// # Errors
    /// They should be there, and are not.
    pub fn inherited(&self) -> io::Result<Inherited> {
        if self.takes_over { Inherited::receive(io::stdin().as_fd()) } else { Inherited::from_supervisor() }
    }

    /// Tells the process before this one, if there is one, that it may go; from here on this one accepts.
    pub fn take_over(&self) {
        if !self.takes_over {
            return;
        }
        let (link, mut answer) = (io::stdin(), [0]);
        let told = set_socket_timeout(&link, Timeout::Recv, Some(HEARING_MAX))
            .and_then(|()| rustix::io::write(&link, &[READY]))
            .and_then(|_| rustix::io::read(&link, &mut answer));
        if !matches!(told, Ok(1)) {
            tracing::warn!("the process before this one is gone or hangs");
        }
    }

    /// Has a new process take over the sockets; returns its number when it does. It is asked often whether this is called off.
    ///
    /// # Errors
    /// [`SuccessionError`]; then it is gone.
    pub fn hand_over(
        &self,
        sockets: &[(String, TcpListener)],
        is_called_off: impl FnMut() -> bool,
    ) -> Result<u32, SuccessionError> {
        if std::process::id() == 1 {
            return Err(SuccessionError::FirstProcess);
        }
        let (ours, theirs) = UnixStream::pair().map_err(SuccessionError::System)?;
        ours.set_read_timeout(Some(LOOK)).map_err(SuccessionError::System)?;
        send(ours.as_fd(), sockets).map_err(SuccessionError::System)?;
        let mut child = self.start(theirs).map_err(SuccessionError::System)?;
        let looks = START_MAX.as_millis() / LOOK.as_millis();
        let ready = wait_for(&ours, &mut child, looks, is_called_off);
        if ready.is_err() {
            // Both fail only if it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
        ready.map(|()| child.id())
    }

    /// The new process, which alone holds the other end of the link from then on: its end is heard.
    fn start(&self, link: UnixStream) -> io::Result<Child> {
        let program = self.program.as_ref().map_err(|error| error.kind())?;
        let mut command = Command::new(program);
        command.args(&self.arguments).env(TAKE_OVER, "1").stdin(Stdio::from(OwnedFd::from(link)));
        command.spawn()
    }
}

/// Waits until the new process is ready, and tells it to go on.
fn wait_for(
    mut link: &UnixStream,
    child: &mut Child,
    looks: u128,
    mut is_called_off: impl FnMut() -> bool,
) -> Result<(), SuccessionError> {
    for _ in 0..looks {
        let mut said = [0];
        match link.read(&mut said) {
            Ok(1) if said == [READY] && link.write_all(&[READY]).is_ok() => return Ok(()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if is_called_off() {
                    return Err(SuccessionError::CalledOff);
                }
            }
            // One that ends before it took the sockets resets the link.
            Ok(_) | Err(_) => return Err(how_it_ended(child)),
        }
    }
    Err(SuccessionError::Late)
}

/// Whoever closed the link without a word is on its way out: its status says more than that.
fn how_it_ended(child: &mut Child) -> SuccessionError {
    for _ in 0..50 {
        if let Ok(Some(status)) = child.try_wait() {
            return SuccessionError::Ended(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    SuccessionError::Late
}

/// The file to start: as it was called, since a link on the way to it may lead to a newer version by then.
fn program(called: Option<PathBuf>) -> io::Result<PathBuf> {
    let Some(called) = called else { return std::env::current_exe() };
    if called.components().nth(1).is_some() {
        return std::path::absolute(called);
    }
    let places = crate::config::environment("PATH").unwrap_or_default();
    let found = std::env::split_paths(&places).map(|place| place.join(&called)).find(|file| file.is_file());
    found.map_or_else(std::env::current_exe, std::path::absolute)
}

impl std::fmt::Display for SuccessionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CalledOff => f.write_str("it was called off"),
            Self::Ended(status) => write!(f, "the new process ended before it was ready: {status}"),
            Self::FirstProcess => {
                f.write_str("a container ends with its first process: start a new one beside it")
            }
            Self::Late => write!(f, "the new process did not say within {START_MAX:?} that it is ready"),
            Self::System(_) => f.write_str("no new process could be started"),
        }
    }
}

impl std::error::Error for SuccessionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::CalledOff | Self::Ended(_) | Self::FirstProcess | Self::Late => None,
            Self::System(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (UnixStream, Child) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let arguments = ["-c", script].map(OsString::from).to_vec();
        let lineage = Lineage { program: Ok("/bin/sh".into()), arguments, takes_over: false };
        (ours, lineage.start(theirs).unwrap())
    }

    #[test]
    fn one_that_hangs_is_not_waited_for_any_longer() {
        let (link, mut child) = shell("exec sleep 60");
        let hung = wait_for(&link, &mut child, 20, || false);
        assert!(matches!(hung, Err(SuccessionError::Late)));
        let off = wait_for(&link, &mut child, 20, || true);
        assert!(matches!(off, Err(SuccessionError::CalledOff)));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn one_that_ends_is_told_apart_from_one_that_hangs() {
        for (script, status) in [("exit 3", "exit status: 3"), ("kill -9 $$", "signal: 9 (SIGKILL)")] {
            let (link, mut child) = shell(script);
            let ended = wait_for(&link, &mut child, 60_000, || false).unwrap_err();
            assert_eq!(ended.to_string(), format!("the new process ended before it was ready: {status}"),);
        }
    }

    #[test]
    fn one_that_is_ready_hears_that_it_may_go_on() {
        let (link, mut child) = shell("printf + >&0; head -c 1 | grep -q +");
        wait_for(&link, &mut child, 60_000, || false).unwrap();
        assert!(child.wait().unwrap().success());
    }
}

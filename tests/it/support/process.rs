//! A child process: what it prints is kept, and it never outlives its test.

use crate::support::{PATIENCE, eventually};
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A running program.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
    pub(crate) out: Transcript,
    pub(crate) err: Transcript,
}

/// Everything that a process has printed so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript(Arc<Printed>);

#[derive(Debug, Default)]
struct Printed {
    text: Mutex<(String, bool)>,
    grew: Condvar,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut process = Self::start_unheard(command.stdout(Stdio::piped()));
        process.out = Transcript::of(process.child.stdout.take().unwrap());
        process
    }

    /// One whose standard output goes where `command` says, and is not kept.
    pub(crate) fn start_unheard(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let started = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = started
            .unwrap_or_else(|error| panic!("`{name}` cannot be started ({error}); `tests/run` installs it"));
        let err = Transcript::of(child.stderr.take().unwrap());
        Self { child, name, out: Transcript::default(), err }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_some()
    }

    /// Sends a signal by name, as `TERM` or `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.id())]).status();
        assert!(sent.unwrap().success(), "cannot send {name} to {}", self.name);
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is our child")
    }

    pub(crate) fn kill(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end, and for the last of what it printed.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status =
            eventually(&format!("{} to end", self.name), || self.child.try_wait().expect("it is our child"));
        self.out.wait_for_end();
        self.err.wait_for_end();
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            println!("--- {} printed\n{}{}", self.name, self.out.text(), self.err.text());
        }
    }
}

impl Transcript {
    fn of(mut stream: impl Read + Send + 'static) -> Self {
        let transcript = Self::default();
        let writer = transcript.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 16 * 1024];
            loop {
                let read = stream.read(&mut chunk).unwrap_or(0);
                let mut printed = writer.printed();
                printed.0.push_str(&String::from_utf8_lossy(&chunk[..read]));
                printed.1 = read == 0;
                drop(printed);
                writer.0.grew.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        transcript
    }

    /// Whoever waited in vain holds on to it while it gives up.
    fn printed(&self) -> MutexGuard<'_, (String, bool)> {
        self.0.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn text(&self) -> String {
        self.printed().0.clone()
    }

    /// What `find` finds in it, once it does; `None` if the process ended its output without.
    pub(crate) fn wait_for<T>(&self, what: &str, mut find: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut printed = self.printed();
        loop {
            if let Some(found) = find(&printed.0) {
                return Some(found);
            }
            if printed.1 {
                return None;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for {what} in\n{}", printed.0);
            printed = self.0.grew.wait_timeout(printed, left).unwrap().0;
        }
    }

    fn wait_for_end(&self) {
        self.wait_for("the end of the output", |_| None::<()>);
    }
}

//! One operating-system thread with a runtime of its own.

use std::io;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, LocalOptions};

/// Starts a worker: a thread that runs the future `make` returns on its own current-thread runtime. Tasks spawned
/// there stay there, so they may share what is not `Send`; what still runs when the future ends is cut.
pub fn spawn_worker<M, F>(name: &str, make: M) -> io::Result<JoinHandle<F::Output>>
where
    M: FnOnce() -> F + Send + 'static,
    F: Future<Output: Send + 'static>,
{
    let runtime = || Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    // A runtime that cannot be made (no file descriptor left) is the starter's error, so one is tried out here:
    // a runtime for local tasks cannot be made on one thread and used on another.
    drop(runtime()?);
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let runtime = runtime().expect("one was made a moment ago with the same settings");
        runtime.block_on(make())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_runs_tasks_that_are_not_send() {
        let worker = spawn_worker("test", || async {
            let shared = std::rc::Rc::new(7);
            tokio::task::spawn_local(async move { *shared }).await.unwrap()
        });
        assert_eq!(worker.unwrap().join().unwrap(), 7);
    }
}

//! `cloakroom serve`

use crate::app::{Reload, Running, Start, StartError, start};
use crate::cli::printer::Printer;
use crate::cli::{ConfigFile, Outcome};
use crate::clock::Clock;
use crate::telemetry::{AccessSink, chain};
use std::io::Write;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// How often the configuration's files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Run the gateway until SIGTERM or Ctrl-C, then drain.
#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    #[command(flatten)]
    file: ConfigFile,
}

impl Serve {
    pub(super) fn run(self, printer: &Printer) -> Outcome {
        log_events();
        let (config, sources) = match crate::config::load(&self.file.config) {
            Ok(loaded) => loaded,
            Err((errors, sources)) => {
                printer.mistakes(&errors, &sources);
                return Outcome::BadInput;
            }
        };
        let Some((access, writer)) = log_access(std::io::stdout(), printer) else { return Outcome::CouldNot };
        let Some(mut signals) = Signals::listen() else {
            printer.note("the system gives no signals");
            return Outcome::CouldNot;
        };
        let mut running = match start(config, Start { clock: Clock::System, access }) {
            Ok(running) => running,
            Err(StartError::Config(errors)) => {
                printer.mistakes(&errors, &sources);
                return Outcome::BadInput;
            }
            Err(error) => {
                printer.note(chain(&error));
                if let StartError::Bind(error) = &error
                    && let Some(hint) = error.hint()
                {
                    printer.note(format!("hint: {hint}"));
                }
                return Outcome::CouldNot;
            }
        };
        for address in &running.addresses {
            let scheme = if running.secure { "https" } else { "http" };
            tracing::info!("listening on {scheme}://{address}");
        }
        for address in &running.redirecting {
            tracing::info!("sending clients to TLS from http://{address}");
        }
        if let Some(internal) = running.internal {
            tracing::info!("internal listener on http://{internal}");
        }
        if let Some(admin) = running.admin {
            tracing::info!("admin listener on http://{admin}");
        }
        let mut reload = Reload::new(self.file.config, sources.1);
        let asked = attend(&mut signals, &mut running, &mut reload);
        signals.end_at_the_next();
        tracing::info!(signal = asked, "draining");
        running.stop();
        // The workers have handed over their last lines; they are the ones that say how the drain went.
        let _ = writer.join();
        Outcome::Fine
    }
}

/// Reloads whenever that is asked for or due, until the process is asked to end.
fn attend(signals: &mut Signals, running: &mut Running, reload: &mut Reload) -> &'static str {
    loop {
        match signals.within(LOOK) {
            Some(Wish::Reload) => reload.run(running, "SIGHUP"),
            Some(Wish::End(signal)) => return signal,
            None if reload.is_due() => reload.run(running, "its files have changed"),
            None => {}
        }
    }
}

/// The access log's end for the workers, and the thread that writes to `out` until all of those are gone.
pub(super) fn log_access(
    out: impl Write + Send + 'static,
    printer: &Printer,
) -> Option<(AccessSink, JoinHandle<()>)> {
    let (access, write) = AccessSink::new(out);
    match std::thread::Builder::new().name("access-log".to_owned()).spawn(write) {
        Ok(writer) => Some((access, writer)),
        Err(error) => {
            printer.note(format!("cannot start the access log: {error}"));
            None
        }
    }
}

/// Events go to standard error as JSON lines, standard output is the access log's. `RUST_LOG` chooses what is said.
pub(super) fn log_events() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_writer(std::io::stderr)
        .with_env_filter(filter);
    // Fails only if one is installed already.
    let _ = subscriber.try_init();
}

/// What a signal asks for.
#[derive(Clone, Copy)]
enum Wish {
    End(&'static str),
    Reload,
}

/// Wishes of whoever runs us. They are heard from the moment this exists: who starts us and sees where we listen may ask in the same
/// instant.
struct Signals {
    runtime: tokio::runtime::Runtime,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on; `None` if the system gives no signals.
    fn listen() -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let (terminate, interrupt, hangup) = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::terminate()).ok()?,
                signal(SignalKind::interrupt()).ok()?,
                signal(SignalKind::hangup()).ok()?,
            )
        };
        Some(Self { runtime, terminate, interrupt, hangup })
    }

    /// The next wish, if there is one before `pause` is over.
    fn within(&mut self, pause: Duration) -> Option<Wish> {
        let Self { runtime, terminate, interrupt, hangup } = self;
        runtime
            .block_on(async { tokio::time::timeout(pause, heard(terminate, interrupt, hangup)).await.ok() })
    }

    /// Has the next wish to end come true at once.
    fn end_at_the_next(mut self) {
        std::thread::spawn(move || {
            while let Wish::Reload = self.next() {}
            std::process::exit(1);
        });
    }

    fn next(&mut self) -> Wish {
        let Self { runtime, terminate, interrupt, hangup } = self;
        runtime.block_on(heard(terminate, interrupt, hangup))
    }
}

async fn heard(terminate: &mut Signal, interrupt: &mut Signal, hangup: &mut Signal) -> Wish {
    tokio::select! {
        biased;
        _ = terminate.recv() => Wish::End("SIGTERM"),
        _ = interrupt.recv() => Wish::End("SIGINT"),
        _ = hangup.recv() => Wish::Reload,
    }
}

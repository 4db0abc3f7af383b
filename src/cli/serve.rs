//! `cloakroom serve`

use crate::app::{Start, StartError, start};
use crate::cli::printer::Printer;
use crate::cli::{ConfigFile, Outcome};
use crate::clock::Clock;
use crate::telemetry::{AccessSink, chain};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

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
        let (access, write) = AccessSink::new(std::io::stdout());
        let writer = std::thread::Builder::new().name("access-log".to_owned()).spawn(write);
        if let Err(error) = writer {
            printer.note(format!("cannot start the access log: {error}"));
            return Outcome::CouldNot;
        }
        let running = match start(config, Start { clock: Clock::System, access }) {
            Ok(running) => running,
            Err(StartError::Config(errors)) => {
                printer.mistakes(&errors, &sources);
                return Outcome::BadInput;
            }
            Err(error) => {
                printer.note(chain(&error));
                return Outcome::CouldNot;
            }
        };
        for address in &running.addresses {
            tracing::info!("listening on http://{address}");
        }
        if let Some(internal) = running.internal {
            tracing::info!("internal listener on http://{internal}");
        }
        let asked = wait_for_signal();
        tracing::info!(signal = asked, "draining");
        running.stop();
        Outcome::Fine
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

/// Blocks until the process is asked to end; a second signal ends it at once.
pub(super) fn wait_for_signal() -> &'static str {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return "none";
    };
    let asked = runtime.block_on(async {
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(mut terminate), Ok(mut interrupt)) => tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            },
            _ => "none",
        }
    });
    std::thread::spawn(move || {
        runtime.block_on(async {
            if let (Ok(mut terminate), Ok(mut interrupt)) =
                (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
            {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                std::process::exit(1);
            }
        });
    });
    asked
}

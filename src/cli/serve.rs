//! `cloakroom serve`

use crate::app::{Lineage, Reload, Running, Start, StartError, Supervisor, start};
use crate::cli::printer::Printer;
use crate::cli::{ConfigFile, Outcome};
use crate::clock::Clock;
use crate::telemetry::{AccessSink, chain};
use std::io::Write;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// How often the configuration's files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Run the gateway until SIGTERM or Ctrl-C, then drain. SIGHUP reloads the configuration; SIGUSR2 has a new process take over, without a
/// request lost.
#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    #[command(flatten)]
    file: ConfigFile,
    /// A file to keep the process's number in, for those who send it signals.
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
}

impl Serve {
    pub(super) fn run(self, printer: &Printer) -> Outcome {
        log_events();
        let lineage = Lineage::of_this_process();
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
        let inherited = match lineage.inherited() {
            Ok(inherited) => inherited,
            Err(error) => {
                printer.note(format!("the sockets that should be handed over cannot be taken: {error}"));
                return Outcome::CouldNot;
            }
        };
        let mut running = match start(config, Start { clock: Clock::System, access, inherited }) {
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
        announce(&running);
        let supervisor = Supervisor::of_this_process(self.pid_file);
        lineage.take_over();
        running.open();
        supervisor.serves();
        let mut reload = Reload::new(self.file.config, sources.1);
        let end = attend(&mut signals, &mut running, &mut reload, (&lineage, &supervisor));
        match end {
            End::Asked(signal) => {
                signals.end_at_the_next();
                tracing::info!(%signal, "draining");
                supervisor.stopping();
                running.stop();
            }
            End::Succeeded(process) => {
                signals.end_after_the_next();
                tracing::info!(process, "a new process has taken over; draining");
                supervisor.succeeded_by(process);
                running.make_way();
            }
        }
        supervisor.ends();
        // The workers have handed over their last lines; they are the ones that say how the drain went.
        let _ = writer.join();
        Outcome::Fine
    }
}

/// Why a gateway ends.
enum End {
    Asked(&'static str),
    /// By this process.
    Succeeded(u32),
}

fn announce(running: &Running) {
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
}

/// Reloads whenever that is asked for or due, until the process is asked to end or another has taken over.
fn attend(
    signals: &mut Signals,
    running: &mut Running,
    reload: &mut Reload,
    (lineage, supervisor): (&Lineage, &Supervisor),
) -> End {
    loop {
        let why = match signals.within(LOOK) {
            Some(Wish::End(signal)) => return End::Asked(signal),
            Some(Wish::MakeWay) => {
                let mut meanwhile = None;
                let handed = lineage.hand_over(running.sockets(), || {
                    meanwhile = signals.within(Duration::ZERO).or(meanwhile);
                    matches!(meanwhile, Some(Wish::End(_)))
                });
                match handed {
                    Ok(process) => return End::Succeeded(process),
                    Err(error) => {
                        tracing::error!(error = %chain(&error), "no new process has taken over; this one goes on");
                    }
                }
                match meanwhile {
                    Some(Wish::End(signal)) => return End::Asked(signal),
                    Some(Wish::Reload) => "SIGHUP",
                    Some(Wish::MakeWay) | None => continue,
                }
            }
            Some(Wish::Reload) => "SIGHUP",
            None if reload.is_due() => "its files have changed",
            None => continue,
        };
        supervisor.reloading();
        reload.run(running, why);
        supervisor.ready();
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
    MakeWay,
    Reload,
}

/// Wishes of whoever runs us. They are heard from the moment this exists: who starts us and sees where we listen may ask in the same
/// instant.
struct Signals {
    runtime: tokio::runtime::Runtime,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user: Signal,
}

impl Signals {
    /// Listens from now on; `None` if the system gives no signals.
    fn listen() -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let (terminate, interrupt, hangup, user) = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::terminate()).ok()?,
                signal(SignalKind::interrupt()).ok()?,
                signal(SignalKind::hangup()).ok()?,
                signal(SignalKind::user_defined2()).ok()?,
            )
        };
        Some(Self { runtime, terminate, interrupt, hangup, user })
    }

    /// The next wish, if there is one before `pause` is over.
    fn within(&mut self, pause: Duration) -> Option<Wish> {
        let Self { runtime, terminate, interrupt, hangup, user } = self;
        runtime.block_on(async {
            tokio::time::timeout(pause, heard(terminate, interrupt, hangup, user)).await.ok()
        })
    }

    /// Has the next wish to end come true at once.
    fn end_at_the_next(self) {
        self.end_once_asked(1);
    }

    /// The same at the one after it. A process that has made way drains by itself; when all that there are of a service are asked to end,
    /// it is to be let go on with that, as the others are.
    fn end_after_the_next(self) {
        self.end_once_asked(2);
    }

    fn end_once_asked(mut self, times: usize) {
        std::thread::spawn(move || {
            for _ in 0..times {
                while let Wish::Reload | Wish::MakeWay = self.next() {}
            }
            std::process::exit(1);
        });
    }

    fn next(&mut self) -> Wish {
        let Self { runtime, terminate, interrupt, hangup, user } = self;
        runtime.block_on(heard(terminate, interrupt, hangup, user))
    }
}

async fn heard(
    terminate: &mut Signal,
    interrupt: &mut Signal,
    hangup: &mut Signal,
    user: &mut Signal,
) -> Wish {
    tokio::select! {
        biased;
        _ = terminate.recv() => Wish::End("SIGTERM"),
        _ = interrupt.recv() => Wish::End("SIGINT"),
        _ = hangup.recv() => Wish::Reload,
        _ = user.recv() => Wish::MakeWay,
    }
}

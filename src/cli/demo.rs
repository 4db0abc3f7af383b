//! `cloakroom demo`

use crate::cli::printer::Printer;
use crate::cli::{Outcome, serve};
use crate::demo::{Demo, DemoError};
use crate::telemetry::{AccessSink, chain};
use tokio::signal::unix::{SignalKind, signal};

/// Try it: a login app, the gateway before it, two services behind it, and a page to click through.
#[derive(Debug, clap::Args)]
pub(super) struct Demonstrate {
    /// Port of the gateway on 127.0.0.1; 0 is any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Write events and one access line a request to standard error.
    #[arg(long)]
    verbose: bool,
}

impl Demonstrate {
    pub(super) fn run(self, printer: &Printer) -> Outcome {
        let (mut access, mut writer) = (AccessSink::none(), None);
        if self.verbose {
            serve::log_events();
            let Some((sink, thread)) = serve::log_access(std::io::stderr(), printer) else {
                return Outcome::CouldNot;
            };
            (access, writer) = (sink, Some(thread));
        }
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            printer.note("the system gives no descriptors for signals");
            return Outcome::CouldNot;
        };
        // Listened for before anything is started that would have to be ended.
        let asked = runtime.block_on(async { end_asked() });
        let demo = match Demo::start(self.port, access) {
            Ok(demo) => demo,
            Err(DemoError::Config(errors, sources)) => {
                printer.mistakes(&errors, &sources);
                return Outcome::BadInput;
            }
            Err(error) => {
                printer.note(chain(&error));
                return Outcome::CouldNot;
            }
        };
        describe(&demo, printer);
        match asked {
            Ok(asked) => runtime.block_on(asked),
            Err(error) => printer.note(format!("cannot wait for signals: {error}")),
        }
        demo.stop();
        if let Some(writer) = writer {
            // A writer that panicked has said so.
            let _ = writer.join();
        }
        printer.note("Ended; nothing is left.");
        Outcome::Fine
    }
}

fn describe(demo: &Demo, printer: &Printer) {
    let (gateway, internal) = (demo.gateway, demo.internal);
    printer.line(format!("Open   http://{gateway}/"));
    printer.line("");
    printer.line("       Log in, call the services, log out, call again: the page shows what travels where.");
    printer.line(format!("       The app's sessions are in {}.", demo.store));
    printer.line("");
    for (name, address) in &demo.services {
        printer.line(format!("{name:<10} http://{address}/  (by itself it refuses you)"));
    }
    printer.line(format!("{:<10} http://{}/", "login app", demo.app));
    printer
        .line(format!("{:<10} http://{internal}/.well-known/jwks.json  (also /ready, /metrics)", "internal"));
    printer.line("");
    printer.line("Or without a browser:");
    printer.line(format!("  curl -i http://{gateway}/api/orders/"));
    printer.line(format!("  curl -s -c jar -d user=alice http://{gateway}/login"));
    printer.line(format!("  curl -s -b jar http://{gateway}/api/orders/"));
    printer.line("");
    printer.line("Ctrl-C ends it and leaves nothing behind.");
}

/// Waits for what asks a process to end. Further signals change nothing: ending takes a second.
fn end_asked() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

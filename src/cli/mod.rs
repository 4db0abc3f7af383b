//! The command line: one file per command, one printer.
//!
//! Nothing else in the crate prints. Human output by default, `--json` where a machine may read; exit 0 fine, 1 could not, 2
//! bad configuration or usage. No secret is ever taken from argv or printed.

mod attest;
mod check;
mod completions;
mod demo;
mod detect;
mod explain;
mod init;
mod keys;
mod live;
mod migration;
mod printer;
mod schema;
mod serve;
mod token;

use clap::{Parser, Subcommand};
use printer::Printer;
use std::path::PathBuf;
use std::process::ExitCode;

/// The door before your apps: reads the sessions they already keep, and hands services short-lived tokens.
#[derive(Debug, Parser)]
#[command(name = "cloakroom", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Serve(serve::Serve),
    /// Find every mistake in the configuration, and print what each route guarantees.
    Check(check::Check),
    /// Look at a store, and tell which framework keeps its sessions there.
    Detect(detect::Detect),
    /// Write a gateway.toml for an app, from a look at its store.
    Init(init::Init),
    /// Try it on this machine: a login app, the gateway, two services and a page to click through.
    Demo(demo::Demonstrate),
    /// Say what would happen to a request, stage by stage, and why.
    Explain(explain::Explain),
    /// Attack a service's validation of tokens, and say what it wrongly accepts.
    Attest(attest::Attest),
    /// Look at the key ring of a running gateway, and change it.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Show how far every route and upstream is on its way from the app's sessions to our tokens.
    Migration(migration::Migration),
    /// Look at tokens.
    #[command(subcommand)]
    Token(token::Token),
    /// Print the JSON Schema of gateway.toml, for editors.
    Schema,
    /// Print a script that completes these commands in a shell.
    Completions(completions::Completions),
}

/// Where the configuration is.
#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "gateway.toml", env = "CLOAKROOM_CONFIG")]
    config: PathBuf,
}

/// How a command ends.
enum Outcome {
    /// It did what was asked.
    Fine,
    /// It could not.
    CouldNot,
    /// The configuration or the command line is wrong.
    BadInput,
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    // Fails only if a provider is installed already, which would be this one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cli = Cli::parse();
    let printer = Printer::new();
    let outcome = match cli.command {
        Command::Serve(serve) => serve.run(&printer),
        Command::Check(check) => check.run(&printer),
        Command::Detect(detect) => detect.run(&printer),
        Command::Init(init) => init.run(&printer),
        Command::Demo(demo) => demo.run(&printer),
        Command::Explain(explain) => explain.run(&printer),
        Command::Attest(attest) => attest.run(&printer),
        Command::Keys(keys) => keys.run(&printer),
        Command::Migration(migration) => migration.run(&printer),
        Command::Token(token) => token.run(&printer),
        Command::Schema => schema::run(&printer),
        Command::Completions(completions) => completions.run(&printer),
    };
    match outcome {
        Outcome::Fine => ExitCode::SUCCESS,
        Outcome::CouldNot => ExitCode::from(1),
        Outcome::BadInput => ExitCode::from(2),
    }
}

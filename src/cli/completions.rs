//! `cloakroom completions`

use crate::cli::printer::Printer;
use crate::cli::{Cli, Outcome};
use clap::CommandFactory;
use clap_complete::{Shell, generate};

/// Print a script that completes our commands in a shell.
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, printer: &Printer) -> Outcome {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "cloakroom", &mut script);
        printer.line(String::from_utf8_lossy(&script).trim_end());
        Outcome::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_the_script() {
        let mut script = Vec::new();
        generate(Shell::Bash, &mut Cli::command(), "cloakroom", &mut script);
        let script = String::from_utf8(script).unwrap();
        for command in Cli::command().get_subcommands() {
            assert!(script.contains(command.get_name()), "{}", command.get_name());
        }
    }
}

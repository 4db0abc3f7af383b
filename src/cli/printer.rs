//! The one printer.

use crate::config::{ConfigError, Sources, render};
use std::io::{IsTerminal, Write};

/// Writes results to standard output and everything else to standard error. A closed pipe is no error: whoever reads us has seen
/// enough.
#[derive(Debug)]
pub(super) struct Printer {
    colour: bool,
}

impl Printer {
    pub(super) fn new() -> Self {
        Self { colour: std::io::stderr().is_terminal() }
    }

    /// A line of the result.
    pub(super) fn line(&self, text: impl AsRef<str>) {
        let _ = writeln!(std::io::stdout(), "{}", text.as_ref());
    }

    /// A result for machines.
    pub(super) fn json(&self, value: &serde_json::Value) {
        self.line(format!("{value:#}"));
    }

    /// A line about the work, not of the result.
    pub(super) fn note(&self, text: impl AsRef<str>) {
        let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
    }

    /// All mistakes of a configuration.
    pub(super) fn mistakes(&self, errors: &[ConfigError], sources: &Sources) {
        let _ = writeln!(std::io::stderr(), "{}", render(errors, sources, self.colour));
    }
}

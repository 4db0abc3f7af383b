//! `cloakroom schema`

use crate::cli::Outcome;
use crate::cli::printer::Printer;

pub(super) fn run(printer: &Printer) -> Outcome {
    printer.json(&crate::config::schema());
    Outcome::Fine
}

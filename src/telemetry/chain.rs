//! An error with all its causes.

use std::error::Error;

/// The texts of `error` and its sources, joined by `: `. Our errors print one level only, so that no text comes twice.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

//! An error with all its causes.

use std::error::Error;

/// The texts of `error` and its sources, joined by `: `. Our errors print one level only, so that no text comes twice; a
/// library's that repeats its source is cut short.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text
}

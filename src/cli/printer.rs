//! The one printer.

use crate::config::{ConfigError, Sources, render};
use std::borrow::Cow;
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
        let _ = writeln!(std::io::stdout(), "{}", visible(text.as_ref()));
    }

    /// A result for machines.
    pub(super) fn json(&self, value: &serde_json::Value) {
        self.line(format!("{value:#}"));
    }

    /// A line about the work, not of the result.
    pub(super) fn note(&self, text: impl AsRef<str>) {
        let _ = writeln!(std::io::stderr(), "{}", visible(text.as_ref()));
    }

    /// All mistakes of a configuration.
    pub(super) fn mistakes(&self, errors: &[ConfigError], sources: &Sources) {
        let _ = writeln!(std::io::stderr(), "{}", render(errors, sources, self.colour));
    }
}

/// What others wrote, so that no terminal takes orders from it and none of it is read backwards: as JSON escapes it, and in JSON it means
/// the same.
fn visible(text: &str) -> Cow<'_, str> {
    let hides = |letter: char| {
        (letter.is_control() && !matches!(letter, '\n' | '\t'))
            || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(hides) {
        return Cow::Borrowed(text);
    }
    let write = |letter: char| match hides(letter) {
        true => format!("\\u{:04x}", u32::from(letter)),
        false => letter.to_string(),
    };
    Cow::Owned(text.chars().map(write).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_others_turns_the_line_or_speaks_to_the_terminal() {
        assert_eq!(visible("a\u{202e}b\x1b[2J\u{9b}\r\u{2066}"), "a\\u202eb\\u001b[2J\\u009b\\u000d\\u2066");
        let plain = "Ünï — \t{\n  \"a\": 1\n}";
        assert_eq!(visible(plain), plain);
        let json = serde_json::json!({ "sub": "x\u{202e}\u{7f}y" });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&visible(&format!("{json:#}"))).unwrap(), json);
    }
}

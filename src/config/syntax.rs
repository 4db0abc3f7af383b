//! What a person meant whose file is not TOML.

use toml::de::Error;

const DUPLICATE: &str = "duplicate key";

/// The parser's errors, without those that only follow from one: a table that is there twice has its keys there twice.
pub(crate) fn slips<'e>(text: &str, errors: &'e [Error]) -> Vec<&'e Error> {
    let start = |error: &Error| error.span().unwrap_or(0..0).start;
    let again: Vec<usize> = (errors.iter().filter(|error| error.message() == DUPLICATE))
        .map(|error| line_start(text, start(error)))
        .filter(|line| is_header(text, *line))
        .collect();
    let follows = |error: &&Error| {
        let line = line_start(text, start(error));
        error.message() == DUPLICATE && !is_header(text, line) && again.contains(&header_above(text, line))
    };
    errors.iter().filter(|error| !follows(error)).collect()
}

/// What to try about the slip at `offset`.
pub(crate) fn hint(text: &str, offset: usize, message: &str) -> Option<&'static str> {
    let line = text.get(line_start(text, offset)..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    Some(match line.trim_start() {
        _ if text.trim_start().starts_with('{') => {
            "this looks like JSON; in TOML: `[server]`, then `listen = [...]`"
        }
        line if message == DUPLICATE && line.starts_with("[[") => {
            "every one of a list has two brackets, the first too: [[routes]]"
        }
        line if message == DUPLICATE && line.starts_with('[') => "put its keys under the first one",
        _ if message == DUPLICATE => "a key is there once in its table",
        line if message.starts_with("key with no value") && line.contains(':') => {
            "this looks like YAML; in TOML: `[server]`, then `listen = [...]`"
        }
        _ if message.contains("string") => {
            "the closing quote is missing, or a character needs a `\\` before it"
        }
        _ if message.contains("invalid") => "text is written in quotes",
        _ => return None,
    })
}

/// Where the line of `offset` begins.
pub(crate) fn line_start(text: &str, offset: usize) -> usize {
    text.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1)
}

fn is_header(text: &str, line: usize) -> bool {
    text.get(line..).is_some_and(|rest| rest.trim_start_matches([' ', '\t']).starts_with('['))
}

/// The line of the table that the line at `line` belongs to.
fn header_above(text: &str, line: usize) -> usize {
    let mut above = line;
    while above > 0 && !is_header(text, above) {
        above = line_start(text, above - 1);
    }
    above
}

//! Mistakes as a person reads them.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::config::{ConfigError, Sources};

/// Longest line of an explanation.
const WIDTH: usize = 88;

/// All `errors` in the order of the files, each with its place, the line, what is accepted and what to try; their
/// number last. Empty if there are none.
pub fn render(errors: &[ConfigError], sources: &Sources, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut errors: Vec<&ConfigError> = errors.iter().collect();
    errors.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
    let mut text = String::new();
    for error in &errors {
        let _ = write!(text, "{}\n\n", renderer.render(&[group(error, sources)]));
    }
    match errors.len() {
        0 => {}
        1 => text.push_str("1 mistake; nothing was started\n"),
        count => {
            let _ = writeln!(text, "{count} mistakes; nothing was started");
        }
    }
    text
}

fn group<'a>(error: &'a ConfigError, sources: &'a Sources) -> Group<'a> {
    let title =
        if error.key.is_empty() { error.found.clone() } else { format!("{}: {}", error.key, error.found) };
    let mut group = Group::with_title(Level::ERROR.primary_title(title));
    if let Some((path, source)) = sources.0.get(error.at.file) {
        let path = shown(path);
        group = match marked(source, error.at.start..error.at.end) {
            Some(span) => group.element(
                Snippet::source(source.as_str()).path(path).annotation(AnnotationKind::Primary.span(span)),
            ),
            None => group.element(Origin::path(path)),
        };
    }
    if !error.accepted.is_empty() {
        let accepted = Level::NOTE.with_name("accepted").message(wrap(&error.accepted));
        group = group.element(accepted);
    }
    if let Some(hint) = &error.hint {
        group = group.element(Level::HELP.with_name("hint").message(wrap(hint)));
    }
    group
}

/// The part to underline: one line of it, and at least one character; `None` if there is no text.
fn marked(source: &str, span: Range<usize>) -> Option<Range<usize>> {
    if source.is_empty() {
        return None;
    }
    let start = before_line_end(source, floor(source, span.start));
    let end = floor(source, span.end.max(start)).max(start);
    let line = source.get(start..end)?.split(['\n', '\r']).next()?.len();
    let next = source.get(start..)?.chars().next().filter(|next| !matches!(next, '\n' | '\r'));
    let least = next.map_or(0, char::len_utf8);
    Some(start..start + line.max(least))
}

/// What is missing at the end of a line is shown at its last character, so that the line itself is shown.
fn before_line_end(source: &str, offset: usize) -> usize {
    let ends = source.get(offset..).is_none_or(|rest| rest.is_empty() || rest.starts_with(['\n', '\r']));
    match source.get(..offset).and_then(|before| before.chars().next_back()) {
        Some(last) if ends && last != '\n' && last != '\r' => offset - last.len_utf8(),
        Some(_) | None => offset,
    }
}

fn floor(source: &str, offset: usize) -> usize {
    let mut offset = offset.min(source.len());
    while !source.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// `text` in lines of at most [`WIDTH`] characters, broken at spaces.
fn wrap(text: &str) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            lines.push('\n');
            column = 0;
        } else if column > 0 {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += length;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::At;

    fn sources(text: &str) -> Sources {
        Sources(vec![("gateway.toml".into(), text.to_owned())], crate::config::Premises::default())
    }

    fn error(start: usize, end: usize) -> ConfigError {
        ConfigError::new(At { file: 0, start, end }, "a", "wrong", "")
    }

    #[test]
    fn a_place_beyond_the_text_or_inside_a_character_is_shown_all_the_same() {
        for (start, end) in [(0, 0), (1, 2), (2, 1), (6, 6), (90, 99), (usize::MAX, 0)] {
            let text = render(&[error(start, end)], &sources("a = ü"), false);
            assert!(text.contains("gateway.toml:1:"), "{text}");
        }
    }

    #[test]
    fn a_file_that_could_not_be_read_is_named_without_an_excerpt() {
        let text = render(&[error(0, 0)], &sources(""), false);
        assert!(text.contains("gateway.toml"), "{text}");
        assert!(!text.contains('|'), "{text}");
    }

    #[test]
    fn mistakes_come_in_the_order_of_the_file() {
        let text = render(&[error(4, 5), error(0, 1)], &sources("x\ny\nz"), false);
        let first = text.find("gateway.toml:1:1").expect("the first place");
        assert!(first < text.find("gateway.toml:3:1").expect("the second place"), "{text}");
        assert!(text.ends_with("2 mistakes; nothing was started\n"), "{text}");
    }

    #[test]
    fn colour_is_only_used_when_asked_for() {
        assert!(!render(&[error(0, 1)], &sources("x"), false).contains('\u{1b}'));
        assert!(render(&[error(0, 1)], &sources("x"), true).contains('\u{1b}'));
    }
}

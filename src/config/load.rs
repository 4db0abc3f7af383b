//! Reading the file and its includes.

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use crate::config::check::{self, Document, reason};
use crate::config::place::File;
use crate::config::raw::RawConfig;
use crate::config::structure::{self, Findings};
use crate::config::{At, Config, ConfigError, KeySource, Marks, Sources, syntax};

/// Tables that only the main file may have; included files share the other ones.
const MAIN_ONLY: &[&str] = &[
    "admin", "clients", "csrf", "include", "internal", "issuers", "limits", "logout", "pair", "server",
    "state", "tokens",
];

/// Reads the configuration at `path`, with references to the process environment.
///
/// # Errors
/// Every mistake there is; the sources are for [`render`](crate::config::render).
pub fn load(path: &Path) -> Result<(Config, Sources), (Vec<ConfigError>, Sources)> {
    load_with(path, &check::process_environment)
}

/// The same, with `environment` in place of the process's.
///
/// # Errors
/// As [`load`].
pub fn load_with(
    path: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<(Config, Sources), (Vec<ConfigError>, Sources)> {
    let directory = path.parent().unwrap_or_else(|| Path::new("")).to_path_buf();
    let mut reader = Reader::new(directory);
    match reader.fetch(path) {
        Ok(bytes) => reader.main(path, &bytes),
        Err(error) => {
            let file = reader.source(path, String::new());
            let message = format!("cannot read `{}`: {}", path.display(), reason(&error));
            let hint = "say where the configuration is with `--config PATH`";
            reader.errors.push(ConfigError::new(file.range(&(0..0)), "", message, "").hint(hint));
        }
    }
    reader.finish(environment)
}

/// Reads `text` as if it were the file `name` in `directory`, which relative paths start at.
///
/// # Errors
/// As [`load`].
pub fn from_text(
    name: &str,
    text: &str,
    directory: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<(Config, Sources), (Vec<ConfigError>, Sources)> {
    let mut reader = Reader::new(directory.to_path_buf());
    reader.main(Path::new(name), text.as_bytes());
    reader.finish(environment)
}

struct Reader {
    /// Where the main file is, and relative paths start.
    directory: PathBuf,
    sources: Sources,
    marks: Marks,
    errors: Vec<ConfigError>,
    documents: Vec<Document>,
    /// What every file's walk noted, its errors taken out.
    notes: Vec<Findings>,
}

impl Reader {
    fn new(directory: PathBuf) -> Self {
        let (sources, marks, errors, documents, notes) = Default::default();
        Self { directory, sources, marks, errors, documents, notes }
    }

    /// Reads a file that is a premise from now on, there or not.
    fn fetch(&mut self, path: &Path) -> std::io::Result<Vec<u8>> {
        let read = std::fs::read(path);
        self.sources.1.add_file(path, &read);
        read
    }

    fn source(&mut self, path: &Path, text: String) -> File {
        self.sources.0.push((path.to_path_buf(), text));
        File(self.sources.0.len() - 1)
    }

    fn main(&mut self, path: &Path, bytes: &[u8]) {
        let (file, includes) = self.read(path, bytes, true);
        let mut seen = vec![path.to_path_buf()];
        for (pattern, span) in includes {
            let at = file.range(&span);
            if let Some((folder, _)) = folder_of(&self.directory, &pattern) {
                self.sources.1.add_folder(&folder);
            }
            match matching(&self.directory, &pattern) {
                Ok(paths) => {
                    for path in paths {
                        if seen.iter().any(|one| same(one, &path)) {
                            let found = format!("`{}` is read already", path.display());
                            self.errors.push(ConfigError::new(at, "include", found, "each file once"));
                        } else {
                            self.included(&path, at);
                            seen.push(path);
                        }
                    }
                }
                Err(mut error) => {
                    error.at = at;
                    self.errors.push(error);
                    self.missing();
                }
            }
        }
    }

    fn included(&mut self, path: &Path, at: At) {
        match self.fetch(path) {
            Ok(bytes) => {
                self.read(path, &bytes, false);
            }
            Err(error) => {
                let found = format!("cannot read `{}`: {}", path.display(), reason(&error));
                self.errors.push(ConfigError::new(at, "include", found, "a file that the gateway may read"));
                self.missing();
            }
        }
    }

    /// Notes that any name may be one of a file that could not be read.
    fn missing(&mut self) {
        let kinds = ["stores", "sessions", "issuers", "upstreams"];
        let lost = kinds.iter().map(|kind| ((*kind).to_owned(), structure::ALL.to_owned())).collect();
        self.notes.push(Findings { lost, ..Findings::default() });
    }

    /// Reads one file as far as it can be read, and says what it includes.
    fn read(&mut self, path: &Path, bytes: &[u8], main: bool) -> (File, Vec<(String, Range<usize>)>) {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let readable = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
                let end = readable.len();
                let file = self.source(path, readable.into_owned());
                let at = file.range(&(end..end));
                self.errors.push(ConfigError::new(at, "", "this is not UTF-8", "a TOML file in UTF-8"));
                return (file, Vec::new());
            }
        };
        let file = File(self.sources.0.len());
        self.marks.add_text(text);
        let (mut document, syntax) = DeTable::parse_recoverable(text);
        let includes = if main { includes(document.get_ref()) } else { Vec::new() };
        let broken = !syntax.is_empty();
        self.syntax(file, text, syntax);
        let mut errors = if main { Vec::new() } else { misplaced(&mut document, file) };
        let mut findings = structure::walk(&mut document, file);
        errors.append(&mut findings.errors);
        self.source(path, masked(text, &findings, broken));
        // Behind a slip of syntax the rest means something else than it says: one mistake would be told as many.
        if !broken {
            self.errors.append(&mut errors);
        }
        match RawConfig::deserialize(toml::de::Deserializer::from(document)) {
            Ok(raw) if !broken => self.documents.push(Document { file, raw }),
            Ok(_) => {}
            Err(error) if self.errors.is_empty() => {
                let at = file.range(&error.span().unwrap_or(0..0));
                self.errors.push(ConfigError::new(at, "", error.message(), ""));
            }
            Err(_) => {}
        }
        self.notes.push(findings);
        (file, includes)
    }

    /// The first slip of each line; the parser goes on behind one, but not always on its feet.
    fn syntax(&mut self, file: File, text: &str, errors: Vec<toml::de::Error>) {
        let mut lines = HashSet::new();
        for error in syntax::slips(text, &errors) {
            let span = error.span().unwrap_or(0..0);
            if lines.insert(syntax::line_start(text, span.start)) {
                let found = format!("not TOML: {}", error.message().replace('\n', "; "));
                let mut slip = ConfigError::new(file.range(&span), "", found, "");
                slip.hint = syntax::hint(text, span.start, error.message()).map(str::to_owned);
                self.errors.push(slip);
            }
        }
    }

    fn finish(
        mut self,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(Config, Sources), (Vec<ConfigError>, Sources)> {
        // A file that is not there or not TOML takes its names with it: every use of them would be a second mistake.
        if self.documents.len() < self.sources.0.len() {
            return Err((sorted(self.errors), self.sources));
        }
        let (mut config, mut errors, mut premises) = {
            let given = check::Given {
                documents: &self.documents,
                notes: &self.notes,
                sources: &self.sources,
                directory: &self.directory,
                environment,
            };
            check::check(&given)
        };
        if let KeySource::Files(files) = &config.tokens.keys {
            files.iter().for_each(|file| premises.add_file(&file.value, &std::fs::read(&file.value)));
        }
        config.marks.absorb(self.marks);
        self.sources.1 = premises.and(&self.sources.1);
        self.errors.append(&mut errors);
        if self.errors.is_empty() {
            Ok((config, self.sources))
        } else {
            Err((sorted(self.errors), self.sources))
        }
    }
}

fn sorted(mut errors: Vec<ConfigError>) -> Vec<ConfigError> {
    errors.sort_by(|a, b| (a.at, &a.key, &a.found).cmp(&(b.at, &b.key, &b.found)));
    errors.dedup();
    errors
}

/// What the main file includes, with the places; what is not a string is found by the walk.
fn includes(document: &DeTable<'_>) -> Vec<(String, Range<usize>)> {
    let list = document.get("include").and_then(|value| value.get_ref().as_array());
    let strings = list.into_iter().flatten();
    strings.filter_map(|item| Some((item.get_ref().as_str()?.to_owned(), item.span()))).collect()
}

/// Takes out of an included file what only the main file may have.
fn misplaced(document: &mut Spanned<DeTable<'_>>, file: File) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    structure::keep(document.get_mut(), |key, value| {
        let name = key.get_ref().as_ref();
        if !MAIN_ONLY.contains(&name) {
            return true;
        }
        let span = if value.get_ref().is_table() { value.span() } else { key.span() };
        let found = format!("`{name}` is for the main file only");
        let accepted = "routes, upstreams, sessions and stores";
        errors.push(ConfigError::new(file.range(&span), name, found, accepted));
        false
    });
    errors
}

/// The files that `pattern` names: itself, or what matches the `*` in its last segment, in the order of their names.
fn matching(directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, ConfigError> {
    let refuse = |found: String| {
        let nowhere = File(0).range(&(0..0));
        ConfigError::new(nowhere, "include", found, "a file, as \"routes.toml\", or \"dir/*.toml\"")
    };
    let (folder, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    if name.is_empty() || pattern.contains(['\0', '?', '[', '{']) || folder.contains('*') {
        return Err(refuse(format!("`{pattern}` is not a pattern that is understood")));
    }
    let Some((start, end)) = name.split_once('*') else {
        return Ok(vec![directory.join(pattern)]);
    };
    if end.contains('*') || !end.ends_with(".toml") {
        return Err(refuse(format!("`{pattern}` is not a pattern that is understood")));
    }
    let (place, prefix) = folder_of(directory, pattern).unwrap_or_default();
    let entries = std::fs::read_dir(place)
        .map_err(|error| refuse(format!("cannot read `{folder}`: {}", reason(&error))))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        // Editors' swap files and the bookkeeping of mounted volumes begin with a dot.
        .filter(|name| !name.starts_with('.') && name.len() >= start.len() + end.len())
        .filter(|name| name.starts_with(start) && name.ends_with(end))
        .collect();
    names.sort();
    Ok(names.into_iter().map(|name| prefix.join(name)).filter(|path| path.is_file()).collect())
}

/// The folder that a pattern with a `*` looks into: to be read, and as the start of what is found in it.
fn folder_of(directory: &Path, pattern: &str) -> Option<(PathBuf, PathBuf)> {
    let (folder, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    if !name.contains('*') {
        return None;
    }
    let prefix = directory.join(if folder.is_empty() && pattern.starts_with('/') { "/" } else { folder });
    let place = if prefix.as_os_str().is_empty() { PathBuf::from(".") } else { prefix.clone() };
    Some((place, prefix))
}

fn same(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// `text` with stars for its secrets, so that no excerpt can show one; every offset stays what it was.
fn masked(text: &str, findings: &Findings, broken: bool) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut hide = |range: Range<usize>| {
        for byte in bytes.get_mut(range).into_iter().flatten() {
            if !matches!(byte, b'\n' | b'\r' | b'"' | b'\'') {
                *byte = b'*';
            }
        }
    };
    for span in &findings.secrets {
        hide(span.clone());
    }
    for span in &findings.urls {
        let url = text.get(span.clone()).unwrap_or_default();
        if let (Some(from), Some(to)) = (url.find("//"), url.rfind('@'))
            && from < to
        {
            hide(span.start + from + 2..span.start + to);
        }
    }
    if broken {
        // Where the parser lost its way nobody knows which strings are secrets: those of telling lines are hidden.
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let name = line.to_ascii_lowercase();
            let telling = ["secret", "password", "literal", "@"].iter().any(|word| name.contains(word));
            if let (true, Some(from)) = (telling, line.find(['"', '\''])) {
                hide(start + from..start + line.len());
            }
            start += line.len();
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

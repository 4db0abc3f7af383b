//! A Rust file as lines of code.

use std::path::Path;

pub(crate) struct Source {
    /// From the repository's top.
    pub(crate) path: String,
    pub(crate) lines: Vec<String>,
    /// Whether it is nothing but tests.
    is_test: bool,
}

impl Source {
    pub(crate) fn of(path: &str, text: &str) -> Self {
        let lines = text.lines().map(str::to_owned).collect();
        let file = path.rsplit('/').next().unwrap_or_default();
        let is_test = path.starts_with("tests/") || path.contains("/tests/") || file == "tests.rs";
        Self { path: path.to_owned(), lines, is_test }
    }

    /// All below a folder of the repository, in order.
    pub(crate) fn below(folder: &str) -> Vec<Self> {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        let mut folders = vec![top.join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    if path.file_name().is_some_and(|name| name != "node_modules" && name != "target") {
                        folders.push(path);
                    }
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let relative = path.strip_prefix(top).unwrap().to_string_lossy().into_owned();
                    found.push(Self::of(&relative, &std::fs::read_to_string(&path).unwrap()));
                }
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        let declared: Vec<String> = found.iter().flat_map(Self::test_modules).collect();
        for source in &mut found {
            source.is_test |= declared.contains(&source.path);
        }
        found
    }

    /// The room that a file of `src` belongs to.
    pub(crate) fn room(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("src/")?;
        Some(rest.split('/').next()?.trim_end_matches(".rs"))
    }

    /// Whether it is nothing but tests.
    pub(crate) fn is_test(&self) -> bool {
        self.is_test
    }

    /// The files of the modules that it declares for tests only.
    fn test_modules(&self) -> Vec<String> {
        let stem = self.path.trim_end_matches(".rs");
        let folder = stem.trim_end_matches("/mod").trim_end_matches("/lib");
        let pairs = self.lines.windows(2).filter(|pair| pair[0].trim() == "#[cfg(test)]");
        let names = pairs.filter_map(|pair| pair[1].split("mod ").nth(1)?.strip_suffix(';'));
        names.map(|name| format!("{folder}/{name}.rs")).collect()
    }

    /// Its code with line numbers from 1: without comments, and without what follows the first `#[cfg(test)] mod`.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.lines.windows(2).position(|pair| {
            pair[0].starts_with("#[cfg(test)]") && pair[1].starts_with("mod ") && pair[1].ends_with('{')
        });
        let end = tests.unwrap_or(self.lines.len());
        let lines = self.lines[..end].iter().enumerate().map(|(at, line)| (at + 1, line.as_str()));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Name, first line and length of every function, by rustfmt's indentation.
    pub(crate) fn functions(&self) -> Vec<(String, usize, usize)> {
        let mut found = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            let start = line.trim_start();
            let indent = &line[..line.len() - start.len()];
            let Some(name) = function_name(start) else { continue };
            let closing = format!("{indent}}}");
            let whole = start.ends_with('}') || start.ends_with(';');
            let length =
                self.lines[at..].iter().position(|line| *line == closing || *line == format!("{indent};"));
            if let (false, Some(length)) = (whole, length) {
                found.push((name.to_owned(), at + 1, length + 1));
            }
        }
        found
    }
}

fn function_name(line: &str) -> Option<&str> {
    let before = line.split("fn ").next()?;
    let qualifiers = ["pub", "pub(crate)", "pub(super)", "async", "const", "unsafe", "extern"];
    if !before.split_whitespace().all(|word| qualifiers.contains(&word)) {
        return None;
    }
    let rest = line[before.len()..].strip_prefix("fn ")?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

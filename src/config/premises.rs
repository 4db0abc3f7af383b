//! What a configuration was made from, to see whether it has changed since.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

/// Every file that was read and every folder whose files were looked for, each with a print of what was there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Premises {
    files: BTreeMap<PathBuf, u64>,
    folders: BTreeMap<PathBuf, u64>,
}

impl Premises {
    /// Notes a file as it was read.
    pub(crate) fn add_file(&mut self, path: &Path, read: &io::Result<Vec<u8>>) {
        self.files.insert(path.to_path_buf(), print_of(read));
    }

    /// Notes a folder as it is.
    pub(crate) fn add_folder(&mut self, path: &Path) {
        self.folders.insert(path.to_path_buf(), listing(path));
    }

    /// The same files and folders as they are now. All of it is read: a time of change may stay the same (copies that preserve it) or
    /// change for nothing, and a link on the way to a file may lead elsewhere from now on. It is a few small files.
    #[must_use]
    pub fn now(&self) -> Self {
        let files = self.files.keys().map(|path| (path.clone(), print_of(&std::fs::read(path))));
        let folders = self.folders.keys().map(|path| (path.clone(), listing(path)));
        Self { files: files.collect(), folders: folders.collect() }
    }

    /// With what only `others` name, as it is now.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        let others = others.now();
        for (path, print) in others.files {
            self.files.entry(path).or_insert(print);
        }
        for (path, print) in others.folders {
            self.folders.entry(path).or_insert(print);
        }
        self
    }
}

pub(crate) fn print_of(read: &io::Result<Vec<u8>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match read {
        Ok(bytes) => bytes.hash(&mut hasher),
        Err(error) => error.kind().hash(&mut hasher),
    }
    hasher.finish()
}

fn listing(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let names: BTreeSet<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    let mut hasher = DefaultHasher::new();
    names.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &Path) -> Premises {
        let mut premises = Premises::default();
        premises.add_file(file, &std::fs::read(file));
        premises
    }

    #[test]
    fn a_file_that_changes_within_its_times_and_size_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        std::fs::write(&file, "one").unwrap();
        let times = std::fs::metadata(&file).unwrap().modified().unwrap();
        let before = of(&file);
        assert_eq!(before, before.now());
        std::fs::write(&file, "two").unwrap();
        std::fs::File::options().write(true).open(&file).unwrap().set_modified(times).unwrap();
        assert_ne!(before, before.now());
    }

    #[test]
    fn a_folder_behind_a_link_that_is_moved_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["one", "two"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
            std::fs::write(dir.path().join(name).join("file"), name).unwrap();
        }
        let link = dir.path().join("now");
        std::os::unix::fs::symlink("one", &link).unwrap();
        let before = of(&link.join("file"));
        std::os::unix::fs::symlink("two", dir.path().join("next")).unwrap();
        std::fs::rename(dir.path().join("next"), &link).unwrap();
        assert_ne!(before, before.now());
    }

    #[test]
    fn a_file_that_joins_a_folder_or_goes_away_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let mut premises = of(&dir.path().join("missing"));
        premises.add_folder(dir.path());
        assert_eq!(premises, premises.now());
        std::fs::write(dir.path().join("new.toml"), "").unwrap();
        let grown = premises.now();
        assert_ne!(premises, grown);
        std::fs::remove_file(dir.path().join("new.toml")).unwrap();
        assert_ne!(grown, grown.now());
    }
}

//! Secret files: read with a limit and a look at their mode, written in one step or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// An RSA key of 8192 bits is 6.4 KB of PEM; what is longer is no key.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Something about a key's file that an operator should know but that stops nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyWarning {
    /// Others may write to the directory, hence put a key there that would sign.
    DirectoryWritable {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others than the owner may read or write a file with a key.
    FileAccessible {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The keys are in `[state]`, which is not asked, and ones that are written nowhere stand in.
    KeysElsewhere,
    /// There is no key yet, and one that is written nowhere stands in.
    KeyMissing {
        /// The directory that `serve` will make one in.
        path: PathBuf,
    },
}

impl std::fmt::Display for KeyWarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::DirectoryWritable { path, mode } => {
                write!(f, "others may put keys into `{}`; chmod 700 it: mode {mode:04o}", path.display())
            }
            Self::FileAccessible { path, mode } => {
                write!(f, "others may open the key `{}`; chmod 600 it: mode {mode:04o}", path.display())
            }
            Self::KeysElsewhere => {
                f.write_str("the keys are in `[state]`, which is not asked here; others stand in for them")
            }
            Self::KeyMissing { path } => {
                write!(f, "`{}` has no key yet; `serve` will make one", path.display())
            }
        }
    }
}

/// Reads a file with a key. The mode is taken from the open file, so it is that of the bytes that were read.
pub(super) fn read(path: &Path, warnings: &mut Vec<KeyWarning>) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "longer than any key"));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        warnings.push(KeyWarning::FileAccessible { path: path.to_owned(), mode });
    }
    // Room for all of it at once: a growing buffer would leave copies behind that nobody wipes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX as usize + 1));
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "longer than any key"));
    }
    Ok(bytes)
}

/// Makes a file of mode 0600 with exactly these bytes, unless one is there already; says whether it made it.
///
/// A reader never sees a part of it, and of several processes exactly one makes it: the bytes are on disk under
/// another name before the hard link, which refuses an existing name, gives them theirs.
pub(super) fn create(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let folder = folder(path);
    let temporary = folder.join(format!(".{}.tmp", random_hex::<8>()?.as_str()));
    let written = write_new(&temporary, bytes);
    let linked = written.and_then(|()| match std::fs::hard_link(&temporary, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    });
    let removed = std::fs::remove_file(&temporary);
    let created = linked?;
    removed?;
    File::open(folder)?.sync_all()?;
    Ok(created)
}

/// Gives a file of mode 0600 exactly these bytes, whatever it held; a reader sees the old ones or the new ones.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder(path);
    let temporary = folder.join(format!(".{}.tmp", random_hex::<8>()?.as_str()));
    let written = write_new(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // It may not even be there.
        let _ = std::fs::remove_file(&temporary);
    }
    written?;
    File::open(folder)?.sync_all()
}

/// The folder a file is in; the working directory for a bare name.
pub(super) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

/// `N` random bytes as hex.
pub(super) fn random_hex<const N: usize>() -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0_u8; N]);
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| io::Error::other("no random bytes"))?;
    let mut text = Zeroizing::new(String::with_capacity(2 * N));
    for byte in bytes.iter() {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    Ok(text)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        assert!(create(&path, b"first").unwrap());
        assert!(!create(&path, b"second").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
    }

    #[test]
    fn a_created_file_is_its_owners_alone_and_nothing_else_stays_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        create(&path, b"x").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_longer_than_any_key_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        create(&path, &vec![b'x'; FILE_BYTES_MAX as usize + 1]).unwrap();
        assert_eq!(read(&path, &mut Vec::new()).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
}

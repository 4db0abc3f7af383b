//! Files that the gateway writes itself, all of them secret: keys, the ledger of the key ring, certificates that it ordered.
//!
//! Job: to make or replace a file in one step, and to hold the lock that says who may. Not the job: what is in them, and reading them,
//! which is for those who know how long they may be and who else may look.
//!
//! Invariants: for their owner alone from the first byte (mode 0600); a reader sees the old bytes or the new ones and never a part, because
//! they are on disk under another name before they get their own; a power cut leaves one or the other.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Makes a file of mode 0600 with exactly these bytes, unless one is there already; says whether it made it.
///
/// A reader never sees a part of it, and of several processes exactly one makes it: the bytes are on disk under
/// another name before the hard link, which refuses an existing name, gives them theirs.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<bool> {
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
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
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

/// The lock that the file at `path` stands for, which goes with whoever holds it; `None` while another process does.
pub(crate) fn lock(path: &Path) -> io::Result<Option<File>> {
    let lock = File::options().create(true).truncate(false).write(true).open(path)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

/// The folder a file is in; the working directory for a bare name.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

/// `N` random bytes as hex.
pub(crate) fn random_hex<const N: usize>() -> io::Result<Zeroizing<String>> {
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
    use std::os::unix::fs::MetadataExt;

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
}

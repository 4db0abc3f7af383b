//! Files with keys in them: read with a limit and a look at their mode.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_longer_than_any_key_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        std::fs::write(&path, vec![b'x'; FILE_BYTES_MAX as usize + 1]).unwrap();
        assert_eq!(read(&path, &mut Vec::new()).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
}

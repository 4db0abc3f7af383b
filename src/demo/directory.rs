//! A directory for the keys, and its end.

use crate::codec::seal::Base64;
use crate::demo::random;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A directory that only its owner may look into, removed when dropped.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn make() -> std::io::Result<Self> {
        let name = format!("cloakroom-demo-{}", Base64::UrlNoPad.encode(&random::<9>()?));
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed now cannot be removed by us at all.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

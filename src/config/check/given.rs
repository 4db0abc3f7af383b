//! What a check starts from.

use std::path::Path;

use crate::config::Sources;
use crate::config::place::File;
use crate::config::raw::RawConfig;
use crate::config::structure::Findings;

/// One file's tables.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) file: File,
    pub(crate) raw: RawConfig,
}

/// What a check starts from.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    /// The files, the main one first.
    pub(crate) documents: &'a [Document],
    /// What walking them found.
    pub(crate) notes: &'a [Findings],
    /// Their texts, to say in words where something is.
    pub(crate) sources: &'a Sources,
    /// Where relative paths start.
    pub(crate) directory: &'a Path,
    /// The environment variables.
    pub(crate) environment: &'a dyn Fn(&str) -> Option<String>,
}

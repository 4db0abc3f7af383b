//! What is known under the names of hosts.

use std::collections::HashMap;

/// Things by name; `*.` stands for any one label before the rest.
#[derive(Clone, Debug)]
pub(crate) struct Names<T>(HashMap<String, T>);

impl<T> Names<T> {
    /// Those of `names`, which are in lower case and without a final dot.
    pub(crate) const fn new(names: HashMap<String, T>) -> Self {
        Self(names)
    }

    /// What is known under `name`: its own, else what is there for all names beside it.
    pub(crate) fn find(&self, name: &str) -> Option<&T> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        self.0.get(&name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.0.get(&format!("*.{parent}"))
        })
    }
}

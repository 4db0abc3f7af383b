//! The names of keys, some at a time, for who has to look through a store.

use crate::store::{Store, StoreError, StoreKey};

/// Keys a step.
const STEP: usize = 100;

/// How far one has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    /// Which of a Cluster's primaries.
    pub(crate) node: usize,
    /// Where in it.
    pub(crate) at: u64,
}

impl Store {
    /// Some keys that begin with `prefix`, and where to go on; a key may come twice.
    ///
    /// # Errors
    /// [`StoreError`], `Refused` where the ACL has no SCAN.
    pub async fn names(
        &self,
        prefix: &[u8],
        cursor: Cursor,
    ) -> Result<(Vec<StoreKey>, Option<Cursor>), StoreError> {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor.at).arg("MATCH").arg(pattern(prefix)).arg("COUNT").arg(STEP);
        let ((next, names), more): ((u64, Vec<Vec<u8>>), _) = match self {
            Self::Memory(memory) => ((0, memory.names(prefix)), false),
            Self::Redis(redis) => (redis.command(&scan).await?, false),
            Self::Cluster(cluster) => cluster.command_at(cursor.node, &scan).await?,
        };
        let next = match next {
            0 => more.then_some(Cursor { node: cursor.node + 1, at: 0 }),
            at => Some(Cursor { at, ..cursor }),
        };
        Ok((names.into_iter().map(StoreKey::new).collect(), next))
    }
}

/// What begins with `prefix`, as a glob.
fn pattern(prefix: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(prefix.len() + 1);
    for byte in prefix {
        if b"*?[]\\^".contains(byte) {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    pattern.push(b'*');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_means_itself() {
        assert_eq!(pattern(b"a*[b]:"), b"a\\*\\[b\\]:*");
    }
}

//! How many clients there are, over all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The count of open client connections and its cap, shared by all workers. A tunnel counts until it ends.
#[derive(Debug)]
pub struct Connections {
    open: AtomicUsize,
    most: usize,
    refused: AtomicU64,
}

impl Connections {
    /// At most `most` at once.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(0), most, refused: AtomicU64::new(0) })
    }

    /// How many are open now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// How many were closed at once because the cap was reached.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Counts one in, or counts it as refused.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Permit> {
        // Counted first and taken back after: two workers may both be turned away at the last place, but never both let in.
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.open.fetch_sub(1, Ordering::Relaxed);
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(Permit(Arc::clone(self)))
    }
}

/// One place among the connections; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Connections>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_holds_and_a_dropped_permit_frees_its_place() {
        let connections = Connections::new(1);
        let first = connections.admit().unwrap();
        assert!(connections.admit().is_none());
        assert_eq!((connections.open(), connections.refused()), (1, 1));
        drop(first);
        assert!(connections.admit().is_some());
    }
}

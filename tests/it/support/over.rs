//! The end of what goes on until it is told.

use std::sync::atomic::{AtomicBool, Ordering};

/// Tells it when this is let go of, also when something fails meanwhile: a scope waits for its threads, and they would go on for ever.
pub(crate) struct Over<'a>(pub(crate) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

//! What threads share in the lease and the cache's slots. They name these and no others, so that the test `slot` can put a model
//! checker's in their place and run the very files through every order of events.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};

/// Locks. A panic while a lock is held leaves what it guards whole: every change under one is complete before anything can panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

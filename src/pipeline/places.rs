//! How many requests of a worker may wait for their answer.

use std::cell::Cell;

/// The places of one worker. Who finds none is sent away at once: a queue would make everybody late and nobody sooner.
#[derive(Debug)]
pub(super) struct Places {
    taken: Cell<usize>,
    most: usize,
}

/// One place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place<'a>(&'a Cell<usize>);

impl Places {
    pub(super) const fn new(most: usize) -> Self {
        Self { taken: Cell::new(0), most }
    }

    pub(super) fn take(&self) -> Option<Place<'_>> {
        let taken = self.taken.get();
        if taken >= self.most {
            return None;
        }
        self.taken.set(taken + 1);
        Some(Place(&self.taken))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_given_back_can_be_taken_again() {
        let places = Places::new(1);
        let first = places.take();
        assert!(first.is_some() && places.take().is_none());
        drop(first);
        assert!(places.take().is_some());
    }
}

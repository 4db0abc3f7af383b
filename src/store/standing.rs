//! Whether the server we talk to is still the one that counts, in the word of those who decide: sentinels, or the primaries of a
//! Cluster.
//!
//! A server cannot say this of itself: cut off from the others, an old primary still answers and still calls itself one, and knows
//! nothing of what is revoked at its successor. So its answers count, and its heartbeats extend a lease, only for the bound after a
//! question to the others was **sent** that they answered in its favour.

use crate::clock::Moment;
use crate::store::StoreError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// What the deciders said last. Written by whoever asks them, read by every connection.
#[derive(Debug)]
pub(crate) struct Authority {
    bound: Duration,
    /// When the last favourable question was sent; 0 if there was none for the present primary.
    confirmed: AtomicU64,
    /// Which primary, counted up.
    number: watch::Sender<u64>,
}

/// One connection's side of it: under which primary it was made.
#[derive(Clone, Debug)]
pub(crate) struct Standing(Option<(Arc<Authority>, u64)>);

impl Authority {
    /// Nothing is confirmed yet; what will be counts for `bound`.
    pub(crate) fn new(bound: Duration) -> Self {
        Self { bound, confirmed: AtomicU64::new(0), number: watch::Sender::new(0) }
    }

    /// Another server is the primary from now on: every connection to the old one learns it at once.
    pub(crate) fn replace(&self) {
        // In this order: nobody may take the old one's confirmation for the new one's.
        self.confirmed.store(0, Ordering::Release);
        self.number.send_modify(|number| *number += 1);
    }

    /// The question that was sent at `sent` was answered in favour of the present primary.
    pub(crate) fn confirm(&self, sent: Moment) {
        self.confirmed.fetch_max(sent.as_nanos(), Ordering::AcqRel);
    }

    /// Whether it counts now.
    pub(crate) fn is_confirmed(&self, now: Moment) -> bool {
        let confirmed = self.confirmed.load(Ordering::Acquire);
        confirmed != 0 && now < Moment::from_nanos(confirmed).plus(self.bound)
    }

    /// The standing of a connection to the present primary.
    pub(crate) fn standing(self: &Arc<Self>) -> Standing {
        let number = *self.number.borrow();
        Standing(Some((Arc::clone(self), number)))
    }
}

impl Standing {
    /// A server that nobody decides about.
    pub(crate) const fn sole() -> Self {
        Self(None)
    }

    /// As of when the server is the primary: `now` if nobody decides about it.
    ///
    /// # Errors
    /// [`StoreError::NotPrimary`] if another is, [`StoreError::Unconfirmed`] if the last favourable word is too old.
    pub(crate) fn check(&self, now: Moment) -> Result<Moment, StoreError> {
        let Some((authority, number)) = &self.0 else { return Ok(now) };
        // Before the number: a confirmation of a successor then comes with the successor's number.
        let confirmed = authority.confirmed.load(Ordering::Acquire);
        if *authority.number.borrow() != *number {
            return Err(StoreError::NotPrimary);
        }
        let sent = Moment::from_nanos(confirmed);
        if confirmed == 0 || now >= sent.plus(authority.bound) {
            return Err(StoreError::Unconfirmed);
        }
        Ok(sent)
    }

    /// Waits until another server is the primary.
    pub(crate) async fn replaced(&self) {
        let Some((authority, number)) = &self.0 else { return std::future::pending().await };
        let mut numbers = authority.number.subscribe();
        // It fails only if the authority is gone, which this holds.
        let _ = numbers.wait_for(|present| present != number).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_word_counts_for_the_bound_from_when_it_was_asked_for() {
        let authority = Arc::new(Authority::new(SECOND));
        let standing = authority.standing();
        let sent = Moment::from_nanos(5_000_000_000);
        assert!(matches!(standing.check(sent), Err(StoreError::Unconfirmed)));
        authority.confirm(sent);
        assert!(matches!(standing.check(sent), Ok(since) if since == sent));
        assert!(matches!(standing.check(sent.plus(SECOND)), Err(StoreError::Unconfirmed)));
        authority.confirm(Moment::from_nanos(4_000_000_000));
        assert!(
            matches!(standing.check(sent), Ok(since) if since == sent),
            "an older question takes nothing back"
        );
    }

    #[test]
    fn a_successors_word_is_not_its_predecessors() {
        let authority = Arc::new(Authority::new(SECOND));
        let (old, sent) = (authority.standing(), Moment::from_nanos(7));
        authority.confirm(sent);
        authority.replace();
        let new = authority.standing();
        assert!(matches!(old.check(sent), Err(StoreError::NotPrimary)));
        assert!(matches!(new.check(sent), Err(StoreError::Unconfirmed)));
        authority.confirm(sent);
        assert!(matches!(old.check(sent), Err(StoreError::NotPrimary)));
        assert!(new.check(sent).is_ok());
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_a_successor_also_of_one_before() {
        let authority = Arc::new(Authority::new(SECOND));
        let standing = authority.standing();
        authority.replace();
        standing.replaced().await;
    }
}

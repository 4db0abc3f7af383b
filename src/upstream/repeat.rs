//! Requests that are sent a second time.
//!
//! A second time there is in two cases only: hyper gave the request back unsent, which is no repetition; or it was
//! idempotent and without a body, on a connection that had served before and fell silent without one byte of an answer.
//! There is never a third time, and repetitions have a budget: while an upstream breaks every connection, sending
//! everything twice would be the last thing it needs.

use std::cell::Cell;

use http::Request;
use http_body::Body;

use crate::upstream::upload::Upload;

/// Requests that earn one repetition.
const REQUESTS_PER_REPEAT: u32 = 5;
/// Most repetitions saved up, and what there is at first: connections die together when a service restarts.
const SAVED_MAX: u32 = 64;

/// What may be repeated: a share of the requests, by worker and upstream.
pub(crate) struct Budget(Cell<u32>);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(Cell::new(SAVED_MAX * REQUESTS_PER_REPEAT))
    }

    /// A request came.
    pub(crate) fn earn(&self) {
        self.0.set((self.0.get() + 1).min(SAVED_MAX * REQUESTS_PER_REPEAT));
    }

    /// Whether one may be repeated; then it is paid for.
    pub(crate) fn spend(&self) -> bool {
        let rest = self.0.get().checked_sub(REQUESTS_PER_REPEAT);
        rest.map(|rest| self.0.set(rest)).is_some()
    }
}

/// Whether a request may be sent again although it was sent.
pub(crate) fn is_repeatable(request: &Request<Upload>) -> bool {
    request.method().is_idempotent() && request.body().is_end_stream()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_a_share_of_the_requests() {
        let budget = Budget::new();
        let saved = (0..1000).filter(|_| budget.spend()).count();
        assert_eq!(saved, SAVED_MAX as usize);
        let repeated = (0..1000)
            .filter(|_| {
                budget.earn();
                budget.spend()
            })
            .count();
        assert_eq!(repeated, 1000 / REQUESTS_PER_REPEAT as usize);
    }
}

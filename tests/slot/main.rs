//! The cache's slots and the lease, run by a model checker through every order in which their threads can run.
//!
//! These are the very files of the gateway: their paths below lead to `src`, and only what they take their locks and atomics from
//! is another module here. `tests/slot/unchecked.rs` runs the same story without the rule, and must fail.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub, missing_docs, reason = "tests")]

#[path = "../../src/clock.rs"]
mod clock;
#[path = "."]
mod session {
    #[path = "."]
    pub(crate) mod cache {
        #[path = "../../src/session/cache/rule.rs"]
        pub(crate) mod rule;
        #[path = "shelf.rs"]
        pub(crate) mod shelf;
        #[path = "../../src/session/cache/slots.rs"]
        pub(crate) mod slots;
    }
}
#[path = "."]
mod store {
    #[path = "../../src/store/lease.rs"]
    mod lease;
    #[path = "sync.rs"]
    pub(crate) mod sync;

    pub(crate) use lease::{Held, Lease, Ticket};
}
mod story;

#[test]
fn in_no_order_of_events_does_a_revoked_session_stay() {
    story::every_order(story::a_revocation_among_two_reads);
}

#[test]
fn in_no_order_of_events_does_a_gap_in_the_messages_go_unnoticed() {
    story::every_order(story::a_lost_connection_among_hits);
}

//! The story of `tests/slot` with the rule left out: the checker must find the order in which a revoked session stays.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub, missing_docs, reason = "tests")]

#[path = "../../src/clock.rs"]
mod clock;
#[path = "."]
mod session {
    #[path = "."]
    pub(crate) mod cache {
        pub(crate) mod rule {
            use crate::store::Ticket;

            /// The rule without its generation.
            pub(crate) fn may_keep(mine: Ticket, _latest: Ticket, changed: bool, epoch: u64) -> bool {
                !changed && mine.epoch == epoch
            }
        }
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
#[should_panic(expected = "a revoked session is served")]
fn without_the_generation_a_revoked_session_stays() {
    story::every_order(story::a_revocation_among_two_reads);
}

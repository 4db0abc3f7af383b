//! The lease, one event after another; `tests/slot` has it under threads.

use crate::clock::Moment;
use crate::store::{Held, Lease};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_lease_counts_from_when_the_heartbeat_was_sent_and_never_shrinks() {
    let lease = Lease::new(2 * SECOND);
    let sent = Moment::from_nanos(5_000_000_000);
    lease.extend(sent);
    assert_eq!(lease.held().until, sent.plus(2 * SECOND));
    lease.extend(Moment::from_nanos(4_000_000_000));
    assert_eq!(lease.held().until, sent.plus(2 * SECOND));
}

#[test]
fn a_lease_that_ended_begins_a_new_epoch_and_is_remembered_with_its_old_one() {
    let lease = Lease::new(SECOND);
    let before = lease.epoch();
    lease.extend(Moment::from_nanos(7));
    lease.end();
    assert_eq!(lease.held(), Held { epoch: before + 1, until: Moment::START });
    assert_eq!(lease.lost(), Held { epoch: before, until: Moment::from_nanos(7).plus(SECOND) });
    lease.end();
    assert_eq!(lease.lost().epoch, before, "a connection that never held the lease proves nothing");
}

#[test]
fn a_flush_ends_the_epoch_and_what_was_remembered_but_not_the_lease() {
    let lease = Lease::new(SECOND);
    lease.extend(Moment::from_nanos(7));
    lease.end();
    lease.extend(Moment::from_nanos(9));
    let held = lease.held();
    lease.forget();
    assert_eq!(lease.held(), Held { epoch: held.epoch + 1, ..held });
    assert_eq!(lease.lost().epoch, 0);
}

//! The slots, one event after another; `tests/slot` has them at once.

use crate::clock::Moment;
use crate::session::cache::shelf::Shelf;
use crate::session::cache::slots::{Begun, Kept, Slots};
use crate::store::{Lease, Ticket};
use std::sync::Arc;
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(2);
const KEY: u64 = 7;

fn at(millis: u64) -> Moment {
    Moment::from_nanos(millis * 1_000_000)
}

/// Slots that keep text, under a lease that holds.
fn slots() -> (Slots<u64, &'static str, &'static str>, Lease) {
    let lease = Lease::new(BOUND);
    lease.extend(at(0));
    (Slots::new(Shelf::new(|text: &&str| (!text.is_empty()).then_some(1), 1000), 4), lease)
}

fn read(begun: Begun) -> Ticket {
    match begun {
        Begun::Read(ticket) => ticket,
        Begun::Joined => panic!("joined"),
    }
}

fn kept(value: &'static str, ticket: Ticket) -> Option<Arc<Kept<&'static str>>> {
    Some(Arc::new(Kept::new(value, ticket, at(1_000_000))))
}

/// What a request at `now` is served unasked.
fn hit(slots: &Slots<u64, &'static str, &'static str>, lease: &Lease, now: Moment) -> Option<&'static str> {
    let held = lease.held();
    slots.shelf().get(&KEY).filter(|kept| kept.serves(held, now)).map(|kept| kept.value)
}

#[test]
fn an_answer_that_a_change_overtook_is_given_to_who_asked_before_and_never_kept() {
    let (slots, lease) = slots();
    let ticket = read(slots.begin(KEY, lease.epoch(), at(1), BOUND, Some("first")));
    assert!(matches!(slots.begin(KEY, lease.epoch(), at(2), BOUND, Some("later")), Begun::Joined));
    assert!(!slots.changed(KEY));
    let completed = slots.complete(KEY, ticket, lease.epoch(), at(3), kept("alice", ticket));
    assert_eq!(completed.answer, ["first"]);
    let again = completed.again.expect("who came after it was sent may have come after the change");
    assert_eq!(hit(&slots, &lease, at(4)), None);
    let completed = slots.complete(KEY, again, lease.epoch(), at(5), kept("", again));
    assert_eq!(completed.answer, ["later"]);
    assert_eq!(hit(&slots, &lease, at(6)), Some(""));
}

#[test]
fn an_old_answer_does_not_fill_the_slot_of_a_new_read() {
    let (slots, lease) = slots();
    let old = read(slots.begin(KEY, lease.epoch(), at(1), BOUND, Some("a")));
    slots.changed(KEY);
    let new = read(slots.begin(KEY, lease.epoch(), at(2), BOUND, Some("b")));
    assert_eq!(slots.complete(KEY, old, lease.epoch(), at(3), kept("old", old)).answer, ["a"]);
    assert_eq!(hit(&slots, &lease, at(3)), None);
    assert_eq!(slots.complete(KEY, new, lease.epoch(), at(4), kept("new", new)).answer, ["b"]);
    assert_eq!(hit(&slots, &lease, at(4)), Some("new"));
}

#[test]
fn nothing_is_served_after_the_lease_the_epoch_or_the_deadline() {
    let (slots, lease) = slots();
    let ticket = read(slots.begin(KEY, lease.epoch(), at(1), BOUND, None));
    let short = Some(Arc::new(Kept::new("alice", ticket, at(1500))));
    slots.complete(KEY, ticket, lease.epoch(), at(2), short);
    assert_eq!(hit(&slots, &lease, at(1499)), Some("alice"));
    assert_eq!(hit(&slots, &lease, at(1500)), None, "its own end");
    let ticket = read(slots.begin(KEY, lease.epoch(), at(1), BOUND, None));
    slots.complete(KEY, ticket, lease.epoch(), at(2), kept("alice", ticket));
    assert_eq!(hit(&slots, &lease, at(1999)), Some("alice"));
    assert_eq!(hit(&slots, &lease, at(2000)), None, "the lease's end");
    lease.extend(at(1000));
    assert_eq!(hit(&slots, &lease, at(2000)), Some("alice"));
    lease.forget();
    assert_eq!(hit(&slots, &lease, at(2000)), None, "a flush");
}

#[test]
fn an_answer_from_before_a_gap_is_not_kept() {
    let (slots, lease) = slots();
    let ticket = read(slots.begin(KEY, lease.epoch(), at(1), BOUND, Some("a")));
    lease.end();
    lease.extend(at(2));
    assert_eq!(slots.complete(KEY, ticket, lease.epoch(), at(3), kept("old", ticket)).answer, ["a"]);
    assert!(slots.shelf().get(&KEY).is_none());
}

#[test]
fn what_was_read_unheard_is_never_served() {
    let (slots, lease) = slots();
    slots.offer(KEY, Arc::new(Kept::unheard("alice")));
    assert_eq!(hit(&slots, &lease, at(0)), None);
    assert!(
        slots.shelf().get(&KEY).is_some_and(|kept| kept.value == "alice"),
        "but is there to compare with"
    );
}

#[test]
fn a_read_that_is_older_than_the_bound_is_not_joined() {
    let (slots, lease) = slots();
    read(slots.begin(KEY, lease.epoch(), at(1), BOUND, Some("a")));
    assert!(matches!(slots.begin(KEY, lease.epoch(), at(2000), BOUND, Some("b")), Begun::Joined));
    read(slots.begin(KEY, lease.epoch(), at(2001), BOUND, Some("c")));
}

#[test]
fn a_failed_read_fails_for_all_who_wait_and_leaves_the_slot_empty() {
    let (slots, lease) = slots();
    let ticket = read(slots.begin(KEY, lease.epoch(), at(1), BOUND, Some("a")));
    slots.begin(KEY, lease.epoch(), at(1), BOUND, Some("b"));
    assert_eq!(slots.fail(KEY, ticket), ["a", "b"]);
    assert!(slots.fail(KEY, ticket).is_empty());
    read(slots.begin(KEY, lease.epoch(), at(2), BOUND, Some("c")));
}

#[test]
fn only_what_was_used_is_worth_reading_again() {
    let (slots, lease) = slots();
    let ticket = read(slots.begin(KEY, lease.epoch(), at(1), BOUND, None));
    slots.complete(KEY, ticket, lease.epoch(), at(2), kept("alice", ticket));
    assert!(!slots.changed(KEY));
    let ticket = read(slots.begin(KEY, lease.epoch(), at(3), BOUND, None));
    slots.complete(KEY, ticket, lease.epoch(), at(4), kept("alice", ticket));
    slots.shelf().get(&KEY).unwrap().touch();
    assert!(slots.changed(KEY));
    assert!(!slots.changed(KEY), "once");
}

#[test]
fn what_changed_is_not_served_but_stays_to_be_compared_with() {
    let (slots, lease) = slots();
    let ticket = read(slots.begin(KEY, lease.epoch(), at(1), BOUND, None));
    slots.complete(KEY, ticket, lease.epoch(), at(2), kept("alice", ticket));
    slots.changed(KEY);
    assert_eq!(hit(&slots, &lease, at(3)), None);
    assert!(slots.shelf().get(&KEY).is_some_and(|kept| kept.value == "alice"));
}

#[test]
fn an_absence_takes_the_place_of_a_record_and_makes_way_for_one() {
    let (slots, lease) = slots();
    for value in ["alice", "", "bob"] {
        slots.changed(KEY);
        let ticket = read(slots.begin(KEY, lease.epoch(), at(1), BOUND, None));
        slots.complete(KEY, ticket, lease.epoch(), at(2), kept(value, ticket));
        assert_eq!(hit(&slots, &lease, at(3)), Some(value));
    }
}

/// Keys are hashes.
fn hash(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[test]
fn what_is_held_has_an_end_however_much_is_put() {
    let kibibyte = |_: &u32| Some(1024);
    let shelf: Shelf<u64, u32> = Shelf::new(kibibyte, 256 * 1024);
    for key in 0..5_000 {
        shelf.put(hash(key), Arc::new(Kept::unheard(0)));
    }
    assert!(shelf.records() <= 256, "{} KiB", shelf.records());
}

/// Whoever sends cookies chooses the keys of absences.
#[test]
fn guesses_push_out_each_other_and_no_session() {
    let shelf: Shelf<u64, Option<u32>> = Shelf::new(|value| *value, 1 << 20);
    for key in 0..100 {
        shelf.put(hash(key), Arc::new(Kept::unheard(Some(1000))));
    }
    for key in 1000..50_000 {
        shelf.put(hash(key), Arc::new(Kept::unheard(None)));
    }
    assert_eq!(shelf.records(), 100);
    assert!((0..100).all(|key| shelf.get(&hash(key)).is_some_and(|kept| kept.value.is_some())));
}

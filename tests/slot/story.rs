//! What happens around one key: Redis, the connection's thread that applies its messages, and reads whose answers are handed over
//! late.

use crate::clock::Moment;
use crate::session::cache::shelf::Shelf;
use crate::session::cache::slots::{Begun, Kept, Slots};
use crate::store::sync::{AtomicBool, Mutex, Ordering, lock};
use crate::store::{Lease, Ticket};
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

const KEY: u64 = 1;
const BOUND: Duration = Duration::from_secs(2);
const NOW: Moment = Moment::from_nanos(1_000_000_000);
const LATER: Moment = Moment::from_nanos(1_000_000_000_000);

/// Runs a story in every order that makes a difference, however often threads take turns in it.
pub(crate) fn every_order(story: fn()) {
    loom::model(story);
}

struct World {
    /// Redis: whether the session is there, and whether it will tell us when that changes.
    redis: Mutex<Redis>,
    slots: Slots<u64, bool, ()>,
    lease: Lease,
}

struct Redis {
    alive: bool,
    tracked: bool,
}

impl World {
    fn new() -> Arc<Self> {
        let lease = Lease::new(BOUND);
        lease.extend(NOW);
        let slots = Slots::new(Shelf::new(|_| Some(1), 1), 1);
        Arc::new(Self { redis: Mutex::new(Redis { alive: true, tracked: false }), slots, lease })
    }

    /// What a request at NOW is served unasked.
    fn hit(&self) -> Option<bool> {
        let held = self.lease.held();
        self.slots.shelf().get(&KEY).filter(|kept| kept.serves(held, NOW)).map(|kept| kept.value)
    }

    /// A request: a hit, or a read whose answer is handed over at any time after Redis gave it.
    fn request(&self) {
        if self.hit().is_some() {
            return;
        }
        if let Begun::Read(ticket) = self.slots.begin(KEY, self.lease.epoch(), NOW, BOUND, Some(())) {
            self.read(ticket);
        }
    }

    fn read(&self, ticket: Ticket) {
        let alive = {
            let mut redis = lock(&self.redis);
            redis.tracked = true;
            redis.alive
        };
        let kept = Arc::new(Kept::new(alive, ticket, LATER));
        let completed = self.slots.complete(KEY, ticket, self.lease.epoch(), NOW, Some(kept));
        assert!(completed.again.is_none(), "nobody came after a read was sent in this story");
    }

    /// DEL, and the message about it, which is sent once and only if the key was read before.
    fn revoke(&self) {
        let tell = {
            let mut redis = lock(&self.redis);
            redis.alive = false;
            std::mem::take(&mut redis.tracked)
        };
        if tell {
            self.slots.changed(KEY);
        }
    }
}

/// Two requests and a revocation; neither who comes right after its message was applied nor who comes when all is quiet again may be
/// served what is gone.
pub(crate) fn a_revocation_among_two_reads() {
    let world = World::new();
    let (first, second) = (Arc::clone(&world), Arc::clone(&world));
    let first = thread::spawn(move || first.request());
    let second = thread::spawn(move || second.request());
    world.revoke();
    assert_ne!(world.hit(), Some(true), "a revoked session is served");
    first.join().unwrap();
    second.join().unwrap();
    assert_ne!(world.hit(), Some(true), "a revoked session is served");
}

/// The connection breaks, the session is revoked unheard, and a new connection wins the lease again, while a worker looks for a hit.
pub(crate) fn a_lost_connection_among_hits() {
    let world = World::new();
    world.request();
    assert_eq!(world.hit(), Some(true));
    let revoked = Arc::new(AtomicBool::new(false));
    let worker = {
        let (world, revoked) = (Arc::clone(&world), Arc::clone(&revoked));
        thread::spawn(move || {
            // A request that comes after the revocation. Its clock stands where only the new lease reaches.
            let came_after = revoked.load(Ordering::Acquire);
            let held = world.lease.held();
            let now = NOW.plus(BOUND);
            let served = world.slots.shelf().get(&KEY).is_some_and(|kept| kept.serves(held, now));
            assert!(!(came_after && served), "a revoked session is served");
            assert!(!served, "the old lease had run out by then, and the new one is for what is read anew");
        })
    };
    world.lease.end();
    lock(&world.redis).alive = false;
    revoked.store(true, Ordering::Release);
    world.lease.extend(NOW.plus(BOUND));
    worker.join().unwrap();
    assert_eq!(world.hit(), None);
}

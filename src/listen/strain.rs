//! Whether a worker is asked for more than it can do, and how much of it is let in then.
//!
//! A task of the worker's own measures what a request would meet that came now: how long it takes until whoever is ready has its turn,
//! the look for news from outside included. Seldom at first, which costs nothing. Once that was long it asks again and again: in a
//! short rush somebody soon has a short turn, but while more comes than can be done nobody has, and then waiting longer only makes
//! everybody late (the idea is CoDel's, RFC 8289, as servers use it). From then on so many are let in from one turn to the next, one more
//! while turns are short, a quarter less when they are not, and the rest is told so at once. Nothing that has begun is touched.
//!
//! A worker that is only kept waiting by other programs has short turns as soon as it runs, so that alone never refuses anybody.

use std::cell::Cell;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

/// How often it looks while all is well.
const LOOK: Duration = Duration::from_millis(50);
/// For so long every turn must have been long; and short, until all is well again.
const STANDING: Duration = Duration::from_millis(100);
/// So many turns at least: one that another program made long says nothing.
const TURNS: u32 = 4;
/// Who was well for so long and is not any more is news for the log.
const QUIET: Duration = Duration::from_secs(1);
/// Under strain turns are kept this many times shorter than what begins it: a request has about four of them.
const SHORTER: u32 = 4;
/// What is let in between two turns at first.
const ROOM: u32 = 8;

/// What a worker's connections ask before they begin a request: one look at a flag while all is well.
#[derive(Debug, Default)]
pub(crate) struct Strain {
    over: Cell<bool>,
    /// How many are let in until the next turn.
    room: Cell<u32>,
    /// Whether somebody was not.
    refused: Cell<bool>,
}

impl Strain {
    /// Whether one more request may begin.
    pub(crate) fn admits(&self) -> bool {
        if !self.over.get() {
            return true;
        }
        let room = self.room.get();
        self.room.set(room.saturating_sub(1));
        if room == 0 {
            self.refused.set(true);
        }
        room > 0
    }

    /// Watches over the turns, as long as `most` says how long they may be. Does not end.
    pub(crate) async fn follow(&self, most: impl Fn() -> Option<Duration>) {
        let mut told: Option<Instant> = None;
        loop {
            let due = Instant::now() + LOOK;
            sleep_until(due).await;
            if told.is_some_and(|told| told.elapsed() >= QUIET) {
                told = None;
                tracing::info!("the worker keeps up again");
            }
            if let Some(most) = most()
                && due.elapsed() > most
                && stands(most).await
            {
                if told.is_none() {
                    tracing::warn!("the worker is asked for more than it can do: see `server.limits.delay`");
                }
                self.let_in_what_can_be_done(most / SHORTER).await;
                told = Some(Instant::now());
            }
        }
    }

    /// Until turns were shorter than `goal`, and nobody had to be refused, for a while.
    async fn let_in_what_can_be_done(&self, goal: Duration) {
        let (mut strained, mut room, mut was_long) = (Instant::now(), ROOM, false);
        self.over.set(true);
        while strained.elapsed() < STANDING {
            self.room.set(room);
            self.refused.set(false);
            let long = turn().await > goal;
            let refused = self.refused.get();
            if refused || (long && was_long) {
                strained = Instant::now();
            }
            was_long = long;
            if long {
                room = (room - room.div_ceil(4)).max(1);
            } else if refused {
                room = room.saturating_add(1);
            }
        }
        self.over.set(false);
    }
}

/// Whether every turn is longer than `most`, time after time.
async fn stands(most: Duration) -> bool {
    let mut rush = Rush::default();
    loop {
        let turn = turn().await;
        if turn <= most {
            return false;
        }
        if rush.stands(turn) {
            return true;
        }
    }
}

/// Long turns, one behind the other.
#[derive(Debug, Default)]
struct Rush {
    turns: u32,
    lasted: Duration,
}

impl Rush {
    /// Whether there have been enough of them, with one more.
    fn stands(&mut self, turn: Duration) -> bool {
        self.turns += 1;
        self.lasted += turn;
        self.turns >= TURNS && self.lasted >= STANDING
    }
}

/// How long who is ready waits for its turn.
async fn turn() -> Duration {
    let ready = Instant::now();
    yield_now().await;
    ready.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::worker::spawn_worker;
    use std::rc::Rc;
    use tokio::task::spawn_local;

    const MOST: Duration = Duration::from_millis(4);

    /// Runs it beside a worker's other tasks.
    fn beside<F: Future<Output = ()>>(test: impl FnOnce(Rc<Strain>) -> F + Send + 'static) {
        let worker = spawn_worker("test", || async {
            let strain = Rc::<Strain>::default();
            let watched = Rc::clone(&strain);
            spawn_local(async move { watched.follow(|| Some(MOST)).await });
            test(strain).await;
        });
        worker.unwrap().join().unwrap();
    }

    /// Something that always has to be done and takes its time.
    async fn toil() {
        std::thread::sleep(MOST * 3);
        yield_now().await;
    }

    #[test]
    fn a_worker_without_strain_lets_everybody_in() {
        let strain = Strain::default();
        assert!((0..1000).all(|_| strain.admits()));
    }

    #[test]
    fn while_every_turn_is_long_some_are_refused_and_some_let_in_and_afterwards_everybody_is_let_in() {
        beside(|strain| async move {
            let (mut refused, mut let_in) = (false, false);
            while !(refused && let_in) {
                toil().await;
                let asked = [(); 100].map(|()| strain.admits());
                refused |= asked.contains(&false);
                let_in |= strain.over.get() && asked.contains(&true);
            }
            while strain.over.get() {
                tokio::time::sleep(MOST).await;
            }
            assert!((0..1000).all(|_| strain.admits()));
        });
    }

    #[test]
    fn a_few_long_turns_are_chance_however_long_they_are() {
        let stands = |turns: &[Duration]| {
            let mut rush = Rush::default();
            turns.iter().filter(|turn| rush.stands(**turn)).count()
        };
        assert_eq!(stands(&[STANDING * 9; 3]), 0);
        assert_eq!(stands(&[STANDING / 10; 9]), 0);
        assert_eq!(stands(&[STANDING / 10; 10]), 1);
    }
}

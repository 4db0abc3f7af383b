//! Sessions whose record went away while tokens that were made of them go on: for whoever tells services of it.
//!
//! Nothing is collected until somebody wants it. What waits to be told is bounded: past that it is counted, and lost.

use crate::clock::{Clock, UnixMillis};
use crate::session::cache::known::Known;
use crate::session::verified::{Session, Voucher};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Sessions that wait to be told of: some hundred kilobytes, and more than end in the quarter of a second between two looks.
const WAITING_MAX: usize = 8192;

/// Those that went, as they wait.
#[derive(Debug)]
pub(in crate::session) struct Departures<T> {
    clock: OnceLock<Clock>,
    waiting: Mutex<Waiting<T>>,
}

#[derive(Debug)]
struct Waiting<T> {
    sessions: VecDeque<Arc<Session<T>>>,
    lost: u64,
}

impl<T> Departures<T> {
    /// Collects from now on.
    pub(in crate::session) fn collect(&self, clock: Clock) {
        // Set once: all generations of a process go by one clock.
        let _ = self.clock.set(clock);
    }

    /// Whether a token that goes on was made of one of these.
    pub(in crate::session) fn matters(&self, known: &Known<T>) -> bool {
        self.clock
            .get()
            .is_some_and(|clock| known.all().any(|session| is_vouched_for(&session.served(), clock.now())))
    }

    /// The record that this was known of is gone.
    pub(in crate::session) fn note(&self, known: &Known<T>) {
        let Some(now) = self.clock.get().map(Clock::now) else { return };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for session in known.all().map(Session::served).filter(|session| is_vouched_for(session, now)) {
            if waiting.sessions.len() < WAITING_MAX {
                waiting.sessions.push_back(session);
            } else {
                waiting.lost += 1;
            }
        }
    }

    /// Everybody who waits, and how many did not find room.
    pub(in crate::session) fn take(&self) -> (VecDeque<Arc<Session<T>>>, u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut waiting.sessions), std::mem::take(&mut waiting.lost))
    }
}

fn is_vouched_for<T>(session: &Session<T>, now: UnixMillis) -> bool {
    matches!(session.by, Voucher::Profile(_)) && session.marks.vouched_until() > now
}

impl<T> Default for Departures<T> {
    fn default() -> Self {
        let waiting = Mutex::new(Waiting { sessions: VecDeque::new(), lost: 0 });
        Self { clock: OnceLock::new(), waiting }
    }
}

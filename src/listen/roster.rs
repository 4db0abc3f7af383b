//! The connections of one worker, so that a drain can wake the sleeping ones.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use tokio::time::sleep;

use crate::listen::handler::Scarce;
use crate::listen::pressure::Pressure;
use crate::listen::strain::Strain;

/// While there is no room at all, another share of the busy connections is let go each time that this has passed: whatever they hold,
/// and whoever they wait for, it comes to an end.
const DRAWS: Duration = Duration::from_millis(250);
const SHARES: u64 = 8;

/// Who is connected to this worker. A connection looks at a plain flag when it is polled anyway; only the idle ones
/// need waking, so no channel is polled per request.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    last_call: Cell<bool>,
    draining: Cell<bool>,
    /// Which share is let go.
    drawn: Cell<Option<u64>>,
    pressure: Pressure,
    strain: Strain,
    next: Cell<u64>,
    wakers: RefCell<HashMap<u64, Waker>>,
}

impl Roster {
    /// Nobody yet, under this pressure.
    pub(crate) fn new(pressure: Pressure) -> Self {
        Self { pressure, ..Self::default() }
    }

    /// How much room there is for what they hold.
    pub(crate) const fn pressure(&self) -> &Pressure {
        &self.pressure
    }

    /// Whether there is more to do than can be done.
    pub(crate) const fn strain(&self) -> &Strain {
        &self.strain
    }

    /// What there is too little of for one more request, or for a tunnel.
    pub(crate) fn lacks(&self, tunnel: bool) -> Option<Scarce> {
        if self.pressure.refuses(tunnel) {
            return Some(Scarce::Memory);
        }
        (!self.strain.admits()).then_some(Scarce::Time)
    }

    /// Adds a connection; it leaves when the entry is dropped.
    pub(crate) fn join(self: &Rc<Self>) -> Entry {
        let id = self.next.get();
        self.next.set(id.wrapping_add(1));
        Entry { roster: Rc::clone(self), id, known: false }
    }

    /// Whether what is asked now is the last on its connection.
    pub(crate) fn last_call(&self) -> bool {
        self.last_call.get()
    }

    /// Whether idle connections are to be closed.
    pub(crate) fn draining(&self) -> bool {
        self.draining.get()
    }

    /// Has every connection end with its next answer, and those of HTTP/2, which can say so at any time, at once.
    pub(crate) fn call_last(&self) {
        self.last_call.set(true);
        self.wake();
    }

    /// Has idle connections close too.
    pub(crate) fn drain(&self) {
        self.last_call.set(true);
        self.draining.set(true);
        self.wake();
    }

    /// Has everybody look at their deadlines when these become shorter, and go on when they may. Does not end.
    pub(crate) async fn follow_pressure(&self) {
        let mut news = self.pressure.news();
        loop {
            tokio::select! {
                // Its sender is in the roster.
                _ = news.changed() => self.drawn.set(None),
                () = sleep(DRAWS), if self.pressure.stops() => {
                    self.drawn.set(Some(self.drawn.get().map_or(0, |share| (share + 1) % SHARES)));
                }
            }
            self.wake();
        }
    }

    fn wake(&self) {
        for waker in self.wakers.borrow().values() {
            waker.wake_by_ref();
        }
    }
}

/// One connection's place.
#[derive(Debug)]
pub(crate) struct Entry {
    roster: Rc<Roster>,
    id: u64,
    known: bool,
}

impl Entry {
    /// The connection goes on in another task, from its next poll.
    pub(crate) fn moves(&mut self) {
        self.known = false;
    }

    /// Remembers how to wake this connection. A spawned task keeps its waker for life, so once is enough.
    pub(crate) fn wake_by(&mut self, waker: &Waker) {
        if !self.known {
            self.known = true;
            self.roster.wakers.borrow_mut().insert(self.id, waker.clone());
        }
    }

    /// Whether what is asked now is the last on its connection.
    pub(crate) fn last_call(&self) -> bool {
        self.roster.last_call()
    }

    /// Whether it is this connection's turn to make room.
    pub(crate) fn is_drawn(&self) -> bool {
        self.roster.drawn.get() == Some(self.id % SHARES)
    }

    /// How much room there is for what connections hold.
    pub(crate) fn pressure(&self) -> &Pressure {
        self.roster.pressure()
    }

    /// Whether idle connections are to be closed.
    pub(crate) fn draining(&self) -> bool {
        self.roster.draining()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.roster.wakers.borrow_mut().remove(&self.id);
    }
}

//! What the guard tells the service about each head, and the service the guard about each answer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use http::StatusCode;
use tokio::time::Instant;

use crate::request::ParseError;

/// What was decided about a head that hyper has been given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It passed.
    Passed,
    /// It passed, asks for an upgrade, and the guard withholds everything behind it until the answer is known.
    Upgrade,
    /// It was refused; hyper got a stand-in.
    Refused(ParseError),
}

/// The book between the two ends of one connection. Both run in the same task, so the lock is never contended; it is
/// there because hyper asks that an upgradable stream be `Send`.
#[derive(Debug)]
pub(crate) struct Ledger {
    page: Mutex<Page>,
    /// How the answer ends; beside the page, since it is looked at with every write.
    end: AtomicU8,
}

/// It says its length.
const FRAMED: u8 = 0;
/// It ends with the connection, and is not whole yet.
const OPEN: u8 = 1;
/// The same, and it is.
const WHOLE: u8 = 2;

#[derive(Debug)]
struct Page {
    verdicts: VecDeque<Verdict>,
    running: usize,
    served: bool,
    quiet_since: Instant,
    mid_head: bool,
    upgrading: bool,
    broken: bool,
    upgraded: Option<bool>,
    reader: Option<Waker>,
}

/// When an exchange last ended, or the connection began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quiet {
    /// That time.
    pub(crate) since: Instant,
    /// Whether another exchange has begun after it.
    pub(crate) running: bool,
    /// Whether there has been any exchange.
    pub(crate) served: bool,
}

impl Ledger {
    /// The ledger of a connection accepted now.
    pub(crate) fn new() -> Arc<Self> {
        let page = Mutex::new(Page {
            verdicts: VecDeque::new(),
            running: 0,
            served: false,
            quiet_since: Instant::now(),
            mid_head: false,
            upgrading: false,
            broken: false,
            upgraded: None,
            reader: None,
        });
        Arc::new(Self { page, end: AtomicU8::new(FRAMED) })
    }

    /// Guard: a head goes to hyper.
    pub(crate) fn judge(&self, verdict: Verdict) {
        let mut page = self.page();
        page.mid_head = false;
        page.upgrading |= verdict == Verdict::Upgrade;
        page.verdicts.push_back(verdict);
    }

    /// Guard: part of a head has come, and the rest is awaited.
    pub(crate) fn head_begun(&self) {
        self.page().mid_head = true;
    }

    /// Whether hyper had better not be told of a drain yet: it would drop a head that is half here, or put
    /// `Connection: close` into a 101.
    pub(crate) fn undecided(&self) -> bool {
        let page = self.page();
        page.mid_head || page.upgrading
    }

    /// Guard: a body cannot be read to its end, so hyper will close behind the answer.
    pub(crate) fn body_broken(&self) {
        self.page().broken = true;
    }

    /// Guard: whether the end of the answer is that of the connection.
    pub(crate) fn ends_by_closing(&self) -> bool {
        self.end.load(Ordering::Relaxed) != FRAMED
    }

    /// Guard: whether such an answer has been given to hyper to its end.
    pub(crate) fn is_whole(&self) -> bool {
        self.end.load(Ordering::Relaxed) == WHOLE
    }

    /// Guard: since when nothing has been going on.
    pub(crate) fn quiet(&self) -> Quiet {
        let page = self.page();
        Quiet { since: page.quiet_since, running: page.running > 0, served: page.served }
    }

    /// Guard: how the upgrade was answered, once it is; until then `reader` is woken when it is.
    pub(crate) fn upgraded(&self, reader: &Waker) -> Option<bool> {
        let mut page = self.page();
        let upgraded = page.upgraded.take();
        if upgraded.is_none() {
            page.reader = Some(reader.clone());
        }
        upgraded
    }

    /// Service: hyper has made a request of the oldest head. With no verdict for it, it is refused.
    pub(crate) fn begin(self: &Arc<Self>) -> (Exchange, Result<(), ParseError>) {
        let mut page = self.page();
        let verdict = page.verdicts.pop_front().unwrap_or(Verdict::Refused(ParseError::BadRequestLine));
        page.running += 1;
        page.served = true;
        drop(page);
        let outcome = match verdict {
            Verdict::Passed | Verdict::Upgrade => Ok(()),
            Verdict::Refused(error) => Err(error),
        };
        (Exchange { ledger: Arc::clone(self), upgrade: verdict == Verdict::Upgrade }, outcome)
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request being answered, from its call until its response body is gone.
#[derive(Debug)]
pub(crate) struct Exchange {
    ledger: Arc<Ledger>,
    upgrade: bool,
}

impl Exchange {
    /// Whether the request asks for another protocol.
    pub(crate) const fn switches(&self) -> bool {
        self.upgrade
    }

    /// Whether the request's body turned out to be broken.
    pub(crate) fn broken(&self) -> bool {
        self.ledger.page().broken
    }

    /// Only the end of the connection will say that the answer is whole.
    pub(crate) fn ends_by_closing(&self) {
        self.ledger.end.store(OPEN, Ordering::Relaxed);
    }

    /// It is whole.
    pub(crate) fn completed(&self) {
        self.ledger.end.store(WHOLE, Ordering::Relaxed);
    }

    /// The answer's status is known. `false`: it switches protocols although the guard awaits no such thing.
    pub(crate) fn answered(&self, status: StatusCode) -> bool {
        let switches = status == StatusCode::SWITCHING_PROTOCOLS;
        if !self.upgrade {
            return !switches;
        }
        let reader = {
            let mut page = self.ledger.page();
            page.upgrading = false;
            page.upgraded = Some(switches);
            page.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
        true
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut page = self.ledger.page();
        page.running = page.running.saturating_sub(1);
        page.quiet_since = Instant::now();
    }
}

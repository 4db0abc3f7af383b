//! How long the rest of a client's body is waited for.
//!
//! In HTTP/1.1 `listen` keeps that deadline, where the bytes come in. In HTTP/2 one connection brings many bodies, and a client must
//! not be blamed for the window that it was not given: so it is kept here, where it is known that one of them is wanted.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::listen::Pace;

/// With one body.
#[derive(Debug)]
pub(crate) struct Patience {
    pace: Pace,
    awaited_since: Option<Instant>,
    /// Made at the first wait; it fires too early rather than being moved each time.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(crate) const fn new(pace: Pace) -> Self {
        Self { pace, awaited_since: None, timer: None }
    }

    /// So many bytes came.
    pub(crate) fn came(&mut self, bytes: usize) {
        let waited = self.awaited_since.take().map(|since| since.elapsed());
        self.pace.came(bytes, waited.unwrap_or_default());
    }

    /// Nothing came: whether that has been so for too long. If not, this task is woken when it is.
    pub(crate) fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let since = *self.awaited_since.get_or_insert_with(Instant::now);
        let end = since + self.pace.left();
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if timer.deadline() > end {
            timer.as_mut().reset(end);
        }
        while let Poll::Ready(()) = timer.as_mut().poll(cx) {
            if Instant::now() >= end {
                return true;
            }
            timer.as_mut().reset(end);
        }
        false
    }
}

//! How near the process is to its memory budget, for those who may have to let go of something.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::config::MemoryLimit;

/// Under pressure nobody is waited for any longer than this: at first what a client needs that is only far away, then less, because what
/// many bring in that time must fit.
const PATIENCE: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_millis(200), Duration::from_millis(50)];

/// What the memory in use leaves room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Everything.
    #[default]
    Calm,
    /// Whoever makes us wait is let go, and no tunnel begins.
    Tight,
    /// The same, and sooner.
    Short,
    /// Nothing begins, and no body goes on.
    Full,
}

impl Level {
    /// The level behind this one, for so much in use of a budget. Each is left further down than it was entered, or it would come and
    /// go with every request.
    #[must_use]
    pub fn next(self, used: u64, budget: u64) -> Self {
        let step = budget / 8;
        let levels = [Self::Full, Self::Short, Self::Tight].into_iter().zip(MemoryLimit::marks(budget));
        let mut reached = levels.filter(|(level, mark)| {
            let mark = if *level <= self { mark.saturating_sub(step) } else { *mark };
            used >= mark
        });
        reached.next().map_or(Self::Calm, |(level, _)| level)
    }

    /// The word for it in the log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Tight => "tight",
            Self::Short => "short",
            Self::Full => "full",
        }
    }
}

/// The level, shared by all workers. Reading it is one load of what seldom changes; who sleeps is woken when it rises, and when what
/// stood still may go on.
#[derive(Clone, Debug, Default)]
pub struct Pressure(Arc<State>);

#[derive(Debug, Default)]
struct State {
    level: AtomicU8,
    budget: AtomicU64,
    news: watch::Sender<Level>,
}

impl Pressure {
    /// The level now.
    pub fn level(&self) -> Level {
        match self.0.level.load(Ordering::Relaxed) {
            0 => Level::Calm,
            1 => Level::Tight,
            2 => Level::Short,
            _ => Level::Full,
        }
    }

    /// Sets it.
    pub fn set(&self, level: Level) {
        self.0.level.store(level as u8, Ordering::Relaxed);
        self.0.news.send_if_modified(|known| {
            let before = std::mem::replace(known, level);
            level > before || (before == Level::Full && level < before)
        });
    }

    /// How much memory there is for everything; `None`: nobody said, or as much as it takes.
    pub fn budget(&self) -> Option<u64> {
        Some(self.0.budget.load(Ordering::Relaxed)).filter(|budget| *budget > 0)
    }

    /// Says that from now on.
    pub fn limit(&self, budget: Option<u64>) {
        self.0.budget.store(budget.unwrap_or(0), Ordering::Relaxed);
    }

    /// Whether bodies, either way, stand still: what they would bring there is no room for.
    pub(crate) fn stops(&self) -> bool {
        self.level() == Level::Full
    }

    /// Hears of every change that somebody has to be woken for.
    pub(crate) fn news(&self) -> watch::Receiver<Level> {
        self.0.news.subscribe()
    }

    /// Whether a request has to be turned away; a tunnel, which may stay for days, is so earlier.
    pub(crate) fn refuses(&self, tunnel: bool) -> bool {
        let least = if tunnel { Level::Tight } else { Level::Full };
        self.level() >= least
    }

    /// How long to wait for somebody who otherwise had `span`.
    pub(crate) fn shorten(&self, span: Duration) -> Duration {
        let [tight, short, full] = PATIENCE;
        match self.level() {
            Level::Calm => span,
            Level::Tight => span.min(tight),
            Level::Short => span.min(short),
            Level::Full => span.min(full),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_left_further_down_than_it_was_entered() {
        const MIB: u64 = 1024 * 1024;
        let walk = |used: &[u64]| {
            let mut level = Level::Calm;
            let step = |used: &u64| {
                level = level.next(*used * MIB, 800 * MIB);
                level
            };
            used.iter().map(step).collect::<Vec<_>>()
        };
        use Level::{Calm, Full, Short, Tight};
        assert_eq!(walk(&[0, 499, 500, 499, 400, 399, 500]), [Calm, Calm, Tight, Tight, Tight, Calm, Tight]);
        assert_eq!(walk(&[600, 599, 500, 499, 399]), [Short, Short, Short, Tight, Calm]);
        assert_eq!(walk(&[699, 700, 699, 600, 599, 0]), [Short, Full, Full, Full, Short, Calm]);
        assert_eq!(walk(&[10_000, 499]), [Full, Tight]);
    }
}

//! How many clients there are, over all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::listen::pressure::{Level, Pressure};

/// The count of open client connections and its cap, shared by all workers. A tunnel counts until it ends.
#[derive(Debug)]
pub struct Connections {
    open: AtomicUsize,
    most: AtomicUsize,
    turned_away: [AtomicU64; TurnedAway::ALL.len()],
    pressure: Pressure,
}

impl Connections {
    /// At most `most` at once.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            most: AtomicUsize::new(most),
            turned_away: Default::default(),
            pressure: Pressure::default(),
        })
    }

    /// At most so many from now on; who is there stays.
    pub fn limit(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// How many are open now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// How much room there is for what they hold.
    pub const fn pressure(&self) -> &Pressure {
        &self.pressure
    }

    /// How many were closed before their first request, and why.
    pub fn turned_away(&self) -> impl Iterator<Item = (TurnedAway, u64)> {
        let counts = self.turned_away.iter().map(|count| count.load(Ordering::Relaxed));
        TurnedAway::ALL.into_iter().zip(counts)
    }

    /// Counts one that is closed before its first request.
    pub(crate) fn turn_away(&self, cause: TurnedAway) {
        if let Some(count) = self.turned_away.get(cause as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts one in, or counts it as refused.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Permit> {
        // Counted first and taken back after: two workers may both be turned away at the last place, but never both let in.
        let crowded = self.open.fetch_add(1, Ordering::Relaxed) >= self.most.load(Ordering::Relaxed);
        let full = self.pressure.level() == Level::Full;
        if crowded || full {
            self.open.fetch_sub(1, Ordering::Relaxed);
            self.turn_away(if crowded { TurnedAway::Full } else { TurnedAway::Memory });
            return None;
        }
        Some(Permit(Arc::clone(self)))
    }
}

/// Why a connection was closed before its first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// There were as many as there may be.
    Full,
    /// There was no memory for it.
    Memory,
    /// It had no PROXY header that could be believed.
    ProxyHeader,
    /// No TLS came about.
    Handshake,
    /// Either of these took too long.
    Late,
}

impl TurnedAway {
    const ALL: [Self; 5] = [Self::Full, Self::Memory, Self::ProxyHeader, Self::Handshake, Self::Late];

    /// The word in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Memory => "memory",
            Self::ProxyHeader => "proxy-header",
            Self::Handshake => "handshake",
            Self::Late => "late",
        }
    }
}

/// One place among the connections; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Connections>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_holds_and_a_dropped_permit_frees_its_place() {
        let connections = Connections::new(1);
        let first = connections.admit().unwrap();
        assert!(connections.admit().is_none());
        assert_eq!((connections.open(), connections.turned_away().next()), (1, Some((TurnedAway::Full, 1))));
        drop(first);
        assert!(connections.admit().is_some());
        connections.pressure().set(Level::Full);
        assert!(connections.admit().is_none());
        assert_eq!(connections.turned_away().nth(1), Some((TurnedAway::Memory, 1)));
    }
}

//! What came of requests, and what that says.

use crate::overload::crowd::field;
use std::fmt;
use std::time::Duration;

/// In such pieces the time after an overload is looked at.
const PIECE: Duration = Duration::from_millis(100);

/// What a client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Served,
    /// To come again: there was too much to do, and this is whose word for it.
    Busy(&'static str),
    Other(u16),
    Nothing,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// When it was to be made, since the beginning.
    pub(super) due: Duration,
    /// From then to the end of its answer.
    pub(super) took: Duration,
    pub(super) told: Told,
}

impl Told {
    /// By the head of an answer.
    pub(super) fn by(head: &[u8]) -> Self {
        let status = head.get(9..12).and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
        let refusal = field(head, b"cloakroom-refusal: ");
        match (status, refusal) {
            (Some(200), None) => Self::Served,
            (Some(503), Some(code)) if field(head, b"retry-after: ").is_some() => match code {
                "overloaded" => Self::Busy("overloaded"),
                "upstream-busy" => Self::Busy("upstream-busy"),
                _ => Self::Other(503),
            },
            (Some(status), _) => Self::Other(status),
            (None, _) => Self::Nothing,
        }
    }
}

/// How long requests took.
pub(super) struct Times(Vec<Duration>);

impl Times {
    pub(super) fn of<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Self {
        let mut times: Vec<_> = outcomes.map(|outcome| outcome.took).collect();
        times.sort();
        Self(times)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// So many of a thousand took no longer.
    pub(super) fn at(&self, of_thousand: usize) -> Duration {
        self.0.get(self.0.len() * of_thousand / 1000).or(self.0.last()).copied().unwrap_or_default()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |of_thousand| self.at(of_thousand).as_secs_f64() * 1000.0;
        let (half, most, all) = (millis(500), millis(990), millis(1000));
        write!(f, "{} in p50 {half:.2} ms, p99 {most:.2} ms, at most {all:.1} ms", self.len())
    }
}

pub(super) fn served(outcomes: &[Outcome]) -> Times {
    Times::of(outcomes.iter().filter(|outcome| outcome.told == Told::Served))
}

pub(super) fn busy(outcomes: &[Outcome]) -> Times {
    Times::of(outcomes.iter().filter(|outcome| matches!(outcome.told, Told::Busy(_))))
}

/// Those that were neither.
pub(super) fn lost(outcomes: &[Outcome]) -> Vec<Told> {
    let told = outcomes.iter().map(|outcome| outcome.told);
    told.filter(|told| matches!(told, Told::Other(_) | Told::Nothing)).collect()
}

/// How long after `end` somebody was still turned away, or nine of ten took longer than `most` in some piece of the time.
pub(super) fn recovery(outcomes: &[Outcome], end: Duration, most: Duration) -> Duration {
    let after: Vec<_> = outcomes.iter().filter(|outcome| outcome.due >= end).copied().collect();
    let piece = |outcome: &Outcome| (outcome.due - end).as_millis() / PIECE.as_millis();
    let pieces = after.chunk_by(|one, next| piece(one) == piece(next));
    let mut bad = pieces.filter(|piece| served(piece).len() < piece.len() || served(piece).at(900) > most);
    bad.next_back().and_then(<[_]>::last).map_or(Duration::ZERO, |last| last.due - end)
}

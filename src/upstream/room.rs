//! How many requests an upstream is asked at once by a worker, where its answers are to begin within a time.
//!
//! A service that is asked more than it can do does not do more: it lets requests wait, and all of them longer. From the outside that is
//! seen by its answers, which begin later the more are asked at once. So there is a number for that, as large as `limits` allow to begin
//! with: it shrinks as answers are late, in proportion, and grows by a sixteenth while it keeps somebody out and they are not. Only
//! answers to requests of after the last change count. Bodies that clients send take their own time, and are not counted among them.
//!
//! Answers can be late for other reasons, and then fewer requests are not answered sooner, but only fewer. Where half as many answers
//! come as before it shrank, and late ones still, there is room for all again for a minute.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// Fewer answers say nothing.
const ANSWERS: u32 = 8;
/// An upstream that says nothing at all for so many times its time is late, too.
const SILENCE: u32 = 4;
/// For so long it does not shrink where that did not help.
const IN_VAIN: Duration = Duration::from_secs(60);

/// One worker's room in one upstream.
#[derive(Debug)]
pub(crate) struct Room {
    latency: Option<Duration>,
    inside: Cell<u32>,
    most: Cell<u32>,
    /// The most that were inside since `since`.
    peak: Cell<u32>,
    /// Whether somebody was kept out since then.
    crowded: Cell<bool>,
    /// Answers since then, and how long they took together.
    answers: Cell<(u32, Duration)>,
    since: Cell<Instant>,
    /// All answers since then.
    heard: Cell<u32>,
    changed: Cell<Instant>,
    /// The most that came in a second since it began to shrink.
    rate: Cell<Option<f64>>,
    /// Until when it does not shrink.
    in_vain: Cell<Option<Instant>>,
}

/// One request, until its answer begins.
#[derive(Debug)]
pub(crate) struct Inside<'a>(&'a Room);

impl Room {
    /// For answers that begin within `latency` on average; `None`: there is room for all.
    pub(crate) fn new(latency: Option<Duration>) -> Self {
        let now = Instant::now();
        Self {
            latency,
            inside: Cell::new(0),
            most: Cell::new(u32::MAX),
            peak: Cell::new(0),
            crowded: Cell::new(false),
            answers: Cell::default(),
            since: Cell::new(now),
            heard: Cell::new(0),
            changed: Cell::new(now),
            rate: Cell::new(None),
            in_vain: Cell::new(None),
        }
    }

    /// A place, if there is one.
    pub(crate) fn enter(&self, now: Instant) -> Option<Inside<'_>> {
        let inside = self.inside.get();
        if let Some(latency) = self.latency {
            if inside == 0 {
                self.begin(now);
            } else if self.heard.get() == 0 && now - self.since.get() > latency * SILENCE {
                self.change(inside / 2, now);
            }
            if inside >= self.most.get() {
                self.crowded.set(true);
                return None;
            }
            self.peak.set(self.peak.get().max(inside + 1));
        }
        self.inside.set(inside + 1);
        Some(Inside(self))
    }

    /// The answer to a request of `sent` begins.
    pub(crate) fn answered(&self, sent: Instant) {
        if let Some(latency) = self.latency {
            self.note(latency, sent, Instant::now());
        }
    }

    fn note(&self, latency: Duration, sent: Instant, now: Instant) {
        self.heard.set(self.heard.get() + 1);
        if sent < self.changed.get() {
            return;
        }
        let (count, sum) = self.answers.get();
        let (count, sum) = (count + 1, sum + (now - sent));
        self.answers.set((count, sum));
        if count < ANSWERS || now - self.since.get() < latency {
            return;
        }
        let (mean, most) = (sum / count, self.most.get());
        if mean > latency {
            self.shrink(latency.as_secs_f64() / mean.as_secs_f64(), now);
        } else if self.crowded.get() {
            self.change(most.saturating_add((most / 16).max(1)), now);
        } else {
            self.rate.set(None);
            self.begin(now);
        }
    }

    /// Answers are late, and would be in time if so much of them were asked for.
    fn shrink(&self, share: f64, now: Instant) {
        let rate = f64::from(self.heard.get()) / (now - self.since.get()).as_secs_f64();
        let before = self.rate.get().map_or(rate, |before| before.max(rate));
        if rate < before / 2.0 {
            self.in_vain.set(Some(now + IN_VAIN));
        }
        if self.in_vain.get().is_some_and(|end| now < end) {
            self.rate.set(None);
            return self.change(u32::MAX, now);
        }
        self.rate.set(Some(before));
        self.change((f64::from(self.peak.get().min(self.most.get())) * share.max(0.5)) as u32, now);
    }

    fn change(&self, most: u32, now: Instant) {
        self.most.set(most.max(1));
        self.changed.set(now);
        self.begin(now);
    }

    fn begin(&self, now: Instant) {
        self.since.set(now);
        self.heard.set(0);
        self.answers.set((0, Duration::ZERO));
        self.peak.set(self.inside.get());
        self.crowded.set(false);
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.set(self.0.inside.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    const MILLISECOND: Duration = Duration::from_millis(1);
    const LATENCY: Duration = Duration::from_millis(60);

    /// A service with so many slots of 20 ms, asked once every `pause`; what it did in a time, and how late the answers were at last.
    fn besieged(room: &Room, slots: usize, pause: Duration, lasting: Duration) -> (u32, u32, Duration) {
        let start = Instant::now();
        let mut free = vec![start; slots];
        let mut running: VecDeque<(Instant, Instant, Inside<'_>)> = VecDeque::new();
        let (mut now, mut served, mut refused, mut worst) = (start, 0, 0, Duration::ZERO);
        while now < start + lasting {
            while let Some((end, sent, _)) = running.front().filter(|(end, ..)| *end <= now) {
                room.note(LATENCY, *sent, *end);
                served += 1;
                if now > start + lasting / 2 {
                    worst = worst.max(*end - *sent);
                }
                running.pop_front();
            }
            match room.enter(now) {
                Some(inside) => {
                    let slot = free.iter_mut().min().unwrap();
                    *slot = (*slot).max(now) + MILLISECOND * 20;
                    running.push_back((*slot, now, inside));
                }
                None => refused += 1,
            }
            now += pause;
        }
        (served, refused, worst)
    }

    #[test]
    fn an_upstream_that_is_asked_three_times_too_much_is_kept_busy_and_answers_in_time() {
        let room = Room::new(Some(LATENCY));
        let (served, refused, worst) =
            besieged(&room, 16, Duration::from_micros(417), Duration::from_secs(20));
        assert!(served > 15_200, "{served} of 16000");
        assert!(refused > 30_000, "{refused}");
        assert!(worst < MILLISECOND * 100, "{worst:?}");
    }

    #[test]
    fn an_upstream_that_is_late_however_little_it_is_asked_is_asked_as_before() {
        let (room, start) = (Room::new(Some(LATENCY)), Instant::now());
        let (mut now, mut refused) = (start, 0);
        let mut running = VecDeque::new();
        while now < start + IN_VAIN / 2 {
            while let Some((sent, _)) = running.front().filter(|(sent, _)| *sent + LATENCY * 2 <= now) {
                room.note(LATENCY, *sent, *sent + LATENCY * 2);
                running.pop_front();
            }
            match room.enter(now) {
                Some(inside) => running.push_back((now, inside)),
                None => refused += 1,
            }
            now += MILLISECOND;
        }
        assert!((1..3000).contains(&refused), "{refused} of 30000");
    }

    #[test]
    fn nobody_is_refused_where_answers_are_in_time_or_no_time_is_said() {
        let room = Room::new(Some(LATENCY));
        assert_eq!(besieged(&room, 16, MILLISECOND * 2, Duration::from_secs(5)).1, 0);
        let (room, now) = (Room::new(None), Instant::now());
        let all: Vec<_> = (0..10_000).map_while(|_| room.enter(now)).collect();
        assert_eq!(all.len(), 10_000);
    }

    #[test]
    fn an_upstream_that_falls_silent_is_asked_less_and_never_nothing() {
        let (room, start) = (Room::new(Some(LATENCY)), Instant::now());
        let mut inside: Vec<_> = (0..64).filter_map(|_| room.enter(start)).collect();
        assert_eq!(inside.len(), 64);
        assert!(room.enter(start + LATENCY * 5).is_none());
        inside.truncate(31);
        assert!(room.enter(start + LATENCY * 5).is_some());
        inside.clear();
        room.change(0, start + LATENCY * 6);
        assert!(room.enter(start + LATENCY * 6).is_some());
    }

    #[test]
    fn who_was_kept_out_comes_in_again_when_answers_are_in_time() {
        let room = Room::new(Some(LATENCY));
        besieged(&room, 4, Duration::from_micros(500), Duration::from_secs(5));
        let tight = room.most.get();
        besieged(&room, 64, Duration::from_micros(500), Duration::from_secs(5));
        assert!(room.most.get() > tight, "{tight}");
    }
}

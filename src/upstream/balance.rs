//! Which endpoint a request goes to.
//!
//! Three rules, one order of preference: first who takes part, by the luck of its share while it returns; then who is
//! not left alone; then anybody, since an endpoint that is thought to be dead is worth more than a sure refusal.
//!
//! `hash-session` is rendezvous hashing: each endpoint scores a session, the best score has it. Every worker and every
//! gateway finds the same one without telling each other, and when an endpoint goes, only its own sessions move. How busy
//! an endpoint is counts for the worker that asks: that needs no shared number on the path of every request, and two
//! choices are enough for workers not to agree on one victim.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher};

use crate::config::Balance;

/// What a choice depends on.
pub(crate) trait Endpoints {
    /// How many there are.
    fn count(&self) -> usize;
    /// Whether this one may be chosen at all.
    fn admits(&self, at: usize) -> bool;
    /// Of 256 requests, how many it may be asked for.
    fn share(&self, at: usize) -> u64;
    /// Requests of this worker on their way to it.
    fn busy(&self, at: usize) -> u32;
    /// A number of its own, the same in every process.
    fn seed(&self, at: usize) -> u64;
}

/// One worker's choices for one upstream.
pub(crate) struct Chooser {
    rule: Balance,
    next: Cell<usize>,
    dice: Cell<u64>,
}

impl Chooser {
    pub(crate) fn new(rule: Balance) -> Self {
        let random = std::hash::RandomState::new().build_hasher().finish();
        // Workers that all begin at the first endpoint would send it a burst.
        let next = usize::try_from(random >> 40).unwrap_or_default();
        Self { rule, next: Cell::new(next), dice: Cell::new(random | 1) }
    }

    /// The endpoint for a request, of a session if it has one; `None` if none is admitted.
    pub(crate) fn choose(&self, endpoints: &impl Endpoints, session: Option<u64>) -> Option<usize> {
        let lot = |at: usize| match (self.rule, session) {
            (Balance::HashSession, Some(session)) => mix(session ^ !endpoints.seed(at)) & 0xff,
            _ => self.throw() & 0xff,
        };
        self.among(endpoints, session, |at| match endpoints.share(at) {
            256.. => true,
            share => lot(at) < share,
        })
        .or_else(|| self.among(endpoints, session, |at| endpoints.share(at) > 0))
        .or_else(|| self.among(endpoints, session, |_| true))
    }

    fn among(
        &self,
        endpoints: &impl Endpoints,
        session: Option<u64>,
        takes_part: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let fits = |at: &usize| endpoints.admits(*at) && takes_part(*at);
        let from = |start: usize| {
            let count = endpoints.count();
            (0..count).map(move |step| (start % count + step) % count)
        };
        match (self.rule, session) {
            (Balance::HashSession, Some(session)) => {
                (0..endpoints.count()).filter(fits).max_by_key(|at| mix(session ^ endpoints.seed(*at)))
            }
            (Balance::RoundRobin, _) => {
                let at = from(self.next.get()).find(fits)?;
                self.next.set(at + 1);
                Some(at)
            }
            (Balance::LeastRequest | Balance::HashSession, _) => {
                let one = from(self.number()).find(fits)?;
                let other = from(self.number()).find(|at| *at != one && fits(at));
                let lighter = other.filter(|other| endpoints.busy(*other) < endpoints.busy(one));
                Some(lighter.unwrap_or(one))
            }
        }
    }

    fn number(&self) -> usize {
        usize::try_from(self.throw() >> 33).unwrap_or_default()
    }

    /// Marsaglia's xorshift: two requests in a row need not be told apart by an attacker, only spread.
    fn throw(&self) -> u64 {
        let mut dice = self.dice.get();
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        self.dice.set(dice);
        dice
    }
}

/// A number that stands for a text: FNV-1a, then mixed. The same everywhere and for ever, so that several gateways agree.
pub(crate) fn number_of(text: &str) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    mix(text.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step))
}

/// The finaliser of splitmix64: every bit of the input moves every bit of the output.
fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares and how busy each is.
    struct Fixed(Vec<(u64, u32)>);

    impl Endpoints for Fixed {
        fn count(&self) -> usize {
            self.0.len()
        }
        fn admits(&self, _: usize) -> bool {
            true
        }
        fn share(&self, at: usize) -> u64 {
            self.0[at].0
        }
        fn busy(&self, at: usize) -> u32 {
            self.0[at].1
        }
        fn seed(&self, at: usize) -> u64 {
            number_of(&format!("http://127.0.0.1:{at}"))
        }
    }

    /// How often each of `endpoints` is chosen in 10,000 requests of as many sessions.
    fn counts(rule: Balance, endpoints: &Fixed) -> Vec<u32> {
        let chooser = Chooser::new(rule);
        let mut counts = vec![0; endpoints.0.len()];
        for session in 0..10_000 {
            counts[chooser.choose(endpoints, Some(mix(session))).unwrap()] += 1;
        }
        counts
    }

    const RULES: [Balance; 3] = [Balance::RoundRobin, Balance::LeastRequest, Balance::HashSession];

    #[test]
    fn who_is_left_alone_is_not_asked_while_there_is_another() {
        for rule in RULES {
            let counts = counts(rule, &Fixed(vec![(0, 0), (256, 9), (0, 0), (256, 9)]));
            assert_eq!((counts[0], counts[2]), (0, 0), "{rule:?}");
            assert!(counts[1] > 2000 && counts[3] > 2000, "{rule:?}: {counts:?}");
        }
    }

    #[test]
    fn if_all_are_left_alone_all_are_asked() {
        for rule in RULES {
            let counts = counts(rule, &Fixed(vec![(0, 0); 3]));
            assert!(counts.iter().all(|count| *count > 2500), "{rule:?}: {counts:?}");
        }
    }

    #[test]
    fn who_returns_alone_among_the_dead_gets_everything() {
        for rule in RULES {
            assert_eq!(counts(rule, &Fixed(vec![(0, 0), (13, 0), (0, 0)])), [0, 10_000, 0], "{rule:?}");
        }
    }

    #[test]
    fn who_returns_gets_a_small_share() {
        for rule in RULES {
            let counts = counts(rule, &Fixed(vec![(256, 0), (26, 0)]));
            assert!((200..1500).contains(&counts[1]), "{rule:?}: {counts:?}");
        }
    }

    #[test]
    fn the_busier_of_two_is_never_chosen() {
        assert_eq!(counts(Balance::LeastRequest, &Fixed(vec![(256, 3), (256, 2)])), [0, 10_000]);
    }

    #[test]
    fn turns_are_taken_in_order() {
        let (chooser, endpoints) = (Chooser::new(Balance::RoundRobin), Fixed(vec![(256, 0); 3]));
        let first = chooser.choose(&endpoints, None).unwrap();
        for turn in 1..9 {
            assert_eq!(chooser.choose(&endpoints, None), Some((first + turn) % 3));
        }
    }

    #[test]
    fn a_session_stays_and_only_those_of_a_lost_endpoint_move() {
        let (chooser, again) = (Chooser::new(Balance::HashSession), Chooser::new(Balance::HashSession));
        let (all, fewer) =
            (Fixed(vec![(256, 0); 5]), Fixed((0..5).map(|at| (if at == 2 { 0 } else { 256 }, 0)).collect()));
        let mut moved = 0;
        for session in 0..10_000 {
            let session = Some(number_of(&session.to_string()));
            let home = chooser.choose(&all, session);
            assert_eq!(again.choose(&all, session), home);
            if again.choose(&fewer, session) != home {
                assert_eq!(home, Some(2));
                moved += 1;
            }
        }
        assert!((1700..2300).contains(&moved), "{moved}");
    }
}

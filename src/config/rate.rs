//! How often something may happen, as people write it.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// What follows the `/`, and how long that is.
const PERIODS: &[(&str, u64)] = &[
    ("s", 1),
    ("sec", 1),
    ("min", 60),
    ("m", 60),
    ("h", 3600),
    ("hour", 3600),
    ("d", 86_400),
    ("day", 86_400),
];
/// More often than this is no limit that one process could tell from none.
const COUNT_MAX: u32 = 1_000_000;
/// How many periods' worth may come at once; more would be another, longer period.
const BURST_PERIODS_MAX: u32 = 100;

/// So many in so long, and how many of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: NonZeroU32,
    /// In how long.
    pub per: Duration,
    /// How many may come at once after a pause.
    pub burst: NonZeroU32,
}

/// `[limits]`: how often somebody may ask, over all routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// One client address.
    pub client: Option<Rate>,
    /// One session.
    pub session: Option<Rate>,
    /// One client address with cookies of which a store knows no session.
    pub lookups: Option<Rate>,
    /// How many addresses and sessions are remembered at most.
    pub keys: usize,
    /// Whether all gateways count together, lookups apart.
    pub shared: bool,
}

/// How often a route may be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteRates {
    /// By one client address.
    pub client: Option<Rate>,
    /// With one session.
    pub session: Option<Rate>,
    /// By all together.
    pub route: Option<Rate>,
}

impl Rate {
    /// Reads `100/min`, or `10/s burst 50`; the burst is the count where it is left out.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (rate, burst) = match text.split_once(" burst ") {
            Some((rate, burst)) => (rate, Some(number(burst)?)),
            None => (text, None),
        };
        let (count, period) = rate.split_once('/')?;
        let count = number(count)?;
        let (_, secs) = PERIODS.iter().find(|(name, _)| *name == period)?;
        let burst = burst.unwrap_or(count);
        let bounded = count.get() <= COUNT_MAX && burst.get() / count <= BURST_PERIODS_MAX;
        bounded.then_some(Self { count, per: Duration::from_secs(*secs), burst })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.per.as_secs();
        let period = match secs {
            1 => "s",
            60 => "min",
            3600 => "h",
            _ => "d",
        };
        write!(f, "{}/{period}", self.count)?;
        if self.burst == self.count { Ok(()) } else { write!(f, " burst {}", self.burst) }
    }
}

/// A number of digits alone.
fn number(text: &str) -> Option<NonZeroU32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_rate_is_refused() {
        let wrong = [
            "",
            "100",
            "100/",
            "/min",
            "0/s",
            "+1/s",
            "1.5/s",
            "1 / s",
            "1/fortnight",
            "5/s burst",
            "5/s burst 0",
        ];
        let beyond = ["4294967296/s", "1000001/s", "1/d burst 200"];
        for text in wrong.iter().chain(&beyond) {
            assert_eq!(Rate::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_rate_is_written_as_it_is_read() {
        for text in ["100/min", "10/s burst 50", "1/h", "5/d burst 1"] {
            assert_eq!(Rate::parse(text).unwrap().to_string(), text);
        }
        let rate = Rate::parse("10/s burst 50").unwrap();
        assert_eq!((rate.count.get(), rate.per.as_secs(), rate.burst.get()), (10, 1, 50));
    }
}

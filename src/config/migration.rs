//! How a route moves its users over.

use std::fmt;
use std::time::Duration;

use crate::config::UpstreamId;

/// Parts that a whole is divided into: two digits behind the percent's point.
const PARTS: u16 = 10_000;

/// A share of a whole, to the hundredth of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// Nobody.
    pub const NONE: Self = Self(0);
    /// Everybody.
    pub const ALL: Self = Self(PARTS);

    /// Reads `10%`, `0.5%`, `12.25%`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "00"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || whole.len() > 3 || fraction.len() > 2 {
            return None;
        }
        let hundredths = if fraction.len() == 1 { 10 } else { 1 } * fraction.parse::<u16>().ok()?;
        let parts = whole.parse::<u16>().ok()? * 100 + hundredths;
        (parts <= PARTS).then_some(Self(parts))
    }

    /// Of so many parts, which [`Share::ALL`] has.
    pub const fn of_parts(parts: u16) -> Self {
        if parts < PARTS { Self(parts) } else { Self::ALL }
    }

    /// In ten-thousandths.
    pub const fn parts(self) -> u16 {
        self.0
    }

    /// As a number from 0 to 1.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(PARTS)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, rest) if rest % 10 == 0 => write!(f, "{whole}.{}%", rest / 10),
            (whole, rest) => write!(f, "{whole}.{rest:02}%"),
        }
    }
}

/// `rollout` of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// Whom the route's rules count for at first.
    pub share: Share,
    /// The shares that follow, each larger than the one before.
    pub steps: Vec<Share>,
    /// How long each share lasts before the next.
    pub every: Duration,
    /// Who serves the others.
    pub rest: UpstreamId,
    /// By how much the new side's error rate may exceed the old one's.
    pub margin: Share,
    /// How many requests must have been seen before anything is concluded.
    pub minimum: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_share_is_refused() {
        for text in ["", "%", "10", "-1%", "101%", "100.01%", "1.%", ".5%", "1.234%", " 1%", "1e1%", "٣%"] {
            assert_eq!(Share::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_share_reads_back_as_it_was_written() {
        for text in ["0%", "0.01%", "0.5%", "10%", "12.25%", "99.99%", "100%"] {
            assert_eq!(Share::parse(text).map(|share| share.to_string()).as_deref(), Some(text));
        }
    }
}

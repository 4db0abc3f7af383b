//! Durations and sizes as people write them.

use std::time::Duration;

/// Ends of durations, in milliseconds; longer ends first where one ends in another.
const DURATIONS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Ends of sizes, in bytes; longer ends first where one ends in another.
const SIZES: &[(&str, u64)] = &[
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// What is wrong with a quantity.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum UnitError {
    /// Larger than a number can be; nobody means that.
    TooLarge,
    /// A number alone, where a unit is needed.
    UnitMissing,
    /// A number with something else behind it.
    UnitUnknown(String),
    /// No number at all, or one with a sign, fraction or exponent.
    NumberMissing,
}

/// Reads `250ms`, `2s`, `5m`, `24h`, `30d`.
pub(crate) fn duration(text: &str) -> Result<Duration, UnitError> {
    match quantity(text, DURATIONS)? {
        (millis, true) => Ok(Duration::from_millis(millis)),
        (0, false) => Ok(Duration::ZERO),
        (_, false) => Err(UnitError::UnitMissing),
    }
}

/// Reads `4KiB`, `10MiB`, `64KB`, `512`.
pub(crate) fn size(text: &str) -> Result<u64, UnitError> {
    quantity(text, SIZES).map(|(bytes, _)| bytes)
}

/// The number in the smallest unit, and whether a unit was written.
fn quantity(text: &str, units: &[(&str, u64)]) -> Result<(u64, bool), UnitError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(UnitError::NumberMissing);
    }
    let number: u64 = number.parse().map_err(|_| UnitError::TooLarge)?;
    if unit.is_empty() {
        return Ok((number, false));
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(UnitError::UnitUnknown(unit.to_owned()));
    };
    // A hundred years in milliseconds, and four petabytes, fit far below this.
    number
        .checked_mul(*factor)
        .filter(|value| *value <= 1 << 52)
        .map(|v| (v, true))
        .ok_or(UnitError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_without_its_unit_is_no_duration() {
        assert_eq!(duration("30"), Err(UnitError::UnitMissing));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn fractions_signs_and_spaces_are_refused() {
        assert_eq!(duration("-1s"), Err(UnitError::NumberMissing));
        assert_eq!(duration(""), Err(UnitError::NumberMissing));
        assert_eq!(duration("1.5s"), Err(UnitError::UnitUnknown(".5s".into())));
        assert_eq!(duration("5 s"), Err(UnitError::UnitUnknown(" s".into())));
        assert_eq!(duration("1h30m"), Err(UnitError::UnitUnknown("h30m".into())));
        assert_eq!(size("4kib"), Err(UnitError::UnitUnknown("kib".into())));
    }

    #[test]
    fn overflow_is_an_error_and_not_a_wrap() {
        assert_eq!(duration("99999999999999999999d"), Err(UnitError::TooLarge));
        assert_eq!(duration("18446744073709551615d"), Err(UnitError::TooLarge));
        assert_eq!(size("18446744073709551615GiB"), Err(UnitError::TooLarge));
    }

    #[test]
    fn every_unit_is_what_it_says() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("24h"), Ok(Duration::from_secs(86_400)));
        assert_eq!(duration("30d"), Ok(Duration::from_secs(2_592_000)));
        assert_eq!(size("4KiB"), Ok(4096));
        assert_eq!(size("10MiB"), Ok(10 << 20));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("64KB"), Ok(64_000));
        assert_eq!(size("7B"), Ok(7));
        assert_eq!(size("512"), Ok(512));
    }
}

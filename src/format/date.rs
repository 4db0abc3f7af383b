//! The calendar arithmetic that expiries inside records need (proleptic Gregorian, as all of them mean it).

use crate::clock::UnixMillis;

/// The instant of an RFC 3339 timestamp, with fraction and offset, as `Date.toISOString` and its kin write it; `None`
/// if it is none. Instants before 1970 read as 1970: long past either way.
pub fn rfc3339(text: &str) -> Option<UnixMillis> {
    let (date, time) = text.split_once(['T', ' '])?;
    let [year, month, day] = split(date, '-')?;
    let zone = time.find(['Z', '+', '-'])?;
    let (time, zone) = time.split_at(zone);
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [hour, minute, second] = split(time, ':')?;
    let offset = match zone.split_at_checked(1)? {
        ("Z", "") => 0,
        (sign, zone) => {
            let [hours, minutes] = split(zone, ':')?;
            (hours * 3600 + minutes * 60) * if sign == "-" { -1 } else { 1 }
        }
    };
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let ordinal = (1..month).map(|month| days_in(year, month)).sum::<i64>() + day;
    let seconds = ordinal_seconds(year, ordinal, [hour, minute, second])? - offset;
    millis(seconds, millis_of(fraction)?)
}

/// The instant of a date as cookies have it: `Sun, 22 Nov 2026 00:03:45 GMT`, or with dashes in it.
pub fn http(text: &str) -> Option<UnixMillis> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.split_once(',')?;
    let mut parts = rest.split([' ', '-']).filter(|part| !part.is_empty());
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let (time, zone) = (parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? + 1;
    if !zone.eq_ignore_ascii_case("GMT") || year.len() != 4 {
        return None;
    }
    rfc3339(&format!("{year}-{month:02}-{day:0>2}T{time}Z"))
}

/// The instant of a year, a day of it counted from 1, a time of day and nanoseconds, in UTC.
pub fn from_ordinal(year: i64, ordinal: i64, time: [i64; 3], nanos: i64) -> Option<UnixMillis> {
    millis(ordinal_seconds(year, ordinal, time)?, nanos.checked_div(1_000_000)?)
}

fn ordinal_seconds(year: i64, ordinal: i64, [hour, minute, second]: [i64; 3]) -> Option<i64> {
    // Before any arithmetic: the numbers come from a record and may be anything.
    let valid = (1..=9999).contains(&year)
        && (1..=365 + i64::from(leap(year))).contains(&ordinal)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !valid {
        return None;
    }
    let before = year - 1;
    let days = before * 365 + before / 4 - before / 100 + before / 400 + ordinal - 1 - DAYS_TO_1970;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// From 0001-01-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_162;

const fn leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn millis(seconds: i64, millis: i64) -> Option<UnixMillis> {
    let total = seconds.checked_mul(1000)?.checked_add(millis)?;
    Some(UnixMillis::new(u64::try_from(total).unwrap_or(0)))
}

fn millis_of(fraction: &str) -> Option<i64> {
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{fraction:0<3}").get(..3)?.parse().ok()
}

/// Exactly `N` decimal numbers of up to four digits.
fn split<const N: usize>(text: &str, separator: char) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for number in &mut numbers {
        let part = parts.next()?;
        let plain = (2..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = plain.then(|| part.parse().ok()).flatten()?;
    }
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_timestamp_is_none() {
        for text in [
            "",
            "T",
            "2026",
            "2026-11-21",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T00:00:00",
            "2026-11-21T00:00Z",
            "2026-11-21T00:00:00.xZ",
            "2026-11-21T00:00:00Zx",
            "+026-11-21T00:00:00Z",
            "2026-11-21T00:00:00+1",
            "2026-11-21T-1:00:00Z",
            "é",
        ] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn fractions_offsets_and_leap_days_are_exact() {
        let millis = |text| rfc3339(text).map(UnixMillis::as_millis);
        assert_eq!(millis("2023-11-14T22:13:20.000Z"), Some(1_700_000_000_000));
        assert_eq!(millis("2023-11-15T00:13:20.25+02:00"), Some(1_700_000_000_250));
        assert_eq!(millis("2024-02-29T00:00:00.123456Z"), Some(1_709_164_800_123));
        assert_eq!(millis("1960-01-01T00:00:00Z"), Some(0));
    }

    #[test]
    fn a_day_of_the_year_is_counted_from_one() {
        assert_eq!(from_ordinal(2026, 325, [1, 13, 52], 0).map(UnixMillis::as_secs), Some(1_795_223_632));
        assert_eq!(from_ordinal(2026, 366, [0, 0, 0], 0), None);
        assert_eq!(from_ordinal(2026, 0, [0, 0, 0], 0), None);
    }
}

//! `java.time` and `java.util.Date` as ISO 8601 text, the way their `toString` writes it.

use crate::codec::civil;

/// The text of what `java.time.Ser` wrote: a type byte, then the type's own fields.
pub(crate) fn text(block: &[u8]) -> Option<String> {
    let mut rest = block.get(1..)?;
    let bytes = &mut rest;
    let text = match block.first()? {
        1 => duration(int64(bytes)?, nanos(bytes)?),
        2 => format!("{}{}Z", civil::date_time(int64(bytes)?), fraction(nanos(bytes)?)),
        3 => date_of(bytes)?,
        4 => time_of(bytes)?,
        5 => format!("{}T{}", date_of(bytes)?, time_of(bytes)?),
        6 => {
            let local = format!("{}T{}", date_of(bytes)?, time_of(bytes)?);
            let offset = offset_of(bytes)?;
            match byte(bytes)? {
                7 => format!("{local}{offset}[{}]", region(bytes)?),
                8 => format!("{local}{}", offset_of(bytes)?),
                _ => return None,
            }
        }
        7 => region(bytes)?,
        8 => offset_of(bytes)?,
        9 => format!("{}{}", time_of(bytes)?, offset_of(bytes)?),
        10 => format!("{}T{}{}", date_of(bytes)?, time_of(bytes)?, offset_of(bytes)?),
        11 => int32(bytes)?.to_string(),
        12 => format!("{:04}-{:02}", int32(bytes)?, byte(bytes)?),
        13 => format!("--{:02}-{:02}", byte(bytes)?, byte(bytes)?),
        14 => format!("P{}Y{}M{}D", int32(bytes)?, int32(bytes)?, int32(bytes)?),
        _ => return None,
    };
    rest.is_empty().then_some(text)
}

/// The text of a `java.util.Date`; a `java.sql.Timestamp` has its fraction in `nanos`.
pub(crate) fn date(millis: i64, nanos: Option<i64>) -> Option<String> {
    let fallback = millis.rem_euclid(1000) * 1_000_000;
    let nanos = u32::try_from(nanos.unwrap_or(fallback)).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(format!("{}{}Z", civil::date_time(millis.div_euclid(1000)), fraction(nanos)))
}

/// Digits after the point in groups of three.
fn fraction(nanos: u32) -> String {
    match nanos {
        0 => String::new(),
        _ if nanos.is_multiple_of(1_000_000) => format!(".{:03}", nanos / 1_000_000),
        _ if nanos.is_multiple_of(1000) => format!(".{:06}", nanos / 1000),
        _ => format!(".{nanos:09}"),
    }
}

/// `PT-1.5S`: seconds only, which is as good an ISO 8601 duration as one with hours.
fn duration(seconds: i64, nanos: u32) -> String {
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let (whole, rest) = (total.unsigned_abs() / 1_000_000_000, total.unsigned_abs() % 1_000_000_000);
    let rest = format!(".{rest:09}");
    let rest = rest.trim_end_matches('0').trim_end_matches('.');
    format!("PT{}{whole}{rest}S", if total < 0 { "-" } else { "" })
}

fn date_of(bytes: &mut &[u8]) -> Option<String> {
    Some(format!("{:04}-{:02}-{:02}", int32(bytes)?, byte(bytes)?, byte(bytes)?))
}

/// Hour, minute, second and nanosecond; the last one that is not zero is complemented if it is not a nanosecond.
fn time_of(bytes: &mut &[u8]) -> Option<String> {
    let mut parts = [0_u8; 3];
    let mut ended = false;
    for part in &mut parts {
        let read = i8::from_be_bytes([byte(bytes)?]);
        ended = read < 0;
        *part = u8::try_from(if ended { !read } else { read }).ok()?;
        if ended {
            break;
        }
    }
    let nanos = if ended { 0 } else { nanos(bytes)? };
    let [hour, minute, second] = parts;
    Some(match (second, nanos) {
        (0, 0) => format!("{hour:02}:{minute:02}"),
        _ => format!("{hour:02}:{minute:02}:{second:02}{}", fraction(nanos)),
    })
}

/// Quarters of an hour, or 127 and the seconds.
fn offset_of(bytes: &mut &[u8]) -> Option<String> {
    let quarters = i8::from_be_bytes([byte(bytes)?]);
    let seconds = if quarters == 127 { int32(bytes)? } else { i32::from(quarters) * 900 };
    (seconds.unsigned_abs() <= 18 * 3600).then(|| civil::offset(seconds))
}

fn region(bytes: &mut &[u8]) -> Option<String> {
    let length = usize::from(u16::from_be_bytes(*take(bytes)?));
    let (name, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    std::str::from_utf8(name).ok().map(str::to_owned)
}

fn nanos(bytes: &mut &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*take(bytes)?)).filter(|nanos| *nanos < 1_000_000_000)
}

fn int64(bytes: &mut &[u8]) -> Option<i64> {
    take(bytes).map(|bytes| i64::from_be_bytes(*bytes))
}

fn int32(bytes: &mut &[u8]) -> Option<i32> {
    take(bytes).map(|bytes| i32::from_be_bytes(*bytes))
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    take(bytes).map(|[byte]| *byte)
}

fn take<'b, const N: usize>(bytes: &mut &'b [u8]) -> Option<&'b [u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(taken)
}

//! Times, dates and decimals out of what their classes dump, as ISO 8601 where Ruby has several texts.

use crate::codec::graph::{Graph, Node, NodeId};
use crate::codec::{Value, civil};

/// What `_dump` of a known class says; `None` for any other class or for bytes it would not write.
pub(super) fn dumped(class: &str, bytes: &[u8]) -> Option<String> {
    match class {
        "Time" => time(bytes),
        "BigDecimal" => {
            // The precision in front of the colon is about memory.
            let text = std::str::from_utf8(bytes).ok()?;
            let (_, number) = text.split_once(':')?;
            number.is_ascii().then(|| plain(number).unwrap_or_else(|| number.to_owned()))
        }
        _ => None,
    }
}

/// `0.125e2` as `12.5`, as ActiveSupport prints it; `None` for what has no exponent or more digits than any amount.
fn plain(number: &str) -> Option<String> {
    const DIGITS_MAX: usize = 128;
    let (mantissa, exponent) = number.split_once('e')?;
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest.strip_prefix("0.")?),
        None => ("", mantissa.strip_prefix("0.")?),
    };
    let exponent: i16 = exponent.parse().ok()?;
    let shift = usize::from(exponent.unsigned_abs());
    if digits.len() + shift > DIGITS_MAX || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(if exponent <= 0 {
        format!("{sign}0.{}{digits}", "0".repeat(shift))
    } else {
        match digits.split_at_checked(shift).filter(|(_, fraction)| !fraction.is_empty()) {
            Some((whole, fraction)) => format!("{sign}{whole}.{fraction}"),
            None => format!("{sign}{digits:0<shift$}.0"),
        }
    })
}

/// What `marshal_dump` of a known class says, from the parts of its array.
pub(super) fn marshalled(class: &str, parts: &[NodeId], graph: &Graph) -> Option<String> {
    match (class, parts) {
        ("Date", [_, day, ..]) => civil(int(graph, *day)?),
        ("DateTime", [_, day, seconds, ..]) => {
            let seconds = int(graph, *seconds).filter(|seconds| (0..86_400).contains(seconds))?;
            let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            Some(format!("{}T{hour:02}:{minute:02}:{second:02}Z", civil(int(graph, *day)?)?))
        }
        // The instant, the zone's name, and the same as local time.
        ("ActiveSupport::TimeWithZone", [utc, ..]) => {
            graph.text(*utc).filter(|text| text.len() <= 32).map(str::to_owned)
        }
        _ => None,
    }
}

/// Two little-endian words of packed UTC fields (Ruby's `time_mdump`, since 1.8).
fn time(bytes: &[u8]) -> Option<String> {
    let (first, rest) = bytes.split_first_chunk::<4>()?;
    let (second, _) = rest.split_first_chunk::<4>()?;
    let (date, clock) = (u32::from_le_bytes(*first), u32::from_le_bytes(*second));
    if date >> 31 == 0 {
        return None;
    }
    let (year, month) = ((date >> 14 & 0xffff) + 1900, (date >> 10 & 0xf) + 1);
    let (day, hour) = (date >> 5 & 0x1f, date & 0x1f);
    let (minute, second, micros) = (clock >> 26, clock >> 20 & 0x3f, clock & 0xf_ffff);
    let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    Some(if micros == 0 { format!("{text}Z") } else { format!("{text}.{micros:06}Z") })
}

/// The Gregorian date of a Julian day number, from year 1 to 9999: Ruby counts what is far beyond in periods that we do
/// not read.
fn civil(julian: i64) -> Option<String> {
    const JULIAN_DAY_1970: i64 = 2_440_588;
    (1_721_426..=5_373_484).contains(&julian).then(|| civil::date(julian - JULIAN_DAY_1970))
}

fn int(graph: &Graph, id: NodeId) -> Option<i64> {
    match graph.get(id)? {
        Node::Leaf(Value::Int(number)) => Some(*number),
        _ => None,
    }
}

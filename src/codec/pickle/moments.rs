//! Dates, times and zones, as Python's `str` writes them.

use crate::codec::graph::{Node, NodeId};
use crate::codec::pickle::Machine;
use crate::codec::pickle::classes::Special;
use crate::codec::{DecodeError, Value};

const SECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;

/// Makes what this module knows; `None` if it does not.
pub(super) fn known(
    machine: &mut Machine<'_>,
    name: &str,
    arguments: &[NodeId],
) -> Option<Result<(), DecodeError>> {
    let made = match name {
        "datetime.date" => date(machine, arguments).map(|text| (text, None)),
        "datetime.datetime" => datetime(machine, arguments).map(|text| (text, None)),
        "datetime.time" => time(machine, arguments).map(|text| (text, None)),
        "datetime.timedelta" => {
            span(machine, arguments).map(|micros| (span_text(micros), Some(Special::Span(micros))))
        }
        "datetime.timezone" => timezone(machine, arguments),
        "pytz._UTC" | "django.utils.timezone.UTC" => Some(("UTC".to_owned(), Some(Special::Offset(0)))),
        "pytz._p" => pytz(machine, arguments),
        "zoneinfo.ZoneInfo._unpickle" => zoneinfo(machine, arguments),
        _ => return None,
    };
    let Some((text, special)) = made else {
        return Some(Err(machine.malformed("arguments that its class would not take")));
    };
    let node = Node::Leaf(Value::Text(text));
    Some(match special {
        Some(special) => machine.push_special(node, special),
        None => machine.push(node),
    })
}

fn date(machine: &Machine<'_>, arguments: &[NodeId]) -> Option<String> {
    let [packed] = arguments else { return None };
    match machine.bytes(&[*packed])?.as_slice() {
        [high, low, month, day] => day_text(*high, *low, *month, *day),
        _ => None,
    }
}

fn datetime(machine: &Machine<'_>, arguments: &[NodeId]) -> Option<String> {
    let (packed, zone) = packed_and_zone(arguments)?;
    match machine.bytes(&[packed])?.as_slice() {
        // Since 3.6 the month's high bit is `fold`, which `str` does not show.
        [high, low, month, day, clock @ ..] => {
            let day = day_text(*high, *low, month & 0x7f, *day)?;
            Some(format!("{day} {}{}", clock_text(clock)?, zone_text(machine, zone)))
        }
        _ => None,
    }
}

fn time(machine: &Machine<'_>, arguments: &[NodeId]) -> Option<String> {
    let (packed, zone) = packed_and_zone(arguments)?;
    let mut clock = machine.bytes(&[packed])?;
    *clock.first_mut()? &= 0x7f;
    Some(clock_text(&clock)? + &zone_text(machine, zone))
}

fn packed_and_zone(arguments: &[NodeId]) -> Option<(NodeId, Option<NodeId>)> {
    match arguments {
        [packed] => Some((*packed, None)),
        [packed, zone] => Some((*packed, Some(*zone))),
        _ => None,
    }
}

fn day_text(high: u8, low: u8, month: u8, day: u8) -> Option<String> {
    let year = u16::from_be_bytes([high, low]);
    let fits = (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    fits.then(|| format!("{year:04}-{month:02}-{day:02}"))
}

fn clock_text(clock: &[u8]) -> Option<String> {
    let [hour, minute, second, a, b, c] = clock else { return None };
    let micros = u32::from_be_bytes([0, *a, *b, *c]);
    let fits = *hour < 24 && *minute < 60 && *second < 60 && micros < 1_000_000;
    let text = format!("{hour:02}:{minute:02}:{second:02}");
    fits.then(|| if micros == 0 { text } else { format!("{text}.{micros:06}") })
}

fn zone_text(machine: &Machine<'_>, zone: Option<NodeId>) -> String {
    let Some(zone) = zone else { return String::new() };
    match machine.specials.get(&zone) {
        Some(Special::Offset(micros)) => offset_text(*micros),
        Some(Special::Zone(name) | Special::Name(name)) => format!(" {name}"),
        Some(Special::Span(_)) | None => match machine.graph.get(zone) {
            Some(Node::Object { class, .. }) => format!(" {class}"),
            _ => String::new(),
        },
    }
}

fn offset_text(micros: i128) -> String {
    let sign = if micros < 0 { '-' } else { '+' };
    let seconds = micros.abs() / SECOND;
    let text = format!("{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
    if seconds % 60 == 0 { text } else { format!("{text}:{:02}", seconds % 60) }
}

fn span(machine: &Machine<'_>, arguments: &[NodeId]) -> Option<i128> {
    let units = [DAY, SECOND, 1];
    if arguments.len() > units.len() {
        return None;
    }
    let mut micros = 0;
    for (argument, unit) in arguments.iter().zip(units) {
        micros += i128::from(int(machine, *argument)?) * unit;
    }
    // Python's own bound of `timedelta`.
    (micros.abs() <= 999_999_999 * DAY).then_some(micros)
}

fn span_text(micros: i128) -> String {
    let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let days = match days {
        0 => String::new(),
        1 | -1 => format!("{days} day, "),
        _ => format!("{days} days, "),
    };
    let seconds = rest / SECOND;
    let text = format!("{days}{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if rest % SECOND == 0 { text } else { format!("{text}.{:06}", rest % SECOND) }
}

fn timezone(machine: &Machine<'_>, arguments: &[NodeId]) -> Option<(String, Option<Special>)> {
    let (offset, name) = packed_and_zone(arguments)?;
    let Some(Special::Span(micros)) = machine.specials.get(&offset) else { return None };
    let text = match name {
        Some(name) => bounded(machine.graph.text(name)?)?,
        None if *micros == 0 => "UTC".to_owned(),
        None => format!("UTC{}", offset_text(*micros)),
    };
    (micros.abs() < DAY).then_some((text, Some(Special::Offset(*micros))))
}

/// pytz, the zones of Django before 4: the name alone, or with the offset of the moment.
fn pytz(machine: &Machine<'_>, arguments: &[NodeId]) -> Option<(String, Option<Special>)> {
    let name = bounded(machine.graph.text(*arguments.first()?)?)?;
    let special = match arguments.get(1) {
        Some(seconds) => Special::Offset(i128::from(int(machine, *seconds)?) * SECOND),
        None => Special::Zone(name.clone()),
    };
    Some((name, Some(special)))
}

fn zoneinfo(machine: &Machine<'_>, arguments: &[NodeId]) -> Option<(String, Option<Special>)> {
    let name = bounded(machine.graph.text(*arguments.first()?)?)?;
    let special = if name == "UTC" { Special::Offset(0) } else { Special::Zone(name.clone()) };
    Some((name, Some(special)))
}

/// A zone's name is copied into every moment that refers to it, so it must be short.
fn bounded(name: &str) -> Option<String> {
    (name.len() <= 64).then(|| name.to_owned())
}

fn int(machine: &Machine<'_>, id: NodeId) -> Option<i64> {
    match machine.graph.get(id)? {
        Node::Leaf(Value::Int(int)) => Some(*int),
        _ => None,
    }
}

//! When a file was captured: the time at which expiries inside its records are judged.
//!
//! Files of tokens say so outright, as `captured_at_ms`. The captured ones do not, but nearly all give it away, to within the seconds a scenario takes, which is nothing beside
//! the shortest session (half an hour) and the expired ones (decades). In this order:
//! 1. a command that sets an absolute end (`EXAT`, `PXAT`, `EXPIREAT`, `PEXPIREAT`), less the TTL seen right after it;
//! 2. a Set-Cookie with `Expires` and `Max-Age`: their difference; with `Expires` alone: less the TTL of the step's key;
//! 3. the latest `creationTime` of a hash, a Java long or its digits;
//! 4. the earliest timestamp since 2024 in a command (a creation time): ISO 8601, or Unix seconds or
//!    milliseconds.
//!
//! 1 to 3 take the latest of the file. A file without any has nothing that expires but what is decades old: 2024 will do.

use cloakroom::clock::UnixMillis;
use cloakroom::format::date;
use serde_json::Value as Json;

/// 2024-01-01T00:00:00Z.
const YEAR_2024: u64 = 1_704_067_200_000;

pub(crate) fn of(file: &Json) -> UnixMillis {
    if let Some(moment) = file["captured_at_ms"].as_u64() {
        return UnixMillis::new(moment);
    }
    let steps: Vec<_> = file["steps"].as_array().into_iter().flatten().collect();
    let latest = |read: fn(&Json) -> Vec<u64>| steps.iter().flat_map(|step| read(step)).max();
    let earliest = |read: fn(&Json) -> Vec<u64>| steps.iter().flat_map(|step| read(step)).min();
    let moment = latest(ends_in_commands)
        .or_else(|| latest(ends_in_cookies))
        .or_else(|| creations(file).into_iter().max())
        .or_else(|| earliest(timestamps));
    UnixMillis::new(moment.unwrap_or(YEAR_2024))
}

fn creations(file: &Json) -> Vec<u64> {
    let entries = file["states"].as_object().into_iter().flatten().flat_map(|(_, state)| state.as_array());
    let times = entries.flatten().filter_map(|entry| entry["hash_hex"]["creationTime"].as_str());
    let read = |hex: &str| {
        let bytes = crate::gateway::unhex(hex);
        let digits = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
        digits.or_else(|| Some(u64::from_be_bytes(*bytes.last_chunk()?)))
    };
    times.filter_map(read).collect()
}

fn ends_in_commands(step: &Json) -> Vec<u64> {
    let mut moments = Vec::new();
    for command in texts(&step["redis_commands"]) {
        let words: Vec<_> = command.split(' ').collect();
        let argument = |name: &str, behind: usize| {
            let at = words.iter().position(|word| word.eq_ignore_ascii_case(name))?;
            words.get(at + behind)?.parse::<u64>().ok()
        };
        let seconds = argument("EXAT", 1).or_else(|| argument("EXPIREAT", 2)).map(|seconds| seconds * 1000);
        let end = seconds.or_else(|| argument("PXAT", 1)).or_else(|| argument("PEXPIREAT", 2));
        let ttls = step["ttl_ms_after"].as_object().into_iter().flatten();
        let ttl = ttls.filter(|(key, _)| words.contains(&key.as_str())).find_map(|(_, ttl)| ttl.as_u64());
        moments.extend(end.zip(ttl).and_then(|(end, ttl)| end.checked_sub(ttl)));
    }
    moments
}

fn ends_in_cookies(step: &Json) -> Vec<u64> {
    let mut moments = Vec::new();
    let ttls = step["ttl_ms_after"].as_object().into_iter().flatten();
    let ttl = ttls.filter_map(|(_, ttl)| ttl.as_u64()).max();
    for cookie in texts(&step["set_cookie"]) {
        let attribute = |name: &str| {
            cookie.split("; ").find_map(|part| {
                let (found, value) = part.split_once('=')?;
                found.eq_ignore_ascii_case(name).then_some(value)
            })
        };
        let age = attribute("Max-Age").and_then(|age| age.parse::<u64>().ok()).map(|age| age * 1000);
        let end = attribute("Expires").and_then(http_date);
        moments.extend(
            end.zip(age.filter(|age| *age > 0).or(ttl)).and_then(|(end, life)| end.checked_sub(life)),
        );
    }
    // A cookie that is taken back expires in 1970.
    moments.retain(|moment| *moment > YEAR_2024);
    moments
}

fn timestamps(step: &Json) -> Vec<u64> {
    let mut moments = Vec::new();
    for command in texts(&step["redis_commands"]) {
        let dates = command.split(|letter: char| !letter.is_ascii_alphanumeric() && !"-:.".contains(letter));
        moments.extend(dates.filter_map(|word| date::rfc3339(word).map(UnixMillis::as_millis)));
        for digits in command.split(|letter: char| !letter.is_ascii_alphanumeric()) {
            let number = digits.parse::<u64>().ok();
            moments.extend(match digits.len() {
                10 => number.map(|seconds| seconds * 1000),
                13 => number,
                _ => None,
            });
        }
    }
    moments.retain(|moment| *moment > YEAR_2024);
    moments
}

/// `Sat, 21 Nov 2026 01:02:37 GMT`.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = text.replace('-', " ");
    let [_, day, month, year, time, "GMT"] = text.split(' ').collect::<Vec<_>>()[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    date::rfc3339(&format!("{year}-{month:02}-{day}T{time}Z")).map(UnixMillis::as_millis)
}

fn texts(list: &Json) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Json::as_str)
}

//! Whether decoded data is what the app itself saw.
//!
//! The captures wrote the app's session as JSON; what JSON has no word for is an object with `$py`, `$rb` or `$php`, the
//! type's name, and its text or fields. Equal are: numbers by value; such a text and a text; bytes and their text in
//! the capture, which from Go is base64; a set and a list; an object and one of the same class whose fields, as far as they were shown, are equal; an empty list and an empty map, which PHP
//! cannot tell apart; anything where the capture says `opaque`, a value that only the app's code makes sense of; a Java map that was captured as text and that map. Spring's security context may be there besides:
//! the captured app showed the user of it instead. Everything else must be the same.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloakroom::codec::Value;
use cloakroom::format::date;
use serde_json::Value as Json;

/// `Err` names the place that differs.
pub(crate) fn same(expected: &Json, actual: &Value) -> Result<(), String> {
    let equal = match (expected, actual) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(expected), Value::Bool(actual)) => expected == actual,
        (Json::Number(expected), Value::Int(actual)) => {
            expected.as_i64() == Some(*actual) || expected.as_f64().is_some_and(|float| is(float, *actual))
        }
        (Json::Number(expected), Value::Float(actual)) => expected.as_f64() == Some(*actual),
        (Json::Number(expected), Value::BigInt(actual)) => expected.as_f64() == actual.parse().ok(),
        (Json::String(expected), Value::Text(actual)) => expected == actual,
        (Json::String(expected), Value::Bytes(actual)) => STANDARD.encode(actual) == *expected,
        (Json::String(expected), Value::Map(_)) => *expected == java_text(actual),
        (Json::String(expected), Value::Object { class, .. }) => {
            expected == PHP_TOKEN && class.ends_with("Token")
        }
        (Json::Array(expected), Value::List(actual)) => {
            if expected.len() != actual.len() {
                return Err(format!("{} elements instead of {}", actual.len(), expected.len()));
            }
            for (index, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                same(expected, actual).map_err(|at| format!("[{index}]{at}"))?;
            }
            true
        }
        (Json::Array(expected), Value::Map(actual)) => expected.is_empty() && actual.is_empty(),
        (Json::Object(fields), _) if marked(fields).is_some() => return same_marked(fields, actual),
        (Json::Object(expected), Value::List(actual)) => expected.is_empty() && actual.is_empty(),
        (Json::Object(expected), Value::Map(actual)) => return same_fields(expected, actual),
        (Json::Object(expected), Value::Object { fields, .. }) => return same_selection(expected, fields),
        (Json::Bool(true), Value::Object { .. }) => true,
        _ => false,
    };
    if equal { Ok(()) } else { Err(format!(": {actual:?} instead of {expected}")) }
}

/// In place of Symfony's token, which the app holds as an object and the record as a string.
const PHP_TOKEN: &str = "(php serialized token)";

fn same_fields(expected: &serde_json::Map<String, Json>, actual: &[(String, Value)]) -> Result<(), String> {
    same_selection(expected, actual)?;
    let shown =
        |name: &String| expected.keys().any(|key| is_key(key, name)) || name == "SPRING_SECURITY_CONTEXT";
    match actual.iter().find(|(name, _)| !shown(name)) {
        Some((name, _)) => Err(format!(".{name} is more than the app saw")),
        None => Ok(()),
    }
}

/// The fields that the app showed: of an object of its own it may keep some to itself.
fn same_selection(
    expected: &serde_json::Map<String, Json>,
    actual: &[(String, Value)],
) -> Result<(), String> {
    let flashed = flashed(expected);
    for (name, expected) in expected.iter().filter(|(name, _)| !flashed.contains(&name.as_str())) {
        let found = actual.iter().rev().find(|(key, _)| is_key(name, key)).map(|(_, value)| value);
        let found = found.ok_or(format!(".{name} is missing"))?;
        same(expected, found).map_err(|at| format!(".{name}{at}"))?;
    }
    Ok(())
}

/// Ruby's symbols are captured with their colon and read without.
fn is_key(captured: &str, read: &str) -> bool {
    captured == read || captured.strip_prefix(':') == Some(read)
}

/// What Laravel keeps for one request. It was there when the app answered; the record is what it wrote behind the answer.
fn flashed(session: &serde_json::Map<String, Json>) -> Vec<&str> {
    let Some(old) = session.get("_flash").and_then(|flash| flash["old"].as_array()) else {
        return Vec::new();
    };
    old.iter().filter_map(Json::as_str).chain(["_flash"]).collect()
}

/// The type's name, if this stands for something that JSON has no word for.
fn marked(fields: &serde_json::Map<String, Json>) -> Option<&str> {
    ["$py", "$rb", "$php"].iter().find_map(|mark| fields.get(*mark)?.as_str())
}

fn same_marked(fields: &serde_json::Map<String, Json>, actual: &Value) -> Result<(), String> {
    let class = marked(fields).unwrap_or_default();
    let text = fields.get("str").and_then(Json::as_str);
    let hex = fields.get("hex").and_then(Json::as_str).map(crate::gateway::unhex);
    if let (Value::List(_), Some(items @ Json::Array(_))) = (actual, fields.get("str")) {
        return same(items, actual);
    }
    if fields.get("opaque") == Some(&Json::Bool(true)) {
        return Ok(());
    }
    let equal = match (actual, text) {
        (Value::Text(actual), Some(text)) => {
            actual.replace('T', " ") == text.replace('T', " ") || is_same_second(actual, text)
        }
        (Value::Bytes(actual), Some(text)) => {
            escaped(actual) == text || actual.iter().copied().map(char::from).eq(text.chars())
        }
        (Value::Bytes(actual), None) => hex.is_some_and(|hex| hex == *actual),
        (Value::List(items), Some(text)) => {
            let items: Vec<_> = items.iter().map(inspected).collect();
            [format!("#<Set: {{{}}}>", items.join(", ")), format!("{{{}}}", items.join(", "))]
                .contains(&text.to_owned())
        }
        (Value::Float(actual), Some(text)) => {
            text.parse().is_ok_and(|float: f64| float == *actual || float.is_nan() && actual.is_nan())
        }
        (Value::Object { class: found, .. }, _) if class == "__PHP_Incomplete_Class" => {
            fields.get("__PHP_Incomplete_Class_Name").and_then(Json::as_str) == Some(found)
        }
        (Value::Object { class: found, fields: actual }, _) => {
            return if found == class {
                same_object(fields, actual)
            } else {
                Err(format!(": class {found} instead of {class}"))
            };
        }
        (Value::Text(actual), None) => {
            fields.get("case").and_then(Json::as_str).is_some_and(|case| actual.ends_with(case))
        }
        _ => false,
    };
    if equal { Ok(()) } else { Err(format!(": {actual:?} instead of {}", Json::from(fields.clone()))) }
}

/// PHP's private and protected names lose their marks; `(itself)` is a reference back, which a tree of data cuts off. A
/// class may take all that was written of it into one property (`__unserialize`).
fn same_object(expected: &serde_json::Map<String, Json>, actual: &[(String, Value)]) -> Result<(), String> {
    for (name, expected) in expected.iter().filter(|(name, _)| !name.starts_with('$')) {
        let bare = name.rsplit('|').next().unwrap_or(name);
        let found = actual.iter().rev().find(|(key, _)| key == bare).map(|(_, value)| value);
        match (name.as_str(), expected.as_str()) {
            (_, Some("(itself)")) => {}
            ("str", Some(text)) if ruby_range(actual).as_deref() == Some(text) => {}
            ("str", Some(text)) => {
                let holds = |value: &Value| value.as_text().is_some_and(|part| shares_instant(text, part));
                if !actual.iter().any(|(_, value)| holds(value)) {
                    return Err(format!(": nothing like {text} in it"));
                }
            }
            ("case", Some(case)) => {
                if !actual.iter().any(|(_, value)| value.as_text() == Some(case)) {
                    return Err(format!(": not the case {case}"));
                }
            }
            _ => {
                let found = found.ok_or(format!(".{bare} is missing"))?;
                let whole = expected.as_object().filter(|expected| marked(expected).is_none());
                if whole.is_none_or(|whole| same_fields(whole, actual).is_err()) {
                    same(expected, found).map_err(|at| format!(".{bare}{at}"))?;
                }
            }
        }
    }
    Ok(())
}

/// Ruby keeps a moment to the nanosecond and shows it to the second and in its own zone.
fn is_same_second(actual: &str, text: &str) -> bool {
    let second = |text: &str| date::rfc3339(text).map(|moment| moment.as_millis() / 1000);
    second(actual).is_some() && second(actual) == second(text)
}

/// `1..3`, if these are the fields of a range.
fn ruby_range(fields: &[(String, Value)]) -> Option<String> {
    let field = |name| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let dots = if *field("excl")? == Value::Bool(true) { "..." } else { ".." };
    Some(format!("{}{dots}{}", java_text(field("begin")?), java_text(field("end")?)))
}

/// `2023-11-14T22:13:20+00:00` and PHP's `2023-11-14 22:13:20.000000`.
fn shares_instant(text: &str, part: &str) -> bool {
    let seconds = |text: &str| text.get(..19).map(|text| text.replace('T', " "));
    seconds(text).is_some() && seconds(text) == seconds(part)
}

/// An element of a set as Ruby and Python print it.
fn inspected(element: &Value) -> String {
    match element {
        Value::Text(text) => format!("{text:?}"),
        other => java_text(other),
    }
}

/// Bytes as Python prints them.
fn escaped(bytes: &[u8]) -> String {
    let inner: String = bytes
        .iter()
        .map(|byte| match byte {
            b' '..=b'~' => char::from(*byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        })
        .collect();
    format!("b'{inner}'")
}

/// A map as `java.util.AbstractMap.toString` writes it.
fn java_text(value: &Value) -> String {
    match value {
        Value::Map(fields) => {
            let mut parts: Vec<_> =
                fields.iter().map(|(key, value)| format!("{key}={}", java_text(value))).collect();
            parts.sort();
            format!("{{{}}}", parts.join(", "))
        }
        Value::List(items) => {
            let parts: Vec<_> = items.iter().map(java_text).collect();
            format!("[{}]", parts.join(", "))
        }
        Value::Text(text) | Value::BigInt(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Bool(flag) => flag.to_string(),
        Value::Null => "null".into(),
        other => format!("{other:?}"),
    }
}

fn is(float: f64, int: i64) -> bool {
    format!("{float}") == int.to_string()
}

//! `request_headers` and `response_headers`.

use ::http::{HeaderName, HeaderValue};

use crate::config::check::http;
use crate::config::check::table::Table;
use crate::config::raw::{Placed, RawHeaderRules};
use crate::config::{HeaderChange, HeaderRules, Located};

/// Checks the rules under `key`. Whether a name is reserved is for those to say who reserve it.
pub(crate) fn rules(
    table: &mut Table<'_, '_>,
    key: &str,
    raw: Option<&Placed<RawHeaderRules>>,
) -> HeaderRules {
    let Some(raw) = raw.map(Placed::get) else { return HeaderRules::default() };
    let mut rules = Vec::new();
    for name in &raw.remove {
        let name = checked_name(table, &format!("{key}.remove"), name);
        rules.extend(name.map(|name| (name, HeaderChange::Remove)));
    }
    let set: fn(HeaderValue) -> HeaderChange = HeaderChange::Set;
    for (part, given, change) in [("set", &raw.set, set), ("append", &raw.append, HeaderChange::Append)] {
        let key = format!("{key}.{part}");
        let mut given: Vec<_> = given.iter().collect();
        given.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in given {
            let name = checked_name(table, &key, name);
            let value = checked_value(table, &key, value);
            rules.extend(name.zip(value.map(change)));
        }
    }
    HeaderRules(rules)
}

fn checked_value(table: &mut Table<'_, '_>, key: &str, raw: &Placed<String>) -> Option<HeaderValue> {
    let text = raw.get();
    let value = HeaderValue::from_str(text).ok().filter(|_| text.trim() == text);
    if value.is_none() {
        let found = "a value that no header can have";
        table.refuse(table.file.at(raw), key, found, "ASCII on one line, without blanks at its ends");
    }
    value
}

fn checked_name(table: &mut Table<'_, '_>, key: &str, raw: &Placed<String>) -> Option<Located<HeaderName>> {
    let (at, text) = (table.file.at(raw), raw.get());
    let Ok(value) = HeaderName::from_bytes(text.as_bytes()) else {
        table.refuse(at, key, format!("`{text}` is no header name"), "a header name, as \"x-tenant\"");
        return None;
    };
    let hint = match http::framing(value.as_str()) {
        None => return Some(Located { value, at }),
        Some(hint) => hint,
    };
    let found = format!("`{value}` belongs to the message itself");
    table.refuse_with(at, key, found, "any other header that is not reserved", hint);
    None
}

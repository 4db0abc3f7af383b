//! Every structural mistake of one file at once: unknown keys, wrong types, unknown words, missing keys.
//!
//! serde stops at the first mistake, so the document is walked against the JSON Schema first, which is made from
//! the very types that serde fills afterwards. What is wrong is taken out of the document on the way, so that the rest
//! can still be read and checked: a person sees all mistakes of the file, not those of the first stage. What the
//! taking out would cause further on (a name that is now unknown, a key that is now missing) is noted, and kept quiet.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::config::place::File;
use crate::config::schema::{Kinds, SCHEMA};
use crate::config::suggest::{closest, list};
use crate::config::{At, ConfigError, meant, pending};

/// Stands for every name of a kind in [`Findings::lost`].
pub(crate) const ALL: &str = "*";

/// What the walk found besides a readable rest of the document.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// The mistakes.
    pub(crate) errors: Vec<ConfigError>,
    /// Places whose text is a secret and must not be shown.
    pub(crate) secrets: Vec<Range<usize>>,
    /// Places of URLs, of which the user's part must not be shown.
    pub(crate) urls: Vec<Range<usize>>,
    /// Tables from which something was taken out.
    pub(crate) damaged: Vec<At>,
    /// Named tables that were taken out whole, as kind and name.
    pub(crate) lost: Vec<(String, String)>,
}

/// Walks the document of `file`, and takes out of it what is wrong.
pub(crate) fn walk(document: &mut Spanned<DeTable<'_>>, file: File) -> Findings {
    let mut walk = Walk { file, path: Vec::new(), findings: Findings::default() };
    let span = document.span();
    walk.table(document.get_mut(), &span, &SCHEMA);
    walk.findings
}

struct Walk {
    file: File,
    /// The keys from the root to here, each with what stands for it in `pending`'s paths.
    path: Vec<(String, String)>,
    findings: Findings,
}

impl Walk {
    /// Whether `value` is as `schema` says, apart from what was taken out of it.
    fn value(&mut self, value: &mut Spanned<DeValue<'_>>, schema: &Value) -> bool {
        let kinds = Kinds::of(&SCHEMA, schema);
        let span = value.span();
        if kinds.url {
            self.findings.urls.push(span.clone());
        }
        let fits = match value.get_mut() {
            whole if kinds.any => return self.plain(whole, &span),
            DeValue::String(text) if !kinds.text && !kinds.words.is_empty() => {
                let text = text.to_string();
                return self.word(&text, &span, &kinds);
            }
            DeValue::String(_) => kinds.text,
            DeValue::Integer(number) if kinds.integer => {
                let number = i64::from_str_radix(number.as_str(), number.radix());
                return self.number(number.ok(), &span, &kinds);
            }
            DeValue::Boolean(_) => kinds.boolean,
            DeValue::Array(items) => match kinds.list {
                Some(schema) => return self.items(items, schema),
                None => false,
            },
            DeValue::Table(table) => match (kinds.map, choose(table, &kinds.tables)) {
                (Some(schema), _) => return self.named(table, schema),
                (None, Some(schema)) => {
                    if kinds.secret {
                        table.iter().for_each(|(key, value)| self.hide_entry(key.get_ref(), value));
                    }
                    return self.table(table, &span, schema);
                }
                (None, None) => match pending_in(table, &self.pattern()) {
                    Some(key) => {
                        self.push(&span, not_yet(&key), "", None);
                        return false;
                    }
                    None => false,
                },
            },
            DeValue::Datetime(_) | DeValue::Float(_) | DeValue::Integer(_) => false,
        };
        if !fits {
            self.mismatch(value.get_ref(), &span, &kinds);
        }
        fits
    }

    fn table(&mut self, table: &mut DeTable<'_>, span: &Range<usize>, schema: &Value) -> bool {
        let properties = schema.get("properties").and_then(Value::as_object);
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut whole = true;
        for name in required.iter().copied().filter(|name| !table.contains_key(*name)) {
            whole = false;
            let property = properties.and_then(|all| all.get(name)).unwrap_or(&Value::Null);
            let doc =
                property.get("description").and_then(Value::as_str).and_then(|doc| doc.split(". ").next());
            let kinds = Kinds::of(&SCHEMA, property);
            let accepted = kinds.accepted.or(doc).map_or_else(|| describe(&kinds), uncapitalised);
            self.within(name, name, |walk| {
                walk.push(span, format!("`{name}` is missing"), accepted, None);
            });
        }
        let before = table.len();
        keep(table, |key, value| match properties.and_then(|all| all.get(key.get_ref().as_ref())) {
            Some(schema) => {
                let kept = self.within(key.get_ref(), key.get_ref(), |walk| walk.value(value, schema));
                whole &= kept || !required.contains(&key.get_ref().as_ref());
                if !kept && self.path.is_empty() {
                    self.findings.lost.push((key.get_ref().to_string(), ALL.to_owned()));
                }
                kept
            }
            None => {
                let names: Vec<&str> =
                    properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                self.unknown(key, value, &names);
                false
            }
        });
        if table.len() != before || !whole {
            self.findings.damaged.push(self.file.range(span));
        }
        whole
    }

    /// A table of named tables, or of named values.
    fn named(&mut self, table: &mut DeTable<'_>, schema: &Value) -> bool {
        let kind = self.pattern();
        keep(table, |name, value| {
            let kept = self.within(name.get_ref(), "*", |walk| walk.value(value, schema));
            if !kept {
                self.findings.lost.push((kind.clone(), name.get_ref().to_string()));
            }
            kept
        });
        true
    }

    /// A list loses its wrong tables; one wrong plain value makes the whole list wrong.
    fn items(&mut self, items: &mut DeArray<'_>, schema: &Value) -> bool {
        let mut kept = DeArray::new();
        let mut whole = true;
        for mut item in std::mem::replace(items, DeArray::new()) {
            if self.value(&mut item, schema) {
                kept.push(item);
            } else {
                whole &= item.get_ref().is_table();
            }
        }
        *items = kept;
        whole
    }

    fn word(&mut self, word: &str, span: &Range<usize>, kinds: &Kinds<'_>) -> bool {
        if kinds.words.contains(&word) {
            return true;
        }
        let accepted = list(kinds.words.iter().copied());
        if pending::word(&self.pattern(), word) {
            self.push(span, not_yet(word), accepted, None);
        } else {
            let near = closest(word, kinds.words.iter().copied());
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            let hint = hint.or_else(|| meant::word(&self.pattern(), word).map(str::to_owned));
            self.push(span, format!("unknown value `{}`", shorten(word)), accepted, hint);
        }
        false
    }

    fn number(&mut self, number: Option<i64>, span: &Range<usize>, kinds: &Kinds<'_>) -> bool {
        let fits =
            number.is_some_and(|number| number >= 0 && (!kinds.narrow || u32::try_from(number).is_ok()));
        if !fits {
            let accepted = kinds.accepted.unwrap_or("a whole number that is not negative");
            self.push(span, "this number is out of range", accepted, None);
        }
        fits
    }

    /// A value that is passed on as JSON, which knows neither dates nor infinities.
    fn plain(&mut self, value: &DeValue<'_>, span: &Range<usize>) -> bool {
        let found = match value {
            DeValue::Array(items) => {
                return items.iter().all(|item| self.plain(item.get_ref(), &item.span()));
            }
            DeValue::Table(table) => {
                return table.iter().all(|(_, item)| self.plain(item.get_ref(), &item.span()));
            }
            DeValue::Boolean(_) | DeValue::String(_) => return true,
            DeValue::Datetime(_) => "a date is not accepted here",
            DeValue::Float(number) => match number.as_str().parse::<f64>() {
                Ok(number) if number.is_finite() => return true,
                _ => "this number does not exist in JSON",
            },
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(_) => return true,
                Err(_) => "a number out of range",
            },
        };
        self.push(span, found, "a string, number, boolean, list or table", None);
        false
    }

    fn unknown(&mut self, key: &Spanned<Cow<'_, str>>, value: &Spanned<DeValue<'_>>, known: &[&str]) {
        let name = key.get_ref().as_ref();
        let near = closest(name, known.iter().copied());
        let telling = ["secret", "password", "token", "key"];
        if telling.iter().any(|word| near.unwrap_or(name).contains(word)) {
            self.hide(value.get_ref(), &value.span());
        }
        let here = self.pattern();
        if pending::key(&here, name) {
            self.within(name, name, |walk| walk.push(&key.span(), not_yet(name), "", None));
            return;
        }
        if let (Some(near), true) = (near, here.is_empty()) {
            self.findings.lost.push((near.to_owned(), ALL.to_owned()));
        }
        let hint = near
            .map(|near| format!("did you mean `{near}`?"))
            .or_else(|| meant::key(&here, name).map(str::to_owned))
            .or_else(|| elsewhere(name).filter(|_| known.len() > 1));
        let found = format!("unknown key `{}`", shorten(name));
        let accepted = list(known.iter().copied());
        self.within(name, name, |walk| walk.push(&key.span(), found, accepted, hint));
    }

    fn mismatch(&mut self, value: &DeValue<'_>, span: &Range<usize>, kinds: &Kinds<'_>) {
        let inner = kinds.list.map(|schema| Kinds::of(&SCHEMA, schema));
        let secret = kinds.secret || inner.as_ref().is_some_and(|inner| inner.secret);
        if secret {
            self.hide(value, span);
        }
        let here = self.pattern();
        let hint = match (value, &inner) {
            _ if kinds.hint.is_some() => kinds.hint.map(str::to_owned),
            (DeValue::Table(table), Some(inner))
                if inner.secret && choose(table, &inner.tables).is_some() =>
            {
                Some("a list has brackets: [{ ... }]".to_owned())
            }
            (_, Some(inner)) if inner.hint.is_some() => inner.hint.map(str::to_owned),
            (DeValue::Table(_), Some(inner)) if !inner.tables.is_empty() => {
                Some(format!("a list of tables has two brackets: [[{here}]]"))
            }
            (DeValue::Array(_), _) if !kinds.tables.is_empty() || kinds.map.is_some() => {
                Some(format!("this table has one bracket: [{here}]"))
            }
            (DeValue::String(_), _) if kinds.integer || kinds.boolean => {
                Some("write it without quotes".to_owned())
            }
            (DeValue::String(text), Some(_)) => Some(format!("a list has brackets: [\"{}\"]", shorten(text))),
            (DeValue::Boolean(_) | DeValue::Integer(_), _) if kinds.text && kinds.accepted.is_none() => {
                Some("write it in quotes".to_owned())
            }
            _ if here.ends_with(".*") && !kinds.tables.is_empty() && kinds.accepted.is_none() => {
                Some(format!("a table of this kind has a name: [{}]", here.replace('*', "NAME")))
            }
            _ => None,
        };
        self.push(span, format!("{} is not accepted here", type_of(value)), describe(kinds), hint);
    }

    /// Hides every string of a value that is a secret or refers to one; what names a place of it stays to be read.
    fn hide(&mut self, value: &DeValue<'_>, span: &Range<usize>) {
        match value {
            DeValue::Array(items) => items.iter().for_each(|item| self.hide(item.get_ref(), &item.span())),
            DeValue::Table(table) => {
                table.iter().for_each(|(key, value)| self.hide_entry(key.get_ref(), value))
            }
            DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Float(_)
            | DeValue::Integer(_)
            | DeValue::String(_) => self.findings.secrets.push(span.clone()),
        }
    }

    fn hide_entry(&mut self, key: &str, value: &Spanned<DeValue<'_>>) {
        if !matches!(key, "env" | "file") || !value.get_ref().is_str() {
            self.hide(value.get_ref(), &value.span());
        }
    }

    fn push(
        &mut self,
        span: &Range<usize>,
        found: impl Into<String>,
        accepted: impl Into<String>,
        hint: Option<String>,
    ) {
        let key: Vec<&str> = self.path.iter().map(|(key, _)| key.as_str()).collect();
        let mut error = ConfigError::new(self.file.range(span), key.join("."), found, accepted);
        error.hint = hint;
        self.findings.errors.push(error);
    }

    fn within<T>(&mut self, key: &str, pattern: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push((shorten(key), pattern.to_owned()));
        let result = work(self);
        self.path.pop();
        result
    }

    fn pattern(&self) -> String {
        let parts: Vec<&str> = self.path.iter().map(|(_, pattern)| pattern.as_str()).collect();
        parts.join(".")
    }
}

/// Keeps the entries that `wanted` wants, which may change them on the way.
pub(crate) fn keep<'i>(
    table: &mut DeTable<'i>,
    mut wanted: impl FnMut(&Spanned<Cow<'i, str>>, &mut Spanned<DeValue<'i>>) -> bool,
) {
    let entries = std::mem::take(table).into_iter();
    *table =
        entries.filter_map(|(key, mut value)| wanted(&key, &mut value).then_some((key, value))).collect();
}

fn not_yet(name: &str) -> String {
    format!("`{name}` is not in this build yet")
}

/// The alternative that the table is meant as: the only one, or the one of which it has a required key.
fn choose<'s>(table: &DeTable<'_>, alternatives: &[&'s Value]) -> Option<&'s Value> {
    if let [only] = alternatives {
        return Some(only);
    }
    alternatives.iter().copied().find(|schema| {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        required.filter_map(Value::as_str).any(|name| table.contains_key(name))
    })
}

/// A key of the table that is to come, where this build takes no table at all.
fn pending_in(table: &DeTable<'_>, path: &str) -> Option<String> {
    table.keys().map(|key| key.get_ref().to_string()).find(|key| pending::key(path, key))
}

/// Where else a key of this name belongs.
fn elsewhere(name: &str) -> Option<String> {
    let tables = [("RawRoute", "[[routes]]"), ("RawServer", "[server]"), ("RawLimits", "[server.limits]")];
    let named = [("RawStore", "[stores.NAME]"), ("RawProfile", "[sessions.NAME]"), ("RawTokens", "[tokens]")];
    let rest = [("RawUpstream", "[upstreams.NAME]"), ("RawTimeouts", "[upstreams.NAME.timeouts]")];
    let homes: Vec<&str> = (tables.iter().chain(&named).chain(&rest))
        .filter(|(definition, _)| {
            SCHEMA.pointer(&format!("/definitions/{definition}/properties/{name}")).is_some()
        })
        .map(|(_, table)| *table)
        .collect();
    (!homes.is_empty()).then(|| format!("`{name}` belongs in {}", homes.join(" or ")))
}

fn describe(kinds: &Kinds<'_>) -> String {
    if let Some(accepted) = kinds.accepted {
        return accepted.to_owned();
    }
    let mut parts = Vec::new();
    if !kinds.words.is_empty() {
        parts.push(list(kinds.words.iter().copied()));
    }
    let simple = [
        (kinds.text, "a string"),
        (kinds.integer, "a whole number"),
        (kinds.boolean, "true or false"),
        (!kinds.tables.is_empty() || kinds.map.is_some(), "a table"),
    ];
    parts.extend(simple.iter().filter(|(holds, _)| *holds).map(|(_, name)| (*name).to_owned()));
    if let Some(schema) = kinds.list {
        let inner = Kinds::of(&SCHEMA, schema);
        parts.push(match (inner.accepted, inner.words.is_empty(), inner.text, inner.tables.is_empty()) {
            (Some(accepted), ..) => format!("a list of {accepted}"),
            (None, false, ..) => format!("a list of {}", list(inner.words.iter().copied())),
            (None, true, true, _) => "a list of strings".to_owned(),
            (None, true, false, false) => "a list of tables".to_owned(),
            (None, true, false, true) => "a list".to_owned(),
        });
    }
    parts.join(" or ")
}

const fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::Array(_) => "a list",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Float(_) => "a fraction",
        DeValue::Integer(_) => "a number",
        DeValue::String(_) => "a string",
        DeValue::Table(_) => "a table",
    }
}

/// The beginning of a doc comment as a part of a sentence.
fn uncapitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// Enough of a word to recognise it by, in one line.
fn shorten(word: &str) -> String {
    let mut short: String = word.chars().map(|c| if c.is_control() { ' ' } else { c }).take(60).collect();
    if short.len() < word.len() {
        short.push('…');
    }
    short
}

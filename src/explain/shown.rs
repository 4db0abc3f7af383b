//! What a person may see of a session.

use crate::codec::Value;
use crate::format::Lookup;
use crate::session::claim_of;
use crate::store::StoreKey;

/// Most lines of an outline.
const LINES_MAX: usize = 40;
/// How deep an outline goes.
const DEPTH_MAX: usize = 4;
/// Longest name or value, in characters.
const TEXT_MAX: usize = 80;
/// What stands for something that is not shown.
pub(super) const HIDDEN: &str = "…";
/// Names that hold credentials in some app: their values are never shown.
const CREDENTIALS: [&str; 8] =
    ["secret", "token", "passw", "csrf", "hash", "apikey", "api_key", "credential"];

/// Whether values are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mask {
    show: bool,
}

impl Mask {
    pub(super) const fn new(show: bool) -> Self {
        Self { show }
    }

    /// A value as JSON, or its kind.
    pub(super) fn json(self, name: &str, value: &serde_json::Value) -> String {
        if self.show && !is_credential(name) { clip(&value.to_string()) } else { HIDDEN.to_owned() }
    }

    /// A store key with its session id left out, and what is before the id.
    pub(super) fn key(self, key: &StoreKey, lookup: &Lookup) -> (String, Vec<u8>) {
        let (bytes, id) = (key.expose(), lookup.id.expose());
        let at = memchr::memmem::find(bytes, id).filter(|_| !id.is_empty());
        let (before, after) = match at {
            Some(at) => (bytes.get(..at), bytes.get(at + id.len()..)),
            // A key made from a hash of the id: the hash opens the record as well as the id does.
            None => {
                let colon = memchr::memrchr(b':', bytes).map_or(0, |at| at + 1);
                (bytes.get(..colon), None)
            }
        };
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        let shown = if self.show { text(bytes) } else { format!("{}{HIDDEN}{}", text(before), text(after)) };
        (shown, before.to_vec())
    }

    /// One line: the kind of a value, or the value itself where it is a scalar that may be shown.
    pub(super) fn value(self, name: &str, value: &Value) -> String {
        let kind = match value {
            Value::List(items) => format!("a list of {}", items.len()),
            Value::Map(fields) => format!("a map of {}", fields.len()),
            Value::Object { class, fields } => format!("an object {} of {}", clip(class), fields.len()),
            _ => value.kind().to_owned(),
        };
        let scalar = !matches!(value, Value::List(_) | Value::Map(_) | Value::Object { .. });
        match claim_of(value).filter(|_| self.show && scalar && !is_credential(name)) {
            Some(json) if !is_jwt(&json) => format!("{kind}: {}", clip(&json.to_string())),
            Some(_) | None => kind,
        }
    }

    /// Names and kinds of everything in a session, one a line, indented.
    pub(super) fn outline(self, data: &Value) -> Vec<String> {
        let mut lines = Vec::new();
        self.write(data, 0, &mut lines);
        if lines.len() > LINES_MAX {
            lines.truncate(LINES_MAX);
            lines.push("and more".to_owned());
        }
        lines
    }

    fn write(self, value: &Value, depth: usize, lines: &mut Vec<String>) {
        let line = |name: &str, value: &Value, lines: &mut Vec<String>| {
            if lines.len() <= LINES_MAX {
                lines.push(format!("{}{}: {}", "  ".repeat(depth), clip(name), self.value(name, value)));
                if depth + 1 < DEPTH_MAX && !is_credential(name) {
                    self.write(value, depth + 1, lines);
                }
            }
        };
        match value {
            Value::Map(fields) | Value::Object { fields, .. } => {
                fields.iter().for_each(|(name, value)| line(name, value, lines));
            }
            Value::List(items) => {
                items.iter().enumerate().for_each(|(at, value)| line(&at.to_string(), value, lines));
            }
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::BigInt(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Bytes(_) => {}
        }
    }
}

/// Bytes as text that a terminal takes for nothing else.
pub(super) fn text(bytes: &[u8]) -> String {
    clip(&String::from_utf8_lossy(bytes))
}

/// A text without control characters, cut to what fits a line.
pub(super) fn clip(text: &str) -> String {
    let mut clipped: String =
        text.chars().take(TEXT_MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(TEXT_MAX).is_some() {
        clipped.push('…');
    }
    clipped
}

fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    CREDENTIALS.iter().any(|word| name.contains(word))
}

fn is_jwt(value: &serde_json::Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("eyJ") && text.matches('.').count() >= 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::SessionId;

    fn lookup(id: &str) -> Lookup {
        Lookup { id: SessionId::new(id.into()), keys: vec![], secret: None, ends_at: None }
    }

    fn map(fields: &[(&str, Value)]) -> Value {
        Value::Map(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    #[test]
    fn a_key_never_shows_its_id_unasked() {
        let key = |text: &str| StoreKey::new(text.into());
        let hidden = Mask::new(false);
        assert_eq!(hidden.key(&key("sess:abc"), &lookup("abc")), ("sess:…".into(), b"sess:".to_vec()));
        assert_eq!(hidden.key(&key("a:abc:x"), &lookup("abc")).0, "a:…:x");
        assert_eq!(hidden.key(&key("rack:2::9f86d0"), &lookup("abc")).0, "rack:2::…");
        assert_eq!(hidden.key(&key("9f86d0"), &lookup("abc")).0, "…");
        assert_eq!(Mask::new(true).key(&key("sess:abc"), &lookup("abc")).0, "sess:abc");
    }

    #[test]
    fn an_outline_has_names_and_kinds_and_no_values_unasked() {
        let text = |text: &str| Value::Text(text.to_owned());
        let data = map(&[
            ("user", map(&[("email", text("ann@shop.test")), ("id", Value::Int(42))])),
            ("csrfToken", text("k3y")),
            ("roles", Value::List(vec![text("admin")])),
            ("jwt", text("eyJhbGciOiJub25lIn0.e30.x")),
        ]);
        assert_eq!(
            Mask::new(false).outline(&data),
            [
                "user: a map of 2",
                "  email: text",
                "  id: an integer",
                "csrfToken: text",
                "roles: a list of 1",
                "  0: text",
                "jwt: text"
            ]
        );
        assert_eq!(
            Mask::new(true).outline(&data),
            [
                "user: a map of 2",
                "  email: text: \"ann@shop.test\"",
                "  id: an integer: 42",
                "csrfToken: text",
                "roles: a list of 1",
                "  0: text: \"admin\"",
                "jwt: text"
            ]
        );
    }

    #[test]
    fn a_huge_session_is_cut_and_a_terminal_takes_no_orders_from_it() {
        let fields: Vec<_> = (0..10_000).map(|n| (n.to_string(), Value::Null)).collect();
        assert_eq!(Mask::new(true).outline(&Value::Map(fields)).len(), LINES_MAX + 1);
        assert_eq!(text(b"\x1b[2Jx"), "\u{fffd}[2Jx");
    }
}

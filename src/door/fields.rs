//! What a request says in its body: a form (RFC 6749) or a JSON object, a few short texts either way.

use crate::codec::{Limits, Value, json};
use crate::door::turned::Turned;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use percent_encoding::percent_decode;
use zeroize::Zeroizing;

/// A few names and a token.
pub const BODY_BYTES_MAX: usize = 16 * 1024;
/// Texts side by side. Not read by what keeps the last of two members: another reader may have gone by the first.
const JSON: Limits = Limits { bytes: BODY_BYTES_MAX, depth: 2, nodes: 64 };

/// The texts by their names, each there once.
#[derive(Default)]
pub struct Fields(Vec<(String, Zeroizing<String>)>);

impl Fields {
    /// Reads a whole body.
    ///
    /// # Errors
    /// [`Turned::Unclear`] if it is neither, or says something twice.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Turned> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let found = match kind.as_str() {
            "application/x-www-form-urlencoded" => form(body),
            "application/json" => object(body),
            _ => return Err(Turned::Unclear("the body is neither a form nor JSON")),
        };
        let fields = found.ok_or(Turned::Unclear("the body cannot be read"))?;
        let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(Turned::Unclear("the body says something twice"));
        }
        Ok(Self(fields))
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

fn form(body: &[u8]) -> Option<Vec<(String, Zeroizing<String>)>> {
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = (pair.get(..at)?, pair.get(at + 1..).unwrap_or_default());
            Some((plain(name)?, Zeroizing::new(plain(value)?)))
        })
        .collect()
}

fn plain(text: &[u8]) -> Option<String> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn object(body: &[u8]) -> Option<Vec<(String, Zeroizing<String>)>> {
    let Ok(Value::Map(members)) = json::decode(body, JSON) else { return None };
    members
        .into_iter()
        .map(|(name, value)| match value {
            Value::Text(text) => Some((name, Zeroizing::new(text))),
            _ => None,
        })
        .collect()
}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fields({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(kind: &'static str, body: &str) -> Result<Fields, Turned> {
        Fields::read(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]), body.as_bytes())
    }

    #[test]
    fn what_is_neither_a_form_nor_json_or_says_something_twice_is_refused() {
        let form = "application/x-www-form-urlencoded";
        for (kind, body) in [
            ("text/plain", "a=1"),
            ("multipart/form-data", "a=1"),
            (form, "a=1&a=1"),
            (form, "a=%ff"),
            ("application/json", "[]"),
            ("application/json", r#"{"a":1}"#),
            ("application/json", "{"),
            ("application/json", r#"{"a":"1","a":"2"}"#),
            ("application/json", r#"{"a":"1","\u0061":"1"}"#),
        ] {
            assert!(read(kind, body).is_err(), "{kind} {body}");
        }
    }

    #[test]
    fn both_kinds_say_the_same() {
        let form = read("application/x-www-form-urlencoded; charset=utf-8", "a=x%2By+z&&b").unwrap();
        assert_eq!((form.get("a"), form.get("b"), form.get("c")), (Some("x+y z"), Some(""), None));
        assert_eq!(read("Application/JSON", r#"{"a":"x+y z"}"#).unwrap().get("a"), Some("x+y z"));
        assert_eq!(read("text/plain", "").unwrap().get("a"), None);
    }
}

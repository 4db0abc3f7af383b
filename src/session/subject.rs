//! Where in a session its user is, and which values are one.

use crate::codec::Value;
use crate::format::Reject;

/// A dotted path into a decoded session.
///
/// Names may have dots in them (`actix_identity.user_id`, `warden.user.user.key`): at each step the longest run of the path
/// that is a key of the map is taken, and there is no way back from it. A number indexes a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectPath(String);

impl SubjectPath {
    /// The path `text`; `None` if it is empty or has an empty step.
    pub fn parse(text: &str) -> Option<Self> {
        text.split('.').all(|step| !step.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The value at the path.
    pub fn find<'v>(&self, data: &'v Value) -> Option<&'v Value> {
        let mut rest = self.0.as_str();
        let mut value = data;
        loop {
            (value, rest) = step(value, rest)?;
            if rest.is_empty() {
                return Some(value);
            }
        }
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One step into `value`, and what is left of the path.
fn step<'v, 'p>(value: &'v Value, path: &'p str) -> Option<(&'v Value, &'p str)> {
    let mut end = path.len();
    loop {
        let (key, rest) = path.split_at_checked(end)?;
        let found = match value {
            Value::List(_) if key.bytes().all(|byte| byte.is_ascii_digit()) => value.at(key.parse().ok()?),
            _ => value.get(key),
        };
        match found {
            Some(found) => return Some((found, rest.strip_prefix('.').unwrap_or_default())),
            None => end = key.rfind('.')?,
        }
    }
}

/// The user id as text, however its type varies between two logins; `None` for what no app means as a user: null, false, 0
/// (`"0"` too, as types vary) and the empty text.
///
/// # Errors
/// [`Reject::SubjectNotScalar`] for a list, a map, an object, bytes that are not text, a number that is none, and `true`:
/// a flag that says somebody is logged in does not say who, and all of them would be one user.
pub fn user_id(value: &Value) -> Result<Option<String>, Reject> {
    let text = match value {
        Value::Null | Value::Bool(false) => return Ok(None),
        Value::Int(number) => number.to_string(),
        Value::BigInt(digits) => digits.clone(),
        Value::Float(number) if number.is_finite() => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => return Err(Reject::SubjectNotScalar),
        },
        Value::Bool(true) | Value::Float(_) | Value::List(_) | Value::Map(_) | Value::Object { .. } => {
            return Err(Reject::SubjectNotScalar);
        }
    };
    let absent = matches!(text.as_str(), "" | "0" | "-0");
    Ok((!absent).then_some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, Value)]) -> Value {
        Value::Map(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    fn find(path: &str, data: &Value) -> Option<String> {
        let found = SubjectPath::parse(path).unwrap();
        found.find(data).map(|value| user_id(value).unwrap().unwrap())
    }

    #[test]
    fn a_path_with_an_empty_step_is_none() {
        for text in ["", ".", "a.", ".a", "a..b"] {
            assert_eq!(SubjectPath::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_longest_name_wins_and_there_is_no_way_back() {
        let data = map(&[
            ("a", map(&[("b", map(&[("c", Value::Int(1))])), ("d", Value::Int(2))])),
            ("a.b", map(&[("x", Value::Int(3))])),
            ("actix_identity.user_id", Value::Int(4)),
        ]);
        assert_eq!(find("a.b.x", &data).as_deref(), Some("3"));
        assert_eq!(find("a.b.c", &data), None);
        assert_eq!(find("a.d", &data).as_deref(), Some("2"));
        assert_eq!(find("actix_identity.user_id", &data).as_deref(), Some("4"));
    }

    #[test]
    fn lists_are_indexed_and_maps_with_numbers_for_names_are_not_lists() {
        let list = |items| map(&[("warden.user.user.key", Value::List(items))]);
        let data = list(vec![Value::List(vec![Value::Int(42)])]);
        assert_eq!(find("warden.user.user.key.0.0", &data).as_deref(), Some("42"));
        assert_eq!(find("warden.user.user.key.0.1", &data), None);
        assert_eq!(find("warden.user.user.key.0.99999999999999999999999", &data), None);
        assert_eq!(find("u.0", &map(&[("u", map(&[("0", Value::Int(7))]))])).as_deref(), Some("7"));
    }

    #[test]
    fn a_path_does_not_go_through_a_scalar() {
        assert_eq!(find("a.b", &map(&[("a", Value::Text("b".into()))])), None);
        assert_eq!(find("a.length", &map(&[("a", Value::List(vec![]))])), None);
    }

    #[test]
    fn what_no_app_means_as_a_user_is_absent() {
        let none = [Value::Null, Value::Bool(false), Value::Int(0), Value::Float(0.0), Value::Float(-0.0)];
        for value in none.into_iter().chain([Value::Text(String::new()), Value::Text("0".into())]) {
            assert_eq!(user_id(&value), Ok(None), "{value:?}");
        }
    }

    #[test]
    fn what_names_nobody_is_rejected() {
        let object = Value::Object { class: "User".into(), fields: vec![] };
        let bytes = Value::Bytes(vec![0xff]);
        for value in [
            Value::Bool(true),
            Value::List(vec![]),
            map(&[]),
            object,
            bytes,
            Value::Float(f64::NAN),
            Value::Float(f64::INFINITY),
        ] {
            assert_eq!(user_id(&value), Err(Reject::SubjectNotScalar), "{value:?}");
        }
    }

    #[test]
    fn an_id_is_the_same_text_whatever_its_type() {
        let text = |value| user_id(&value).unwrap().unwrap();
        for value in
            [Value::Int(42), Value::Text("42".into()), Value::Float(42.0), Value::Bytes(b"42".to_vec())]
        {
            assert_eq!(text(value), "42");
        }
        assert_eq!(text(Value::Int(-1)), "-1");
        assert_eq!(text(Value::BigInt("18446744073709551616".into())), "18446744073709551616");
        assert_eq!(text(Value::Int(9_007_199_254_740_993)), "9007199254740993");
    }
}

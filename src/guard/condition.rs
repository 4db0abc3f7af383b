//! `require`: conditions on a session's attributes.

use crate::session::Session;
use serde_json::Value as Json;

/// Whether every named attribute has one of its accepted values; an attribute that is a list has them if one element is.
/// An attribute without a value meets nothing. The name of the first that fails is the error.
///
/// # Errors
/// The attribute's name, for the log; the client is told only that it may not.
pub fn meets_conditions<'a, T>(route: &'a crate::config::Route, session: &Session<T>) -> Result<(), &'a str> {
    for (name, accepted) in &route.require {
        let found =
            session.attributes.iter().find(|(known, _)| **known == *name.value).map(|(_, value)| value);
        let met = match found {
            Some(Json::Array(items)) => items.iter().any(|item| is_among(item, accepted)),
            Some(value) => is_among(value, accepted),
            None => false,
        };
        if !met {
            return Err(&name.value);
        }
    }
    Ok(())
}

/// Equal as JSON, or as the text of a scalar: the app may keep 42 in one session and "42" in the next.
fn is_among(value: &Json, accepted: &[Json]) -> bool {
    accepted.iter().any(|candidate| {
        candidate == value || matches!((scalar(candidate), scalar(value)), (Some(a), Some(b)) if a == b)
    })
}

fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(truth) => Some(truth.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_match_as_json_or_as_the_text_of_a_scalar() {
        assert!(is_among(&json!(42), &[json!("42")]));
        assert!(is_among(&json!(true), &[json!(true)]));
        assert!(!is_among(&json!(null), &[json!("null")]));
        assert!(!is_among(&json!(["admin"]), &[json!("admin")]), "nested lists are not looked into");
    }
}

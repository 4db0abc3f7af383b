//! Session data as claims.

use crate::codec::Value;
use serde_json::{Map, Number, Value as Json};

/// The claim that a decoded value becomes, its type kept: text stays text, numbers numbers, lists lists. An integer beyond 64
/// bits and what JSON has no word for (bytes, infinities) have no faithful claim and are left out, as `null` is: a
/// missing value is no claim.
pub fn claim_of(value: &Value) -> Option<Json> {
    match value {
        Value::Null | Value::Bytes(_) => None,
        Value::Bool(truth) => Some(Json::Bool(*truth)),
        Value::Int(number) => Some(Json::Number((*number).into())),
        Value::BigInt(digits) => {
            Some(digits.parse::<u64>().map_or_else(|_| Json::String(digits.clone()), Json::from))
        }
        Value::Float(number) => Number::from_f64(*number).map(Json::Number),
        Value::Text(text) => Some(Json::String(text.clone())),
        Value::List(items) => {
            Some(Json::Array(items.iter().map(|item| claim_of(item).unwrap_or(Json::Null)).collect()))
        }
        Value::Map(fields) | Value::Object { fields, .. } => {
            let members: Map<String, Json> = fields
                .iter()
                .map(|(name, value)| (name.clone(), claim_of(value).unwrap_or(Json::Null)))
                .collect();
            Some(Json::Object(members))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn types_are_kept() {
        let value = Value::Map(vec![
            ("id".to_owned(), Value::Int(42)),
            ("ok".to_owned(), Value::Bool(true)),
            ("score".to_owned(), Value::Float(1.5)),
            ("roles".to_owned(), Value::List(vec![Value::Text("admin".to_owned()), Value::Null])),
        ]);
        assert_eq!(
            claim_of(&value),
            Some(json!({"id": 42, "ok": true, "score": 1.5, "roles": ["admin", null]}))
        );
    }

    #[test]
    fn what_has_no_faithful_claim_is_no_claim() {
        for value in [Value::Null, Value::Bytes(vec![1]), Value::Float(f64::INFINITY), Value::Float(f64::NAN)]
        {
            assert_eq!(claim_of(&value), None, "{value:?}");
        }
    }

    #[test]
    fn an_id_beyond_64_bits_stays_exact() {
        assert_eq!(claim_of(&Value::BigInt("18446744073709551615".to_owned())), Some(json!(u64::MAX)));
        assert_eq!(
            claim_of(&Value::BigInt("18446744073709551616".to_owned())),
            Some(json!("18446744073709551616"))
        );
    }
}

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

/// Seconds of the year 5138: a larger number of "seconds since 1970" is one of milliseconds, as `Date.now()` has them.
const SECONDS_MAX: u64 = 100_000_000_000;

/// The value of the attribute `name` as the standards have it, where they have it (OpenID Connect Core §2, which RFC 9068 §2.2.1
/// takes over): `auth_time` is whole seconds, `acr` a text, `amr` a list of texts. A value that is none of that is no value: a
/// service would take it for what it is not.
pub(super) fn as_standard(name: &str, value: Json) -> Option<Json> {
    match (name, value) {
        ("auth_time", Json::Number(number)) => {
            let whole =
                number.as_u64().or_else(|| number.as_f64().filter(|f| *f >= 0.0).map(|f| f as u64))?;
            Some(Json::from(if whole < SECONDS_MAX { whole } else { whole / 1000 }))
        }
        ("amr", Json::String(method)) => Some(Json::Array(vec![Json::String(method)])),
        ("amr", Json::Array(methods)) => {
            let fits = !methods.is_empty() && methods.iter().all(Json::is_string);
            fits.then_some(Json::Array(methods))
        }
        ("acr", Json::String(class)) => Some(Json::String(class)),
        ("acr" | "amr" | "auth_time", _) => None,
        (_, value) => Some(value),
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

    #[test]
    fn a_standard_claim_of_the_wrong_type_is_no_claim() {
        for (name, value) in [
            ("auth_time", json!("2026-11-21T09:00:00Z")),
            ("auth_time", json!("1700000000")),
            ("auth_time", json!(-1)),
            ("auth_time", json!(true)),
            ("acr", json!(2)),
            ("acr", json!(["a"])),
            ("amr", json!([])),
            ("amr", json!(["pwd", 1])),
            ("amr", json!({"pwd": true})),
        ] {
            assert_eq!(as_standard(name, value.clone()), None, "{name} {value}");
        }
    }

    #[test]
    fn a_standard_claim_has_the_standards_type_whatever_the_app_keeps() {
        for (name, value, claim) in [
            ("auth_time", json!(1_700_000_000), json!(1_700_000_000)),
            ("auth_time", json!(1_700_000_000_999_u64), json!(1_700_000_000)),
            ("auth_time", json!(1_700_000_000.5), json!(1_700_000_000)),
            ("acr", json!("urn:mace:incommon:iap:silver"), json!("urn:mace:incommon:iap:silver")),
            ("amr", json!("pwd"), json!(["pwd"])),
            ("amr", json!(["pwd", "otp"]), json!(["pwd", "otp"])),
            ("email", json!(7), json!(7)),
        ] {
            assert_eq!(as_standard(name, value), Some(claim), "{name}");
        }
    }
}

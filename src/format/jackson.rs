//! Java values in JSON with their types, as Jackson's default typing writes them for Spring's
//! `GenericJackson2JsonRedisSerializer`.
//!
//! Captured with Jackson 2.14; wrapped scalars are from its source. An object names its class in `@class`; what cannot
//! have a member more is wrapped in a list of the class's name and itself: `["java.util.ArrayList",["a"]]`,
//! `["java.lang.Long",5]`. A name is a name: nothing is looked up, where Jackson's polymorphic typing has been the door of
//! many exploits.

use crate::codec::Value;

/// The value without the wrappers: what the JDK's own serialisation of it reads as.
pub fn untyped(value: Value) -> Value {
    match value {
        Value::List(items) => list(items),
        Value::Map(fields) => object(fields),
        other => other,
    }
}

fn list(mut items: Vec<Value>) -> Value {
    let wrapped = match items.as_slice() {
        [Value::Text(class), inner] => {
            is_class(class) && (class.starts_with("java.") || matches!(inner, Value::List(_)))
        }
        _ => false,
    };
    match items.pop() {
        // The elements are wrapped each by itself; the list of them is the one that this wrapper was for.
        Some(Value::List(elements)) if wrapped => Value::List(elements.into_iter().map(untyped).collect()),
        Some(inner) if wrapped => untyped(inner),
        Some(last) => {
            items.push(last);
            Value::List(items.into_iter().map(untyped).collect())
        }
        None => Value::List(items),
    }
}

fn object(mut fields: Vec<(String, Value)>) -> Value {
    let at = fields.iter().position(|(name, _)| name == "@class");
    let class = match at.map(|at| fields.remove(at)) {
        Some((_, Value::Text(class))) => Some(class),
        _ => None,
    };
    let fields = fields.into_iter().map(|(name, value)| (name, untyped(value))).collect();
    match class {
        Some(class) if !(class.starts_with("java.util.") && class.ends_with("Map")) => {
            Value::Object { class, fields }
        }
        _ => Value::Map(fields),
    }
}

/// Whether this may be a class's qualified name, or an array's.
fn is_class(name: &str) -> bool {
    let name = name.trim_start_matches('[');
    name.contains('.')
        && name.split('.').all(|part| {
            part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_$;".contains(&byte))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Limits, json};

    fn read(text: &str) -> Value {
        untyped(json::decode(text.as_bytes(), Limits::default()).unwrap())
    }

    #[test]
    fn a_list_inside_a_wrapper_is_not_a_wrapper_itself() {
        let list = read(r#"["java.util.ArrayList",["java.lang.Long",5]]"#);
        assert!(list == Value::List(vec![Value::Text("java.lang.Long".to_owned()), Value::Int(5)]));
        assert!(read(r#"["com.example","b"]"#).at(0).is_some());
        assert!(read(r#"["a",["b"]]"#).at(0).is_some());
    }

    #[test]
    fn wrapped_numbers_are_numbers_and_objects_have_their_class() {
        assert!(read(r#"["java.lang.Long",9007199254740993]"#) == Value::Int(9_007_199_254_740_993));
        assert!(
            read(r#"{"@class":"java.util.HashMap","k":1}"#)
                == Value::Map(vec![("k".to_owned(), Value::Int(1))])
        );
        let user = read(r#"{"@class":"com.example.User","roles":["java.util.ArrayList",["a"]]}"#);
        let roles = Value::List(vec![Value::Text("a".to_owned())]);
        assert!(
            user == Value::Object {
                class: "com.example.User".to_owned(),
                fields: vec![("roles".to_owned(), roles)]
            }
        );
    }
}

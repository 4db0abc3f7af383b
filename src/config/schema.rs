//! The JSON Schema of gateway.toml, made from the types in `raw`.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::config::raw::RawConfig;

/// The JSON Schema of gateway.toml, for editors (draft 7, which all of them read).
pub fn schema() -> Value {
    SCHEMA.clone()
}

/// The same, made once.
pub(crate) static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<RawConfig>().to_value();
    drop_null(&mut schema);
    schema
});

/// What a schema admits, its references and alternatives laid side by side.
#[derive(Default)]
pub(crate) struct Kinds<'s> {
    /// Anything at all.
    pub(crate) any: bool,
    /// A boolean.
    pub(crate) boolean: bool,
    /// A whole number.
    pub(crate) integer: bool,
    /// A list, with the schema of its items.
    pub(crate) list: Option<&'s Value>,
    /// A table whose keys are names, with the schema of their values.
    pub(crate) map: Option<&'s Value>,
    /// Any string.
    pub(crate) text: bool,
    /// Tables with fixed keys.
    pub(crate) tables: Vec<&'s Value>,
    /// Certain strings.
    pub(crate) words: Vec<&'s str>,
    /// A whole number of 32 bits at most.
    pub(crate) narrow: bool,
    /// The value is a secret, or says where one is.
    pub(crate) secret: bool,
    /// The value is a URL that may hold a password.
    pub(crate) url: bool,
    /// What is accepted, in words.
    pub(crate) accepted: Option<&'s str>,
    /// What to try, in words.
    pub(crate) hint: Option<&'s str>,
}

impl<'s> Kinds<'s> {
    /// Reads `schema`, a part of `root`.
    pub(crate) fn of(root: &'s Value, schema: &'s Value) -> Self {
        let mut kinds = Self::default();
        kinds.add(root, schema);
        kinds
    }

    fn add(&mut self, root: &'s Value, schema: &'s Value) {
        let bound = ["$ref", "allOf", "anyOf", "const", "enum", "oneOf", "type"];
        self.any |= schema.as_object().map_or(schema == &Value::Bool(true), |schema| {
            !bound.iter().any(|word| schema.contains_key(*word))
        });
        let text = |name: &str| schema.get(name).and_then(Value::as_str);
        self.accepted = self.accepted.or(text("x-accepted"));
        self.hint = self.hint.or(text("x-hint"));
        self.narrow |= text("format") == Some("uint32");
        self.url |= schema.get("x-url").is_some();
        self.secret |= schema.get("x-secret").is_some();
        if let Some(target) = text("$ref").and_then(|name| root.pointer(name.trim_start_matches('#'))) {
            self.add(root, target);
        }
        for group in ["allOf", "anyOf", "oneOf"] {
            for part in schema.get(group).and_then(Value::as_array).into_iter().flatten() {
                self.add(root, part);
            }
        }
        let words = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        let before = self.words.len();
        self.words.extend(words.chain(schema.get("const")).filter_map(Value::as_str));
        match text("type") {
            Some("string") if self.words.len() == before => self.text = true,
            Some("boolean") => self.boolean = true,
            Some("integer") => self.integer = true,
            Some("array") => self.list = schema.get("items"),
            Some("object") if schema.get("properties").is_some() => self.tables.push(schema),
            Some("object") => self.map = schema.get("additionalProperties"),
            _ => {}
        }
    }
}

/// TOML has no null: what schemars says of an `Option` is that the key may be left out, which `required` says already.
fn drop_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(drop_null),
        Value::Object(object) => {
            if let Some(Value::Array(alternatives)) = object.get_mut("anyOf") {
                alternatives.retain(|one| one.get("type").and_then(Value::as_str) != Some("null"));
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name.as_str() != Some("null"));
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            object.values_mut().for_each(drop_null);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

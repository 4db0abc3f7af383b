//! The kinds of value that TOML itself does not have.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};

/// A value that knows where it was written. In the schema it is just the value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(crate) struct Placed<T>(toml::Spanned<T>);

impl<T> Placed<T> {
    pub(crate) fn get(&self) -> &T {
        self.0.get_ref()
    }

    pub(crate) fn span(&self) -> Range<usize> {
        self.0.span()
    }
}

impl<T: JsonSchema> JsonSchema for Placed<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A length of time as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct DurationText(pub(crate) String);

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A length of time with its unit: ms, s, m, h or d.",
            "pattern": "^([0-9]+(ms|s|m|h|d)|none)$",
            "x-hint": "in quotes and with its unit, as \"30s\"",
            "x-accepted": "a duration with its unit, as \"250ms\", \"2s\", \"5m\", \"24h\", \"30d\"",
        })
    }
}

/// A number of bytes as it is written.
#[derive(Clone, Debug)]
pub(crate) enum SizeText {
    /// A plain number.
    Bytes(u64),
    /// With a unit, or a word.
    Text(String),
}

impl<'de> Deserialize<'de> for SizeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = SizeText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size")
            }

            fn visit_i64<E: serde::de::Error>(self, bytes: i64) -> Result<SizeText, E> {
                u64::try_from(bytes).map(SizeText::Bytes).map_err(E::custom)
            }

            fn visit_u64<E: serde::de::Error>(self, bytes: u64) -> Result<SizeText, E> {
                Ok(SizeText::Bytes(bytes))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SizeText, E> {
                Ok(SizeText::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for SizeText {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of bytes, plain or with a unit: B, KB, MB, GB (thousands) or KiB, MiB, GiB (1024).",
            "x-accepted": "a size, as \"4KiB\", \"10MiB\", \"64KB\", or a plain number of bytes",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^([0-9]+(B|KB|MB|GB|KiB|MiB|GiB)?|none)$" },
            ],
        })
    }
}

/// Where a secret is; never the secret itself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(extend(
    "x-secret" = true,
    "x-accepted" = "{ env = \"NAME\" } or { file = \"path\" }",
    "x-hint" = "a secret is not written into this file: keep it in an environment variable or a file, and say where",
))]
pub(crate) enum SecretRef {
    /// The environment variable that holds it.
    Env(Placed<String>),
    /// The file that holds it, relative to this file; one newline at its end is cut.
    File(Placed<String>),
    /// The secret itself, for throw-away set-ups: whoever reads this file can use it.
    InsecureLiteral(Placed<String>),
}

/// A URL, or where it is if it holds a password.
#[derive(Clone, Debug)]
pub(crate) enum UrlRef {
    /// The URL.
    Text(String),
    /// Where it is.
    Secret(SecretRef),
}

impl<'de> Deserialize<'de> for UrlRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = UrlRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a URL or where it is")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<UrlRef, E> {
                Ok(UrlRef::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<UrlRef, A::Error> {
                SecretRef::deserialize(MapAccessDeserializer::new(map)).map(UrlRef::Secret)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for UrlRef {
    fn schema_name() -> Cow<'static, str> {
        "Url".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let secret = generator.subschema_for::<SecretRef>();
        json_schema!({
            "x-accepted": "a URL, as \"redis://127.0.0.1:6379/0\", or { env = \"NAME\" } or { file = \"path\" }",
            "x-url": true,
            "anyOf": [{ "type": "string" }, secret],
        })
    }
}

/// What a request gets while its store cannot be asked.
#[derive(Clone, Debug)]
pub(crate) enum RawOutage {
    /// A policy without a time.
    Word(OutageWord),
    /// Known sessions, for a time.
    Known(KnownOutage),
}

/// The policies without a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OutageWord {
    /// 503.
    Deny,
    /// Anonymous, on optional routes.
    Anonymous,
}

/// The policy with a time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownOutage {
    /// How long after the lease ended a session that was known then is still served. Required.
    pub(crate) serve_known: Placed<DurationText>,
}

impl<'de> Deserialize<'de> for RawOutage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = RawOutage;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a policy for outages")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RawOutage, E> {
                let word = OutageWord::deserialize(serde::de::value::StrDeserializer::new(text));
                word.map(RawOutage::Word)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawOutage, A::Error> {
                KnownOutage::deserialize(MapAccessDeserializer::new(map)).map(RawOutage::Known)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for RawOutage {
    fn schema_name() -> Cow<'static, str> {
        "Outage".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let word = generator.subschema_for::<OutageWord>();
        let known = generator.subschema_for::<KnownOutage>();
        json_schema!({
            "x-accepted": "`deny`, `anonymous` or { serve_known = \"30s\" }",
            "anyOf": [word, known],
        })
    }
}

/// One value, or a list of them.
#[derive(Clone, Debug)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<Placed<T>>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value or a list of them")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let value = T::deserialize(serde::de::value::StrDeserializer::new(text))?;
                // The place of a lone value is that of the key's value, which the caller holds around this type.
                Ok(OneOrMany(vec![Placed(toml::Spanned::new(0..0, value))]))
            }
        }
        deserializer.deserialize_any(Reader(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

//! `[sessions.X]`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::config::raw::value::{DurationText, OneOrMany, Placed, SecretRef};
use crate::config::{CookieAttribute, DuplicateCookie, Framework};

/// How one app keeps its sessions. What is left out is as the framework does it by default.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawProfile {
    /// Whose session format it is. Required; `json` reads a bare id in the cookie and JSON in Redis.
    pub(crate) framework: Placed<Framework>,
    /// The store that holds the records; for `jwt`, which keeps none, only to be given for a `user_record`. Default: the only store
    /// there is.
    pub(crate) store: Option<Placed<String>>,
    /// The app's signing or encryption secrets as references, newest first; all are tried, so that rotation needs no
    /// downtime. Default: none, for frameworks that sign nothing.
    #[schemars(extend("default" = []))]
    pub(crate) secrets: Option<Vec<Placed<SecretRef>>>,
    /// AES block keys as references, each beside the entry of `secrets` at the same place. Default: none, the cookie
    /// is only signed.
    #[schemars(extend("default" = []))]
    pub(crate) encryption_secrets: Option<Vec<Placed<SecretRef>>>,
    /// Name of the session cookie. Default: the framework's.
    pub(crate) cookie: Option<Placed<String>>,
    /// Template of the Redis key, `{id}` being the session id; every prefix of the app's Redis client belongs in it.
    /// Default: the framework's.
    pub(crate) key: Option<Placed<String>>,
    /// Whether the cookie is signed, where the framework leaves the choice. Default: the framework's.
    pub(crate) signed: Option<Placed<bool>>,
    /// Text before the id in the cookie, neither signed nor part of the key. Default: none.
    pub(crate) cookie_prefix: Option<Placed<String>>,
    /// Which of the framework's stores wrote the record, as Django's `cached_db`. Default: the framework's.
    pub(crate) engine: Option<Placed<String>>,
    /// How the record is serialised, as `json`, `pickle`, `marshal` or `php`. Default: the framework's.
    pub(crate) serializer: Option<Placed<String>>,
    /// phpredis's own serialiser around the record. Default: none.
    pub(crate) store_serializer: Option<Placed<String>>,
    /// How the record is compressed, as `zlib`. Default: not.
    pub(crate) compressor: Option<Placed<String>>,
    /// Cipher of the cookie, and of the record where `encrypted`. Default: the framework's.
    pub(crate) cipher: Option<Placed<String>>,
    /// Whether the record is encrypted with `secrets`. Default: false.
    pub(crate) encrypted: Option<Placed<bool>>,
    /// `jwt` only: the `iss` that the token must have. Default: any.
    pub(crate) issuer: Option<Placed<String>>,
    /// `jwt` only: one audience or several, of which the token's `aud` must name one. Default: none, and a token that
    /// has an `aud` is refused, because it is meant for somebody.
    pub(crate) audience: Option<Placed<OneOrMany<String>>>,
    /// `jwt` only: the signature algorithms to accept, of those that the kind of the keys allows; the token itself has no
    /// say. Default: all that it allows, as HS256, HS384 and HS512 for a secret.
    pub(crate) algorithms: Option<Vec<Placed<String>>>,
    /// `jwt` only: the `typ` that the token must have. Default: `JWT`, `at+jwt` or none.
    pub(crate) typ: Option<Placed<String>>,
    /// `jwt` only: what a token without `exp` is: refused (`reject`), or a session that nothing ever ends
    /// (`never-expires`). Default: `"reject"`.
    pub(crate) missing_exp: Option<Placed<String>>,
    /// Path of the user id in the decoded session, with dots, as `passport.user`. Default: the framework's own
    /// convention.
    pub(crate) subject: Option<Placed<String>>,
    /// Template of the `sub` claim. Default: `"{subject}"`; profiles that reach one audience must differ, as
    /// `"shop:{subject}"`, or user 7 of one app would be user 7 of the other.
    #[schemars(extend("default" = "{subject}"))]
    pub(crate) sub: Option<Placed<String>>,
    /// Path of the user id of who really acts, where support staff may take a user's part, as `impersonator.id`: the `act`
    /// claim (RFC 8693), in the template of `sub`. Default: none; sessions without it have no such claim.
    pub(crate) act: Option<Placed<String>>,
    /// The names that `claims` and `require` use, each with its path in the decoded session; or, as
    /// `{ const = 1 }`, the same value for everybody. Default: none.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub(crate) attributes: BTreeMap<Placed<String>, Placed<RawAttribute>>,
    /// Template of the key of a record that the app keeps of each user, a JSON text or a hash, as `"cloakroom:user:{subject}"`. Paths
    /// of `attributes` and `valid_if` that begin with `record.` lead into it, and a change of it counts at once, as one of the session
    /// does. Default: none.
    pub(crate) user_record: Option<Placed<String>>,
    /// What must hold for the session of a user to be good, each a path and a value, or `"{path}"` for what is at another path, as
    /// `{ "record.active" = true, "_auth_user_hash" = "{record.session_hash}" }`; else it is rejected as `user-changed`. A value that
    /// is missing equals nothing. Default: nothing more.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub(crate) valid_if: BTreeMap<Placed<String>, Placed<serde_json::Value>>,
    /// What two session cookies with different values mean: no session (`reject`), or the framework's own choice of
    /// them (`as-framework`). Default: `"reject"`.
    #[schemars(extend("default" = "reject"))]
    pub(crate) duplicate_cookie: Option<Placed<DuplicateCookie>>,
    /// What is added to the app's own Set-Cookie for its session cookie where it is missing, as `["Secure", "HttpOnly",
    /// "SameSite=Lax", "__Host-"]`: `Secure` over HTTPS only; `__Host-`, for a name that begins so, is Path=/ and no Domain. Default:
    /// nothing; what is missing is warned of once.
    #[schemars(extend("default" = []))]
    pub(crate) cookie_repair: Option<Placed<Vec<CookieAttribute>>>,
    /// Who keeps an active session alive on routes that bypass the app: nobody (`off`), or we, in the framework's own way
    /// (`gateway`), which takes a Redis user that may write. `{ gateway = "30m" }` says how long a session may idle where the
    /// app has it otherwise than its records tell; `set_cookie = "Path=/; HttpOnly"` beside it, with which attributes the
    /// cookie is sent again. Default: nobody, with a warning where the framework slides.
    pub(crate) idle_touch: Option<Placed<RawIdleTouch>>,
}

/// Who keeps an active session alive on routes that bypass the app.
#[derive(Clone, Debug)]
pub(crate) enum RawIdleTouch {
    /// Without a time.
    Word(IdleTouchWord),
    /// With one.
    Timed(TimedTouch),
}

/// The choices without a time.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum IdleTouchWord {
    /// Nobody but the app.
    Off,
    /// We.
    Gateway,
}

/// We, and how.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimedTouch {
    /// How long a session may idle. Required.
    pub(crate) gateway: Placed<DurationText>,
    /// Attributes of the cookie that is sent again with a touch. Default: as the app was seen to send it again.
    pub(crate) set_cookie: Option<Placed<String>>,
}

impl<'de> Deserialize<'de> for RawIdleTouch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = RawIdleTouch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("who keeps sessions alive")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RawIdleTouch, E> {
                let word = IdleTouchWord::deserialize(serde::de::value::StrDeserializer::new(text));
                word.map(RawIdleTouch::Word)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawIdleTouch, A::Error> {
                TimedTouch::deserialize(MapAccessDeserializer::new(map)).map(RawIdleTouch::Timed)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for RawIdleTouch {
    fn schema_name() -> Cow<'static, str> {
        "IdleTouch".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let word = generator.subschema_for::<IdleTouchWord>();
        let timed = generator.subschema_for::<TimedTouch>();
        json_schema!({
            "x-accepted": "`off`, `gateway` or { gateway = \"30m\" }",
            "anyOf": [word, timed],
        })
    }
}

/// Where an attribute comes from.
#[derive(Clone, Debug)]
pub(crate) enum RawAttribute {
    /// A path in the decoded session.
    Path(String),
    /// The same value for everybody.
    Const(serde_json::Value),
}

impl<'de> Deserialize<'de> for RawAttribute {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            r#const: serde_json::Value,
        }
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = RawAttribute;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path or { const = value }")
            }

            fn visit_str<E: serde::de::Error>(self, path: &str) -> Result<RawAttribute, E> {
                Ok(RawAttribute::Path(path.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawAttribute, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RawAttribute::Const(table.r#const))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for RawAttribute {
    fn schema_name() -> Cow<'static, str> {
        "Attribute".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-accepted": "a path in the session, as \"user.email\", or { const = value }",
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": { "const": { "description": "the same value for everybody" } },
                    "required": ["const"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

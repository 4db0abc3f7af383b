//! `[limits]`, and what a route says of the same.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::config::raw::value::Placed;

/// How often somebody may ask.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRates {
    /// By one client address, all routes together; an IPv6 /64 counts as one. Default: `"none"`. Name the proxy in front in
    /// `server.trusted_proxies` first, or all clients are one.
    #[schemars(extend("default" = "none"))]
    pub(crate) client: Option<Placed<RateText>>,
    /// With one session, all routes together. Default: `"none"`.
    #[schemars(extend("default" = "none"))]
    pub(crate) session: Option<Placed<RateText>>,
    /// By one client address with cookies of which Redis knows no session; past it Redis is not asked for that address. Default:
    /// `"none"`; `"60/min"` slows whoever guesses, and leaves those alone whose session has just expired.
    #[schemars(extend("default" = "none"))]
    pub(crate) lookups: Option<Placed<RateText>>,
    /// How many addresses and sessions are remembered; past it those that are furthest from their limits are forgotten. Default:
    /// 100000, which takes 2 MB.
    #[schemars(extend("default" = 100_000))]
    pub(crate) keys: Option<Placed<u32>>,
    /// Whether all gateways count together, in `[state]`, by clients, sessions and routes (`lookups` stay each gateway's own). It costs
    /// each request that a rate is for one question there; while that cannot be asked, each gateway counts for itself. Default: false.
    #[schemars(extend("default" = false))]
    pub(crate) shared: Option<Placed<bool>>,
}

/// A rate as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct RateText(pub(crate) String);

impl JsonSchema for RateText {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "How many in how long (s, min, h or d), and how many at once where that is another number.",
            "pattern": "^([0-9]+/(s|sec|min|m|h|hour|d|day)( burst [0-9]+)?|none)$",
            "x-hint": "in quotes and with its period, as \"100/min\"",
            "x-accepted": "a rate, as \"10/s\", \"100/min\", \"1000/h\", \"10/s burst 50\", or \"none\"",
        })
    }
}

/// How often a route may be asked for.
#[derive(Clone, Debug)]
pub(crate) enum RawRouteRate {
    /// By one client address.
    Client(RateText),
    /// By whom is said.
    Each(RawRouteRates),
}

/// How often a route may be asked for, and by whom.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRouteRates {
    /// By one client address. Default: `"none"`.
    #[schemars(extend("default" = "none"))]
    pub(crate) client: Option<Placed<RateText>>,
    /// With one session. Default: `"none"`.
    #[schemars(extend("default" = "none"))]
    pub(crate) session: Option<Placed<RateText>>,
    /// By all together: to protect the service, since one client can use it up for the others. Default: `"none"`.
    #[schemars(extend("default" = "none"))]
    pub(crate) route: Option<Placed<RateText>>,
}

impl<'de> Deserialize<'de> for RawRouteRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = RawRouteRate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rate or a table of them")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RawRouteRate, E> {
                Ok(RawRouteRate::Client(RateText(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawRouteRate, A::Error> {
                RawRouteRates::deserialize(MapAccessDeserializer::new(map)).map(RawRouteRate::Each)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for RawRouteRate {
    fn schema_name() -> Cow<'static, str> {
        "RouteRate".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let client = generator.subschema_for::<RateText>();
        let each = generator.subschema_for::<RawRouteRates>();
        json_schema!({
            "x-accepted": "a rate, as \"100/min\", or { client = \"100/min\", session = \"60/min\", route = \"1000/s\" }",
            "anyOf": [client, each],
        })
    }
}

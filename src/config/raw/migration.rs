//! What a route says of moving its users over.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::config::raw::value::{DurationText, Placed};

/// Moves the users of a route over bit by bit, and back again if that goes wrong.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRollout {
    /// How many of the users the route's rules and upstream are for, as `"10%"`; the same users on every gateway and on every route
    /// with that share or a larger one. Required.
    pub(crate) share: Placed<ShareText>,
    /// Name of the upstream that serves everybody else, as an open route would: with the cookie, without a token. Required.
    pub(crate) rest: Placed<String>,
    /// The shares that follow by themselves, as `["25%", "50%", "100%"]`. Default: none.
    #[serde(default)]
    #[schemars(extend("default" = []))]
    pub(crate) steps: Vec<Placed<ShareText>>,
    /// How long each share lasts before the next. Default: `"1h"`.
    #[schemars(extend("default" = "1h"))]
    pub(crate) every: Option<Placed<DurationText>>,
    /// By how much the share of failing requests may be larger for those moved over than for the others; past it everybody goes back to
    /// `rest`, until the rollout is changed or resumed or, without `[state]`, the gateway starts again. Default: `"5%"`; `"100%"`:
    /// never.
    #[schemars(extend("default" = "5%"))]
    pub(crate) margin: Option<Placed<ShareText>>,
    /// How many requests of those moved over are looked at before that is concluded, and before the next share. Default: 100.
    #[schemars(extend("default" = 100))]
    pub(crate) minimum: Option<Placed<u32>>,
}

/// A share as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct ShareText(pub(crate) String);

impl JsonSchema for ShareText {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A percentage, with up to two digits behind the point.",
            "pattern": "^[0-9]{1,3}(\\.[0-9]{1,2})?%$",
            "x-hint": "in quotes and with its sign, as \"10%\"",
            "x-accepted": "a percentage, as \"10%\" or \"0.5%\"",
        })
    }
}

/// Whether a route's rules are enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// They are.
    Enforce,
    /// They are decided, compared with what the app itself answers, and nothing is done about it.
    Shadow,
}

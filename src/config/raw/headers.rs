//! `request_headers` and `response_headers`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw::value::Placed;

/// What is done to the headers of a message, in this order.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHeaderRules {
    /// Names that go, as `["x-powered-by"]`. Default: none.
    #[serde(default)]
    #[schemars(extend("default" = []))]
    pub(crate) remove: Vec<Placed<String>>,
    /// Names with the value that they have from here on, whatever there was, as `{ x-tenant = "acme" }`. Default: none.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub(crate) set: BTreeMap<Placed<String>, Placed<String>>,
    /// Names with a value that comes behind those there are, as `{ vary = "origin" }`. Default: none.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub(crate) append: BTreeMap<Placed<String>, Placed<String>>,
}

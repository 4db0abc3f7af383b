//! `[clients.X]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw::value::{OneOrMany, Placed, SecretRef};

/// A service that asks about tokens or trades them, at the internal listener: `POST /introspect` (RFC 7662), `POST /token` (RFC
/// 8693) and `POST /revoke` (RFC 7009), with its name and secret as HTTP Basic. Takes `[state]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawClient {
    /// Its secrets, newest first: all are taken, so that one can follow another. Required.
    pub(crate) secrets: Vec<Placed<SecretRef>>,
    /// Which audiences it is: it learns about tokens for these and no others. Default: its name.
    pub(crate) audience: Option<Placed<OneOrMany<String>>>,
    /// PEM file with the certificate that it shows to services it calls: tokens that it gets for them are bound to that (`cnf` with
    /// `x5t#S256`; RFC 8705). Default: none, they are bound to nothing.
    pub(crate) certificate: Option<Placed<String>>,
    /// Audiences for which it gets a token in the name of whoever called it; a route's `require` is not asked. The scope is within both
    /// the shown token's and the audience's; whichever says none limits none. Default: none.
    #[serde(default)]
    pub(crate) may_call: Vec<Placed<String>>,
}

//! The exact mirror of gateway.toml: one struct a table, one field a key, nothing resolved.
//!
//! These types are the one source of three things: what the loader accepts (`structure` walks their JSON Schema),
//! what editors know (`schema`), and the reference, which is the doc comment of each field: what it does, its unit,
//! its default, when to change it. A key that is not here does not exist.

mod admin;
mod clients;
mod edge;
mod headers;
mod issuer;
mod logout;
mod migration;
mod pair;
mod rate;
mod route;
mod server;
mod session;
mod state;
mod store;
mod token;
mod upstream;
mod value;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use admin::RawAdmin;
pub(crate) use clients::RawClient;
pub(crate) use edge::{RawAcme, RawClientCertificates, RawExternalAccount, RawHsts, RawRedirectHttp};
pub(crate) use headers::RawHeaderRules;
pub(crate) use issuer::{RawIntrospection, RawIssuer};
pub(crate) use logout::{RawBackchannel, RawLogout};
pub(crate) use migration::{Mode, RawRollout, ShareText};
pub(crate) use pair::RawPair;
pub(crate) use rate::{RateText, RawRates, RawRouteRate};
pub(crate) use route::{Accept, RawRoute};
pub(crate) use server::{RawCertificate, RawCsrf, RawInternal, RawLimits, RawServer};
pub(crate) use session::{IdleTouchWord, RawAttribute, RawIdleTouch, RawProfile};
pub(crate) use state::RawState;
pub(crate) use store::RawStore;
pub(crate) use token::{RawKeys, RawTokens, RawTxn};
pub(crate) use upstream::{RawEjection, RawHealth, RawTimeouts, RawUpstream, RawUpstreamLimits};
pub(crate) use value::{
    DurationText, KnownOutage, OneOrMany, OutageWord, Placed, RawOutage, SecretRef, SizeText, UrlRef,
};

/// Tables of one kind by their names.
pub(crate) type Named<T> = BTreeMap<Placed<String>, Placed<T>>;

/// The configuration of a Cloakroom gateway.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "gateway.toml")]
pub(crate) struct RawConfig {
    /// More files to read, so that teams can own their routes: plain files and `dir/*.toml`, relative to this file.
    /// They may hold routes, upstreams, sessions and stores; all files share one namespace. Default: none.
    #[serde(rename = "include")]
    #[schemars(extend("default" = []))]
    pub(crate) _include: Option<Vec<Placed<String>>>,
    /// The public listener and what every request is held to.
    pub(crate) server: Option<Placed<RawServer>>,
    /// The listener for services: JWKS, discovery, liveness, readiness and metrics. Without this table it is off.
    pub(crate) internal: Option<Placed<RawInternal>>,
    /// The listener for operators: the API behind `cloakroom keys` and its like. Without this table it is off.
    pub(crate) admin: Option<Placed<RawAdmin>>,
    /// The Redis servers that hold the app's sessions, by a name of your own.
    #[serde(default)]
    pub(crate) stores: Named<RawStore>,
    /// What the gateway itself keeps in one of them. Without this table it keeps nothing.
    pub(crate) state: Option<Placed<RawState>>,
    /// The session profiles, by a name of your own: how each app keeps its sessions.
    #[serde(default)]
    pub(crate) sessions: Named<RawProfile>,
    /// Who else issues bearer JWTs that routes accept, by a name of your own: it becomes the `client_id` claim.
    #[serde(default)]
    pub(crate) issuers: Named<RawIssuer>,
    /// The internal tokens that services get.
    pub(crate) tokens: Option<Placed<RawTokens>>,
    /// How often somebody may ask, over all routes; a route may set more with `rate`. Counted by each gateway for itself.
    pub(crate) limits: Option<Placed<RawRates>>,
    /// Services that ask about tokens or trade them at the internal listener, by a name of your own.
    #[serde(default)]
    pub(crate) clients: Named<RawClient>,
    /// Logging out at the gateway: `POST /.cloakroom/logout` ends the session in the app's store, the token pairs made of it and its
    /// streams, and clears its cookies. Without this table it is off.
    pub(crate) logout: Option<Placed<RawLogout>>,
    /// Token pairs for single-page and mobile apps, below `/.cloakroom/`: `token` trades a live session for an access and a
    /// refresh token, `refresh` renews the pair, `revoke` ends it. Takes `[state]`; without this table it is off.
    pub(crate) pair: Option<Placed<RawPair>>,
    /// What counts as the same site.
    pub(crate) csrf: Option<Placed<RawCsrf>>,
    /// The services behind the gateway, by a name of your own; also the default `aud` claim.
    #[serde(default)]
    pub(crate) upstreams: Named<RawUpstream>,
    /// Which requests go where, and who may send them. The most specific route wins, whatever the order.
    #[serde(default)]
    pub(crate) routes: Vec<Placed<RawRoute>>,
}

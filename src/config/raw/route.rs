//! `[[routes]]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw::headers::RawHeaderRules;
use crate::config::raw::migration::{Mode, RawRollout};
use crate::config::raw::rate::RawRouteRate;
use crate::config::raw::value::{DurationText, OneOrMany, Placed, RawOutage, SizeText};
use crate::config::{
    Access, Algorithm, Confirmation, CsrfMode, Freshness, PathException, Preflight, StreamEnd, SubjectType,
    TokenProfile,
};

/// Which requests go to which service, and who may send them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRoute {
    /// Path pattern: `/x` exactly, `/x/*` for /x and all below, `/u/{id}/posts` for any one segment. Required.
    pub(crate) path: Placed<String>,
    /// Host or list of hosts it is for, `"*.example.com"` for one label more. Default: any host.
    pub(crate) host: Option<Placed<OneOrMany<String>>>,
    /// Methods it is for, in capitals; GET includes HEAD. Default: any but CONNECT and TRACE.
    pub(crate) methods: Option<Placed<Vec<Placed<String>>>>,
    /// Name of the upstream it leads to. Required.
    pub(crate) upstream: Placed<String>,
    /// Who may pass: everybody without a token (`open`), everybody with a token where there is a session
    /// (`optional`), any live session (`session`), or only who is logged in (`required`). Default: `"required"`.
    #[schemars(extend("default" = "required"))]
    pub(crate) access: Option<Placed<Access>>,
    /// Session profiles to try, in order; the first verified one counts. Default: the only profile there is.
    pub(crate) sessions: Option<Placed<Vec<Placed<String>>>>,
    /// What is accepted as proof of who is calling: the `session` cookie, a `bearer` token of one of the `issuers`, or both.
    /// Default: `["session"]`; with both, a bearer goes before the cookie, and a wrong one is 401 whatever the cookie says.
    #[schemars(extend("default" = ["session"]))]
    pub(crate) accept: Option<Placed<Vec<Accept>>>,
    /// Issuers whose bearers are accepted. Default: the only issuer there is.
    pub(crate) issuers: Option<Placed<Vec<Placed<String>>>>,
    /// The `aud` claim, one or a list. Default: the upstream's name.
    pub(crate) audience: Option<Placed<OneOrMany<String>>>,
    /// Signature algorithm of this route's tokens. Default: as `[tokens]` says.
    pub(crate) algorithm: Option<Placed<Algorithm>>,
    /// Longest life of a token on this route. Default: as `[tokens]` says.
    pub(crate) ttl: Option<Placed<DurationText>>,
    /// Attributes to copy into claims on this route. Default: as `[tokens]` says.
    pub(crate) claims: Option<Vec<Placed<String>>>,
    /// What kind of JWT this route's service gets, one or a list. Default: as `[tokens]` says.
    pub(crate) profile: Option<Placed<OneOrMany<TokenProfile>>>,
    /// The `scope` claim on this route: what its requests are for. Default: as `[tokens]` says.
    pub(crate) scope: Option<Placed<String>>,
    /// Whether this route's service knows a user by the same `sub` as the others. Default: as `[tokens]` says.
    pub(crate) subject_type: Option<Placed<SubjectType>>,
    /// Whether the token is for its request alone: it says method and URL without query (`htm`, `htu`, as RFC 9449 has them), by the host
    /// and scheme of X-Forwarded-Host and -Proto; services compare. Each request costs a signature then. Default: false.
    #[schemars(extend("default" = false))]
    pub(crate) bind_request: Option<Placed<bool>>,
    /// The header that carries the token on this route. Default: as `[tokens]` says.
    pub(crate) header: Option<Placed<String>>,
    /// Whether Redis is asked on every request (`strict`) or not (`lease`). Default: as the store says; `strict` for
    /// money transfers and the like.
    pub(crate) freshness: Option<Placed<Freshness>>,
    /// What a request gets while the store cannot be asked. Default: as the store says.
    pub(crate) outage: Option<Placed<RawOutage>>,
    /// Attributes the session must have, each with the values that will do, as `{ roles = ["admin", "staff"] }`;
    /// every one named must match. Default: none.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub(crate) require: BTreeMap<Placed<String>, Placed<Vec<serde_json::Value>>>,
    /// Whether only clients pass that have shown a certificate, by `server.client_certificates`. Default: false.
    #[schemars(extend("default" = false))]
    pub(crate) client_certificate: Option<Placed<bool>>,
    /// What this route's tokens are bound to. Default: as `[tokens]` says.
    pub(crate) cnf: Option<Placed<Confirmation>>,
    /// Whether the rules are enforced, or (`shadow`) only decided, while every request goes on as on an open route, and compared with
    /// what the app itself answers: `cloakroom migration` shows where they differ. Default: `"enforce"`.
    #[schemars(extend("default" = "enforce"))]
    pub(crate) mode: Option<Placed<Mode>>,
    /// Moves the users over to this route's rules and upstream bit by bit, as `{ share = "10%", rest = "django" }`, and back again if
    /// more of their requests fail. Default: all at once.
    pub(crate) rollout: Option<Placed<RawRollout>>,
    /// Whether the service gets the session cookie; all other cookies are kept. Default: true on open routes, else
    /// false; true for an app that still reads its own session.
    pub(crate) forward_cookie: Option<Placed<bool>>,
    /// Whether the service gets the client's own Authorization; only where no token goes into that header. Default:
    /// false.
    #[schemars(extend("default" = false))]
    pub(crate) forward_authorization: Option<Placed<bool>>,
    /// Upstream that judges bearers which are of none of the route's issuers, as old API keys: it gets the Authorization, no session
    /// cookie and no token. Whoever sends any such bearer gets there, so it must judge them all. Default: none, they get 401.
    pub(crate) other_bearers: Option<Placed<String>>,
    /// What is done against cross-site requests: refuse them (`fetch-metadata`), only log them (`log`), nothing
    /// (`off`). Default: `"fetch-metadata"`.
    #[schemars(extend("default" = "fetch-metadata"))]
    pub(crate) csrf: Option<Placed<CsrfMode>>,
    /// What is done with CORS preflights, which carry no cookie: `forward` them without token, or `refuse`. Default:
    /// `"forward"`.
    #[schemars(extend("default" = "forward"))]
    pub(crate) preflight: Option<Placed<Preflight>>,
    /// Where a browser navigation goes instead of getting 401, as `"/login?next={path}"`. Default: nowhere, a 401 page;
    /// API calls always get 401.
    pub(crate) login: Option<Placed<String>>,
    /// Encodings in the path that are refused elsewhere, for apps that need them. Default: none.
    #[schemars(extend("default" = []))]
    pub(crate) allow_in_path: Option<Vec<PathException>>,
    /// What becomes of WebSockets, server-sent events, gRPC streams and other long answers when their session is revoked,
    /// expires or is no longer admitted here: they end (`close`), or go on (`keep`). Default: `"close"`.
    #[schemars(extend("default" = "close"))]
    pub(crate) streams: Option<Placed<StreamEnd>>,
    /// How often it may be asked for, as `"100/min"` by one client address, or as `{ client = "100/min", session = "60/min",
    /// route = "1000/s" }`, `route` being all together; more gets 429. Default: as `[limits]` says.
    pub(crate) rate: Option<Placed<RawRouteRate>>,
    /// This route's own limits.
    pub(crate) limits: Option<Placed<RawRouteLimits>>,
    /// First segments of the path that the service does not get, as `"/api"`. What is left is judged again: a path that a
    /// stricter route of the same service has is 404. `Location` and the paths of cookies are not rewritten. Default: the
    /// path is forwarded as it comes.
    pub(crate) strip_prefix: Option<Placed<String>>,
    /// Segments that the service gets before the rest of the path, as `"/v2"`. Default: none.
    pub(crate) add_prefix: Option<Placed<String>>,
    /// What is done to the headers of requests, after the upstream's rules. Default: nothing.
    pub(crate) request_headers: Option<Placed<RawHeaderRules>>,
    /// What is done to the headers of the service's answers, after the upstream's rules. Default: nothing.
    pub(crate) response_headers: Option<Placed<RawHeaderRules>>,
}

/// A route's own limits.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRouteLimits {
    /// Longest request body; larger ones get 413. Default: as `[server.limits]` says.
    pub(crate) body: Option<Placed<SizeText>>,
    /// Longest life of a whole exchange, response included; tunnels are exempt. Default: `"none"`, no limit.
    #[schemars(extend("default" = "none"))]
    pub(crate) total: Option<Placed<DurationText>>,
}

/// What is accepted as proof of who is calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Accept {
    /// The session cookie.
    Session,
    /// A bearer token.
    Bearer,
}

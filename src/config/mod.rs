//! From `gateway.toml` to a [`Config`] that holds only valid, resolved values, or to every mistake at once.
//!
//! Job: read the file and its includes, check every key against the types in `raw` (which are also the reference
//! and the JSON Schema), resolve units, secrets, relative paths and references between tables, and report each
//! mistake with file, line, column, a caret under the value, what is accepted and a hint. Not the job: what only a
//! room can know (whether two routes are ambiguous, whether a key file holds an EC key); those rooms return the
//! same [`ConfigError`] from the [`At`] they were given, and `app` prints all of them together.
//!
//! Invariant: nothing half-applied. Either every table is right and a `Config` exists, or none does.
//!
//! The folder is a *floor*: `mod.rs` holds the resolved types, the children use them.

mod admin;
mod check;
mod clients;
mod edge;
mod error;
mod headers;
mod issuer;
mod limits;
mod load;
mod logout;
mod marks;
mod meant;
mod memory;
mod migration;
mod pair;
mod pending;
mod place;
mod premises;
mod profile;
mod rate;
mod raw;
mod report;
mod schema;
mod secret;
mod structure;
mod suggest;
mod syntax;
#[cfg(test)]
mod tests;
mod tokens;
mod units;
mod upstream;
mod web_address;
mod words;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use admin::{Admin, AdminToken};
pub(crate) use check::process_environment as environment;
pub use clients::Client;
pub use edge::{Acme, ClientCertificates, ExternalAccount, RedirectHttp};
pub use error::{At, ConfigError, Located, Sources};
pub use headers::{HeaderChange, HeaderRules, Rewrite};
pub use issuer::{Introspection, Issuer, IssuerKeys};
pub use limits::Limits;
pub use load::{from_text, load, load_with};
pub use logout::{Backchannel, Logout};
pub use marks::Marks;
pub use memory::MemoryLimit;
pub use migration::{Rollout, Share};
pub use pair::Pair;
pub use premises::Premises;
pub use profile::{AttributeSource, Condition, Expected, FormatOptions, IN_USER_RECORD, Profile, UserRecord};
pub use rate::{Rate, Rates, RouteRates};
pub use report::render;
pub use schema::schema;
pub use secret::Secret;
pub use tokens::{KeySource, Rotation, TokenOptions, Tokens, Txn};
pub use upstream::{Ejection, Health, UpstreamLimits, UpstreamTls};
pub use web_address::WebAddress;
pub use words::{
    Access, AcmeChallenge, Algorithm, Balance, Confirmation, CookieAttribute, CsrfMode, DuplicateCookie,
    Framework, Freshness, IdleTouch, JwsAlgorithm, Outage, PathException, Preflight, ProxyVersion,
    RefreshPlace, Role, StreamEnd, SubjectType, TokenProfile,
};

/// Everything the gateway was told, valid and resolved.
#[derive(Debug)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[internal]`; `None` if the table is absent: then nothing is served to services.
    pub internal: Option<Internal>,
    /// `[admin]`; `None` if the table is absent: then nothing is served to operators.
    pub admin: Option<Admin>,
    /// `[stores.*]`, in the order of the file; [`StoreId`] indexes it.
    pub stores: Vec<Store>,
    /// `[state]`; `None` if the table is absent: then nothing is kept.
    pub state: Option<State>,
    /// `[sessions.*]`, in the order of the file; [`ProfileId`] indexes it.
    pub profiles: Vec<Profile>,
    /// `[issuers.*]`, in the order of the file; [`IssuerId`] indexes it.
    pub issuers: Vec<Issuer>,
    /// `[tokens]`
    pub tokens: Tokens,
    /// `[pair]`; `None` if the table is absent: then there are none.
    pub pair: Option<Pair>,
    /// `[clients.*]`, in the order of the file.
    pub clients: Vec<Client>,
    /// `[logout]`; `None` if the table is absent: then only the app logs out.
    pub logout: Option<Logout>,
    /// `[csrf] trusted_origins`: `scheme://host[:port]`, lower case, no default port.
    pub trusted_origins: Vec<String>,
    /// `[limits]`
    pub rates: Rates,
    /// `[upstreams.*]`, in the order of the file; [`UpstreamId`] indexes it.
    pub upstreams: Vec<Upstream>,
    /// `[[routes]]`, in the order of the files; [`RouteId`] indexes it.
    pub routes: Vec<Route>,
    /// What its tables were made from, to see at a reload which are the same.
    pub marks: Marks,
}

impl Config {
    /// Whether it is kept which sessions there are: somebody may ask for one, or end it.
    pub fn notes_sessions(&self) -> bool {
        let asked = !self.clients.is_empty() || self.issuers.iter().any(|issuer| issuer.keys.are_own());
        self.state.is_some() && (self.logout.is_some() || self.pair.is_some() || asked)
    }
}

impl Config {
    /// Whether what the gateway keeps is kept where `other` keeps it, if the stores are the same.
    pub fn same_state(&self, other: &Self) -> bool {
        let place = |config: &Self| config.state.as_ref().map(|state| (state.store, state.prefix.clone()));
        place(self) == place(other)
    }
}

/// Index of a store in [`Config::stores`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StoreId(pub usize);
/// Index of a session profile in [`Config::profiles`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProfileId(pub usize);
/// Index of an issuer in [`Config::issuers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IssuerId(pub usize);
/// Index of an upstream in [`Config::upstreams`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamId(pub usize);
/// Index of a route in [`Config::routes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RouteId(pub usize);

/// `[server]`: the public listeners and what every request is held to.
#[derive(Debug)]
pub struct Server {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Whether every connection begins with a PROXY header; then there are `trusted_proxies`.
    pub proxy_protocol: bool,
    /// Number of workers; the core count has been put in for 0.
    pub workers: usize,
    /// Peers whose `Forwarded` and `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// More reserved header names, folded to lower case with `-`; a final `*` matches any rest.
    pub reserved_headers: Vec<String>,
    /// `iat` is set back by this.
    pub skew: Duration,
    /// `[[server.certificates]]`, in the order of the file; none: no TLS.
    pub certificates: Vec<Certificate>,
    /// `[server.acme]`; the certificates that there are already are among `certificates`.
    pub acme: Option<Acme>,
    /// `[[server.client_certificates]]`, in the order of the file.
    pub client_certificates: Vec<ClientCertificates>,
    /// `[server.hsts]`, as the value of Strict-Transport-Security.
    pub hsts: Option<String>,
    /// `[server.redirect_http]`
    pub redirect_http: Option<RedirectHttp>,
    /// `[server.limits]`
    pub limits: Limits,
}

/// `[[server.certificates]]`: one of the public listener's.
#[derive(Debug)]
pub struct Certificate {
    /// PEM of the chain, the certificate itself first; located where the file is named.
    pub chain: Located<Vec<u8>>,
    /// PEM of the key; located likewise.
    pub key: Located<Secret>,
    /// Whether the gateway renews it itself.
    pub renews: bool,
}

/// `[internal]`: the listener for services.
#[derive(Debug)]
pub struct Internal {
    /// Its address.
    pub listen: SocketAddr,
}

/// `[stores.X]`: one Redis that holds sessions.
#[derive(Debug)]
pub struct Store {
    /// X.
    pub name: String,
    /// Where it was configured, for errors that only a connection can show.
    pub at: At,
    /// What it is.
    pub backend: Backend,
    /// Longest wait for one read, connection included.
    pub timeout: Duration,
    /// The longest a revoked session may be honoured.
    pub revocation_bound: Duration,
    /// Whether Redis is asked on every request.
    pub freshness: Freshness,
    /// What happens while it cannot be asked.
    pub outage: Outage,
    /// Longest session record, in bytes.
    pub value_bytes: usize,
}

/// The kinds of store.
#[derive(Debug)]
pub enum Backend {
    /// `memory:`, for the demo and tests.
    Memory,
    /// All others. The URL may hold a password, hence a [`Secret`].
    Redis {
        /// Scheme, host, port and database, with the user and password of the URL. Where the topology finds the servers, it stands for
        /// any of them but for host and port.
        url: Secret,
        /// How the primaries are found.
        topology: Topology,
        /// `username`; goes before the URL's.
        username: Option<String>,
        /// `password`; goes before the URL's.
        password: Option<Secret>,
        /// PEM of the certificate authorities to trust instead of the system's.
        ca: Option<Vec<u8>>,
        /// PEM of the client certificate chain and key.
        client: Option<(Vec<u8>, Secret)>,
    },
}

/// How the primaries of a store are found.
#[derive(Debug)]
pub enum Topology {
    /// The URL leads to the primary, over TCP or a Unix socket.
    Single,
    /// `redis+sentinel://`: sentinels know it.
    Sentinel(Box<SentinelGroup>),
    /// `redis+cluster://`: several, each for some of the keys; these nodes, primaries or not, are asked first.
    Cluster(Vec<(String, u16)>),
}

/// The sentinels of a store.
#[derive(Debug)]
pub struct SentinelGroup {
    /// Those of the URL, hosts and ports.
    pub sentinels: Vec<(String, u16)>,
    /// By what name they know the primary.
    pub service: String,
    /// `sentinel_username`.
    pub username: Option<String>,
    /// `sentinel_password`.
    pub password: Option<Secret>,
    /// Whether they speak TLS: `sentinel_tls`, or as the scheme says.
    pub tls: bool,
}

/// `[state]`: what the gateway itself keeps in Redis.
#[derive(Debug)]
pub struct State {
    /// The store that keeps it.
    pub store: StoreId,
    /// What every key begins with.
    pub prefix: String,
}

/// `[upstreams.X]`
#[derive(Debug)]
pub struct Upstream {
    /// X.
    pub name: String,
    /// Where the table starts, for mistakes that only its room can see.
    pub at: At,
    /// Where it listens; at least one.
    pub endpoints: Vec<Endpoint>,
    /// Sent as `Host` instead of the client's.
    pub host: Option<String>,
    /// Whom it trusts, and what it shows.
    pub tls: UpstreamTls,
    /// Connecting, TCP and TLS together.
    pub connect_timeout: Duration,
    /// From the last byte of the request to the head of the response.
    pub first_byte_timeout: Duration,
    /// How long a pooled connection may wait for its next request.
    pub idle_timeout: Duration,
    /// Which endpoint a request goes to.
    pub balance: Balance,
    /// How it is told whom a connection is made for; `None`: it is not, and clients share connections.
    pub proxy_protocol: Option<ProxyVersion>,
    /// How much of it there may be at once.
    pub limits: UpstreamLimits,
    /// When an endpoint that fails is left alone.
    pub ejection: Ejection,
    /// How its endpoints are asked whether they work; `None`: they are not.
    pub health: Option<Health>,
    /// What becomes of the headers of requests.
    pub request_headers: HeaderRules,
    /// What becomes of the headers of answers.
    pub response_headers: HeaderRules,
}

/// One process of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `https://`
    pub tls: bool,
    /// `h2c://`: HTTP/2 by prior knowledge.
    pub http2: bool,
    /// Host name or address, lower case; an IPv6 address without its brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// A Unix socket, instead of host and port.
    pub socket: Option<PathBuf>,
}

/// `[[routes]]`
#[derive(Debug)]
pub struct Route {
    /// Where the table starts.
    pub at: At,
    /// Path pattern.
    pub path: Located<String>,
    /// Host patterns, lower case; empty: any host.
    pub hosts: Vec<Located<String>>,
    /// Methods; empty: any but CONNECT and TRACE. `GET` includes `HEAD`.
    pub methods: Vec<http::Method>,
    /// Where it leads.
    pub upstream: UpstreamId,
    /// Who may pass.
    pub access: Access,
    /// Which profiles, in order of priority; all of them on an open route that names none, for their cookies.
    pub sessions: Vec<ProfileId>,
    /// Whose bearers are accepted; empty: none are looked at.
    pub issuers: Vec<IssuerId>,
    /// The `aud` claim; at least one.
    pub audience: Vec<String>,
    /// The token's other properties.
    pub token: TokenOptions,
    /// Whether Redis is asked on every request; `None`: as the store says.
    pub freshness: Option<Freshness>,
    /// What happens while the store cannot be asked; `None`: as the store says.
    pub outage: Option<Outage>,
    /// Attribute name and accepted values; all must match.
    pub require: Vec<(Located<String>, Vec<serde_json::Value>)>,
    /// Whether nobody passes without a certificate of its own.
    pub client_certificate: bool,
    /// Whether the upstream gets the session cookie.
    pub forward_cookie: bool,
    /// Whether the upstream gets the client's own Authorization.
    pub forward_authorization: bool,
    /// Who judges bearers that are of none of the issuers; `None`: they are refused.
    pub other_bearers: Option<UpstreamId>,
    /// What is done against cross-site requests.
    pub csrf: CsrfMode,
    /// What is done with CORS preflights.
    pub preflight: Preflight,
    /// Template of the login redirect.
    pub login: Option<Located<String>>,
    /// Encodings in the path that this route takes.
    pub allow_in_path: Vec<PathException>,
    /// Longest request body; `None`: as `[server.limits]` says.
    pub body_limit: Option<u64>,
    /// Longest life of a whole exchange; `None`: no limit. Tunnels are exempt.
    pub total_timeout: Option<Duration>,
    /// What becomes of its streams when their session ends.
    pub streams: StreamEnd,
    /// How often it may be asked for.
    pub rates: RouteRates,
    /// Whether its rules are only decided, and everything goes on as on an open route.
    pub shadow: bool,
    /// Whom its rules count for so far; `None`: everybody.
    pub rollout: Option<Rollout>,
    /// What the service sees of its paths; `None`: they are forwarded as they come.
    pub rewrite: Option<Rewrite>,
    /// What becomes of the headers of requests, after the upstream's rules.
    pub request_headers: HeaderRules,
    /// What becomes of the headers of answers, after the upstream's rules.
    pub response_headers: HeaderRules,
}

//! The closed sets of words a configuration may use.

use schemars::JsonSchema;
use serde::Deserialize;

/// Who may pass a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Everybody, without a token; the store is never asked.
    Open,
    /// Everybody; a token is added where there is a session.
    Optional,
    /// Whoever has a live session, guests too.
    Session,
    /// Whoever is logged in.
    Required,
}

impl Access {
    /// The word in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Optional => "optional",
            Self::Session => "session",
            Self::Required => "required",
        }
    }
}

/// What an operator's token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// To look.
    Read,
    /// To end sessions too.
    Revoke,
    /// To change keys too.
    Keys,
    /// Everything.
    All,
}

impl Role {
    /// Its name in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Revoke => "revoke",
            Self::Keys => "keys",
            Self::All => "all",
        }
    }
}

/// Where refresh tokens go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RefreshPlace {
    /// Into the answer's body, and from there into a store of the client's own.
    Body,
    /// Into a cookie that no script can read.
    Cookie,
}

/// Signature algorithm of internal tokens (RFC 7518, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519.
    EdDSA,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// HMAC with SHA-256: whoever verifies can sign.
    HS256,
}

/// Which of an upstream's endpoints a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// Of two chosen by lot, the one with fewer requests of this worker on their way.
    LeastRequest,
    /// Each in turn.
    RoundRobin,
    /// The same for all requests of a session.
    HashSession,
}

/// How an ACME authority is shown that a name leads here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum AcmeChallenge {
    /// By a certificate in a handshake for the protocol `acme-tls/1` (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    /// By an answer in plain HTTP (RFC 8555 section 8.3).
    #[serde(rename = "http-01")]
    Http01,
}

/// How an upstream is told, in the first bytes of a connection, whom it is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// In binary.
    V2,
}

/// What a token is bound to (RFC 7800).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Confirmation {
    /// Nothing.
    None,
    /// The certificate that its client showed, if there is one (RFC 8705).
    ClientCertificate,
}

/// What is put right about an app's session cookie where it lacks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum CookieAttribute {
    /// Over HTTPS only: elsewhere browsers would refuse the cookie.
    Secure,
    /// No script reads it.
    HttpOnly,
    /// Where the app says nothing of SameSite.
    #[serde(rename = "SameSite=Lax")]
    SameSiteLax,
    /// Where the app says nothing of SameSite.
    #[serde(rename = "SameSite=Strict")]
    SameSiteStrict,
    /// Path=/ and no Domain, for a cookie whose name begins so.
    #[serde(rename = "__Host-")]
    HostPrefix,
}

/// Signature algorithm of the tokens of others (RFC 7518, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum JwsAlgorithm {
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PSS with SHA-384.
    PS384,
    /// RSASSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519, under its old name and its new one.
    EdDSA,
}

impl JwsAlgorithm {
    /// Whether it takes a shared secret.
    pub const fn is_hmac(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }
}

/// What is done against cross-site requests where a cookie becomes a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CsrfMode {
    /// Fetch-Metadata, with the Origin header as fallback.
    FetchMetadata,
    /// The same check, logged and counted but not enforced.
    Log,
    /// Nothing.
    Off,
}

/// What two session cookies with different values mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DuplicateCookie {
    /// Two different values are refused.
    Reject,
    /// The framework's own choice, first or last.
    AsFramework,
}

/// Whose sessions a profile reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Framework {
    /// express-session with connect-redis; NestJS and Passport too.
    Express,
    /// koa-session and koa-generic-session.
    Koa,
    /// @fastify/session.
    Fastify,
    /// better-auth with secondary storage.
    BetterAuth,
    /// Django's cache, cached_db and redis_sessions engines.
    Django,
    /// Flask-Session.
    Flask,
    /// starsessions.
    Starlette,
    /// Rails' redis stores and its cache store.
    Rails,
    /// Rack::Session::Redis.
    Rack,
    /// Laravel's redis and cache session drivers.
    Laravel,
    /// Plain PHP with phpredis as the session handler.
    Php,
    /// Symfony's RedisSessionHandler.
    Symfony,
    /// Spring Session Data Redis.
    Spring,
    /// alexedwards/scs.
    GoScs,
    /// gorilla/sessions with a Redis store.
    Gorilla,
    /// gin-contrib/sessions with its Redis store.
    Gin,
    /// actix-session.
    Actix,
    /// tower-sessions.
    Tower,
    /// ASP.NET Core's distributed session.
    Aspnet,
    /// A bare id in the cookie, JSON in the store, every name configurable.
    Json,
    /// A bare id in the cookie, MessagePack in the store, every name configurable.
    Msgpack,
    /// A JWT of the app's own in the cookie.
    Jwt,
}

/// Whether the store is asked on every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Freshness {
    /// Cached, revoked by the store's pushes.
    Lease,
    /// Asked on every request.
    Strict,
}

/// What happens to a request whose session cannot be looked up because the store cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// 503 with Retry-After.
    Deny,
    /// Anonymous, on optional routes.
    Anonymous,
    /// For so long after the lease ended, what was known of the session when it did; then 503.
    ServeKnown(std::time::Duration),
}

impl Outage {
    /// The word in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Anonymous => "anonymous",
            Self::ServeKnown(_) => "serve_known",
        }
    }
}

impl Framework {
    /// Whether apps of this framework push on the end of a session by every request, unless told otherwise (measured for each).
    pub const fn slides(self) -> bool {
        match self {
            Self::Aspnet
            | Self::Express
            | Self::Fastify
            | Self::Flask
            | Self::Laravel
            | Self::Php
            | Self::Rack
            | Self::Rails
            | Self::Spring
            | Self::Starlette
            | Self::Symfony => true,
            Self::Actix
            | Self::BetterAuth
            | Self::Django
            | Self::Gin
            | Self::GoScs
            | Self::Gorilla
            | Self::Json
            | Self::Jwt
            | Self::Koa
            | Self::Msgpack
            | Self::Tower => false,
        }
    }
}

/// An encoding in the path that a route takes although it is refused by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum PathException {
    /// An encoded slash.
    #[serde(rename = "%2F")]
    Slash,
    /// An encoded percent sign.
    #[serde(rename = "%25")]
    Percent,
    /// An encoded number sign.
    #[serde(rename = "%23")]
    NumberSign,
    /// An encoded question mark.
    #[serde(rename = "%3F")]
    QuestionMark,
    /// A semicolon, raw or encoded.
    #[serde(rename = ";")]
    Semicolon,
    /// An empty segment.
    #[serde(rename = "//")]
    EmptySegment,
}

/// What is done with CORS preflights, which carry no cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preflight {
    /// Forwarded without cookie and token: the app answers.
    Forward,
    /// Refused.
    Refuse,
}

/// Who keeps an active session alive on routes that bypass the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdleTouch {
    /// Nobody but the app.
    Off,
    /// We, in the framework's own way.
    Gateway {
        /// How long a session may idle; `None`: as its record says, or else as long as it was ever seen to have left.
        life: Option<std::time::Duration>,
        /// The attributes of the cookie that goes out with a touch; `None`: as the app itself was seen to do it.
        set_cookie: Option<String>,
    },
}

/// What becomes of a stream (WebSocket, server-sent events, gRPC) when its session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StreamEnd {
    /// It ends too.
    Close,
    /// It goes on until one side ends it.
    Keep,
}

/// Whether all services know a user by one `sub` (OpenID Connect Core §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectType {
    /// One for each audience, which two services cannot compare.
    Pairwise,
    /// The same for all.
    Public,
}

/// What kind of JWT a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum TokenProfile {
    /// RFC 9068, `typ: at+jwt`.
    #[serde(rename = "at+jwt")]
    AtJwt,
    /// RFC 7519, `typ: JWT`.
    #[serde(rename = "jwt")]
    Jwt,
    /// draft-ietf-oauth-transaction-tokens, `typ: txntoken+jwt`.
    #[serde(rename = "txn")]
    Txn,
    /// No JWT: sealed, so that only introspection (`[clients]`) says what is in it.
    #[serde(rename = "reference")]
    Reference,
}

impl TokenProfile {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::AtJwt, Self::Jwt, Self::Txn, Self::Reference];

    /// The word in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::AtJwt => "at+jwt",
            Self::Jwt => "jwt",
            Self::Txn => "txn",
            Self::Reference => "reference",
        }
    }
}

//! `[issuers.X]`, resolved.

use crate::config::{At, AttributeSource, JwsAlgorithm, Located, Secret};
use std::time::Duration;

/// `[issuers.X]`: whose bearer JWTs are accepted.
#[derive(Debug)]
pub struct Issuer {
    /// X; also the `client_id` claim.
    pub name: String,
    /// Where the table starts.
    pub at: At,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// Where its keys come from.
    pub keys: IssuerKeys,
    /// Values of `aud`, of which a token must have one; at least one.
    pub audience: Vec<String>,
    /// Signature algorithms, of those that the keys allow; at least one.
    pub algorithms: Vec<JwsAlgorithm>,
    /// `typ` that its tokens must have.
    pub typ: Option<String>,
    /// How far its clock and ours may differ.
    pub leeway: Duration,
    /// Path of the user id among the claims.
    pub subject: Located<String>,
    /// Template of the `sub` claim.
    pub sub: Located<String>,
    /// Names that claims and conditions use, with where each comes from.
    pub attributes: Vec<(String, AttributeSource)>,
}

/// Where the keys of an issuer come from.
#[derive(Debug)]
pub enum IssuerKeys {
    /// The gateway itself: `jwks = "own"`.
    Own,
    /// A JWKS file, as its bytes and its place in the configuration.
    File(Located<Vec<u8>>),
    /// A JWKS that is fetched.
    Url(WebAddress),
    /// A secret that it shares with us.
    Secret(Located<Secret>),
}

/// An `http://` or `https://` URL that the gateway itself calls.
#[derive(Debug)]
pub struct WebAddress {
    /// Where it was written.
    pub at: At,
    /// As it was written, for a person.
    pub text: String,
    /// `https://`
    pub tls: bool,
    /// Host name or address, lower case; an IPv6 address without its brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path and query.
    pub target: String,
    /// PEM of the certificate authorities to trust instead of the system's.
    pub ca: Option<Vec<u8>>,
}

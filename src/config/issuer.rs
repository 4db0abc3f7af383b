//! `[issuers.X]`, resolved.

use crate::config::{At, AttributeSource, JwsAlgorithm, Located, Secret, WebAddress};
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
    /// None: it is asked about each token.
    Introspection(Introspection),
}

impl IssuerKeys {
    /// Whether they are our own.
    pub const fn are_own(&self) -> bool {
        matches!(self, Self::Own)
    }
}

/// `introspection`: where an issuer is asked about tokens that only it can read (RFC 7662).
#[derive(Debug)]
pub struct Introspection {
    /// The endpoint.
    pub address: WebAddress,
    /// Our name there.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: Secret,
    /// How long an answer counts.
    pub hold: Duration,
}

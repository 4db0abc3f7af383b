//! `[tokens]`, and what a route says of its token.

use crate::config::{Algorithm, At, Confirmation, Located, Secret, SubjectType, TokenProfile};
use std::path::PathBuf;
use std::time::Duration;

/// `[tokens]`
#[derive(Debug)]
pub struct Tokens {
    /// The `iss` claim.
    pub issuer: String,
    /// `jwks_uri` in the discovery document; `None`: made from the internal listener's address.
    pub jwks_uri: Option<String>,
    /// Defaults of every route's token.
    pub defaults: TokenOptions,
    /// Signature algorithm of all tokens whose route names no other.
    pub algorithm: Located<Algorithm>,
    /// Those that routes and `[pair]` name beside it.
    pub more_algorithms: Vec<Algorithm>,
    /// What HS256 tokens are signed with, by the audience that shares it, the newest first.
    pub secrets: Vec<(String, Vec<Secret>)>,
    /// Largest token, in bytes.
    pub max_bytes: usize,
    /// What is the same in all transaction tokens.
    pub txn: Txn,
    /// Where the keys are.
    pub keys: KeySource,
    /// When they change.
    pub rotation: Rotation,
    /// Whether the public port serves the JWKS and discovery too.
    pub publish_jwks: bool,
    /// Whether keys that are missing are made for this process alone and written nowhere: who only looks at a configuration
    /// must not leave files behind, least of all ones that the gateway's own user cannot read.
    pub stand_in: bool,
}

impl Tokens {
    /// The algorithms that some token is signed with, each once, but for HS256, which has no keys in the ring.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let mut all = vec![self.algorithm.value];
        for more in self.more_algorithms.iter().filter(|more| **more != Algorithm::HS256) {
            if !all.contains(more) {
                all.push(*more);
            }
        }
        all
    }
}

/// `[tokens.keys]`
#[derive(Debug)]
pub enum KeySource {
    /// Generated into and read from this directory.
    Directory(Located<PathBuf>),
    /// PEM files; the first signs, all are published.
    Files(Vec<Located<PathBuf>>),
    /// In `[state]`, where all gateways share it, sealed with these, the newest first.
    State {
        /// Where the configuration says so.
        at: At,
        /// What the private keys are sealed with.
        seals: Vec<Secret>,
    },
}

/// How keys follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// How long a key signs.
    pub every: Duration,
    /// How long a key is published before it signs.
    pub publish: Duration,
}

/// `[tokens.txn]`
#[derive(Debug)]
pub struct Txn {
    /// The `aud` claim of transaction tokens.
    pub trust_domain: String,
    /// The `req_wl` claim.
    pub workload: String,
}

/// What a route's token looks like.
#[derive(Clone, Debug)]
pub struct TokenOptions {
    /// `typ` and conformance of the route's token, or of both.
    pub profiles: Vec<TokenProfile>,
    /// The header it travels in, lower case. A transaction token has one of its own.
    pub header: http::HeaderName,
    /// Signature algorithm.
    pub algorithm: Algorithm,
    /// Longest life.
    pub ttl: Duration,
    /// Attribute names to copy into claims.
    pub claims: Vec<Located<String>>,
    /// The `scope` claim.
    pub scope: Option<String>,
    /// Whether all services know a user by one `sub`.
    pub subject_type: SubjectType,
    /// Whether it is for one request alone, and says which.
    pub bound: bool,
    /// What it is bound to.
    pub cnf: Confirmation,
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self {
            profiles: vec![TokenProfile::AtJwt],
            header: http::header::AUTHORIZATION,
            algorithm: Algorithm::ES256,
            ttl: Duration::from_secs(30),
            claims: Vec::new(),
            scope: None,
            subject_type: SubjectType::Public,
            bound: false,
            cnf: Confirmation::None,
        }
    }
}

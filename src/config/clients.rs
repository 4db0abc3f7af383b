//! `[clients.X]`, checked.

use crate::config::Secret;

/// `[clients.X]`: a service that asks about tokens or trades them.
#[derive(Debug)]
pub struct Client {
    /// X.
    pub name: String,
    /// Its secrets; at least one.
    pub secrets: Vec<Secret>,
    /// Which audiences it is; at least one.
    pub audience: Vec<String>,
    /// The thumbprint of the certificate with which it calls them.
    pub certificate: Option<String>,
    /// Audiences for which it gets tokens.
    pub may_call: Vec<String>,
}

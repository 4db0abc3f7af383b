//! `[admin]`

use crate::config::{Role, Secret};
use std::net::SocketAddr;

/// `[admin]`
#[derive(Debug)]
pub struct Admin {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Names that it may be called by, lower case, beside addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Who may call; empty: nobody.
    pub tokens: Vec<AdminToken>,
}

/// `[admin.tokens.NAME]`
#[derive(Debug)]
pub struct AdminToken {
    /// Who it is.
    pub name: String,
    /// What it shows.
    pub token: Secret,
    /// What it may do.
    pub role: Role,
}

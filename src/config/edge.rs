//! What `[server]` says of certificates that come from elsewhere than files, and of those that come without TLS.

use crate::config::{AcmeChallenge, At, Located, Secret, WebAddress};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// `[[server.client_certificates]]`: who is asked for a certificate, and whose are good.
#[derive(Debug)]
pub struct ClientCertificates {
    /// Where the table starts.
    pub at: At,
    /// For which hosts, lower case, `*.` for one label more; empty: for all others.
    pub hosts: Vec<String>,
    /// Whether nobody gets in without.
    pub required: bool,
    /// PEM of the authorities.
    pub ca: Located<Vec<u8>>,
    /// PEM of the revocation lists.
    pub crl: Option<Located<Vec<u8>>>,
    /// Whether services get it in `Client-Cert`.
    pub forward: bool,
}

/// `[server.redirect_http]`: who comes without TLS is sent to where there is.
#[derive(Debug)]
pub struct RedirectHttp {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Under which port clients reach the public listener.
    pub port: u16,
}

/// `[server.acme]`: certificates that the gateway orders itself.
#[derive(Debug)]
pub struct Acme {
    /// The directory of the authority; `https://`.
    pub directory: WebAddress,
    /// For which hosts, lower case.
    pub names: Vec<Located<String>>,
    /// Where the account and the certificates are kept.
    pub storage: Located<PathBuf>,
    /// `mailto:` URLs.
    pub contact: Vec<String>,
    /// How the authority is shown that a name leads here.
    pub challenge: AcmeChallenge,
    /// The account that ours is to belong to.
    pub external_account: Option<ExternalAccount>,
}

/// `server.acme.external_account`
#[derive(Debug)]
pub struct ExternalAccount {
    /// Which key.
    pub kid: String,
    /// Its bytes.
    pub key: Secret,
}

impl Acme {
    /// The file with the certificate for `name`, its chain and its key.
    pub fn file(storage: &Path, name: &str) -> PathBuf {
        storage.join(format!("{name}.pem"))
    }
}

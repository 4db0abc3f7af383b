//! A certificate authority of the test's own.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::CertificateDer;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// It signs what it is asked to, and keeps the files.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: rcgen::Certificate,
    dir: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "the tests' own authority");
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("root.pem"), root.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), root, dir }
    }

    /// PEM of the authority itself.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("root.pem")
    }

    /// Writes `{file}.pem` and `{file}.key` for these names; returns the certificate's PEM.
    pub(crate) fn issue(&self, file: &str, names: &[&str]) -> String {
        self.issue_as(file, names, |_| {})
    }

    /// The same, with something changed in the certificate.
    pub(crate) fn issue_as(
        &self,
        file: &str,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, file);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        std::fs::write(self.path(file, "key"), key.serialize_pem()).unwrap();
        std::fs::write(self.path(file, "pem"), &certificate).unwrap();
        certificate
    }

    pub(crate) fn path(&self, file: &str, end: &str) -> PathBuf {
        self.dir.path().join(format!("{file}.{end}"))
    }

    /// The entry of gateway.toml for what was issued as `file`.
    pub(crate) fn entry(&self, file: &str) -> String {
        let (cert, key) = (self.path(file, "pem"), self.path(file, "key"));
        format!("[[server.certificates]]\ncert = \"{}\"\nkey = \"{}\"", cert.display(), key.display())
    }

    /// A client that trusts this authority alone.
    pub(crate) fn client(&self) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from(self.root.der().to_vec())).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        Arc::new(client.unwrap().with_root_certificates(roots).with_no_client_auth())
    }
}

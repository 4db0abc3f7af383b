//! A certificate authority of the test's own.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
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

    /// The same for the address of this machine that only it can reach.
    pub(crate) fn issue_for_loopback(&self, file: &str) -> String {
        self.issue(file, &["127.0.0.1"])
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

    /// Writes a list that revokes what was issued as `file`.
    pub(crate) fn revoke(&self, file: &str) -> PathBuf {
        self.revoke_until(file, 4_922_899_200)
    }

    /// The same, to be replaced so many seconds after 1970.
    pub(crate) fn revoke_until(&self, file: &str, until: u64) -> PathBuf {
        let pem = std::fs::read(self.path(file, "pem")).unwrap();
        let der = CertificateDer::from_pem_slice(&pem).unwrap();
        let (_, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from_slice(certificate.raw_serial()),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(1970, 1, 1) + Duration::from_secs(until),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let path = self.path(file, "crl");
        std::fs::write(&path, list.signed_by(&self.issuer).unwrap().pem().unwrap()).unwrap();
        path
    }

    /// A client that trusts this authority alone, and shows what `clients` issued as `file`.
    pub(crate) fn client_as(&self, clients: &Self, file: &str) -> Arc<rustls::ClientConfig> {
        let read = |end| std::fs::read(clients.path(file, end)).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(&read("pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(&read("key")).unwrap();
        Arc::new(self.trusting().with_client_auth_cert(chain, key).unwrap())
    }

    /// The entry of gateway.toml for what was issued as `file`.
    pub(crate) fn entry(&self, file: &str) -> String {
        let (cert, key) = (self.path(file, "pem"), self.path(file, "key"));
        format!("[[server.certificates]]\ncert = \"{}\"\nkey = \"{}\"", cert.display(), key.display())
    }

    /// A client that trusts this authority alone.
    pub(crate) fn client(&self) -> Arc<rustls::ClientConfig> {
        Arc::new(self.trusting().with_no_client_auth())
    }

    fn trusting(&self) -> rustls::ConfigBuilder<rustls::ClientConfig, WantsClientCert> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from(self.root.der().to_vec())).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        client.unwrap().with_root_certificates(roots)
    }
}

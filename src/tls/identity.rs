//! One certificate with its key: that they belong together, whom it is for, and how long it is good.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::clock::UnixMillis;
use crate::config::{At, Certificate, ConfigError};

/// So long before its end a certificate is warned of: renewals that work come a month before.
const SOON_SECS: u64 = 14 * 24 * 3600;

/// What is shown under some names.
#[derive(Debug)]
pub(crate) struct Identity {
    /// What rustls shows.
    pub(crate) key: Arc<CertifiedKey>,
    /// Its DNS names in lower case, `*.` included.
    pub(crate) names: Vec<String>,
    /// Where its file is named.
    pub(crate) at: At,
    from: UnixMillis,
    pub(crate) until: UnixMillis,
    renews: bool,
}

impl Identity {
    /// Reads a certificate with its chain and key.
    ///
    /// # Errors
    /// What is no certificate or key, or not of one pair.
    pub(crate) fn read(certificate: &Certificate, provider: &CryptoProvider) -> Result<Self, ConfigError> {
        let (at, key_at) = (certificate.chain.at, certificate.key.at);
        let refuse_cert =
            |found: String| ConfigError::new(at, CERT, found, "a certificate in PEM, its chain behind it");
        let refuse_key = |found: &str| ConfigError::new(key_at, KEY, found, "the private key of `cert`");
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&certificate.chain.value)
            .collect::<Result<_, _>>()
            .map_err(|error| refuse_cert(format!("not all of it is PEM: {error}")))?;
        let key = PrivateKeyDer::from_pem_slice(certificate.key.value.expose())
            .map_err(|_| refuse_key("it holds no private key"))?;
        let first = chain.first().ok_or_else(|| refuse_cert("it holds no certificate".to_owned()))?;
        let (names, from, until) =
            facts(first).map_err(|()| refuse_cert("its first certificate cannot be read".to_owned()))?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => refuse_key("this key belongs to another certificate")
                .hint("`openssl x509 -noout -pubkey -in CERT` and `openssl pkey -pubout -in KEY` print the same for a pair"),
            _ => refuse_key("this kind of key is not known").hint("ECDSA P-256, P-384, P-521, RSA from 2048 bits, Ed25519"),
        })?;
        Ok(Self { key: Arc::new(key), names, at, from, until, renews: certificate.renews })
    }

    /// What is wrong with it at `now`, though it can be shown.
    pub(crate) fn complaint(&self, now: UnixMillis) -> Option<String> {
        let day = |time: UnixMillis| time.rfc3339().get(..10).unwrap_or_default().to_owned();
        if now >= self.until {
            return Some(format!("expired on {}, so clients will refuse it", day(self.until)));
        }
        if now < self.from {
            return Some(format!("is not valid before {}, so clients will refuse it", day(self.from)));
        }
        if self.names.is_empty() {
            return Some("has no DNS name (subjectAltName), so browsers will refuse it".to_owned());
        }
        let left = now.until(self.until).as_secs();
        (left < SOON_SECS && !self.renews).then(|| format!("expires on {}", day(self.until)))
    }

    /// What it is called in a warning.
    pub(crate) fn title(&self) -> String {
        match self.names.first() {
            Some(name) => format!("the certificate for `{name}`"),
            None => "the first certificate".to_owned(),
        }
    }
}

pub(crate) const CERT: &str = "server.certificates.cert";
const KEY: &str = "server.certificates.key";

/// From when until when the first certificate of a PEM file is good; `None` if there is none that can be read.
pub fn validity(pem: &[u8]) -> Option<(UnixMillis, UnixMillis)> {
    let first = CertificateDer::pem_slice_iter(pem).next()?.ok()?;
    facts(&first).ok().map(|(_, from, until)| (from, until))
}

/// Names and validity.
fn facts(certificate: &[u8]) -> Result<(Vec<String>, UnixMillis, UnixMillis), ()> {
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| ())?;
    let alternative = certificate.subject_alternative_name().map_err(|_| ())?;
    let general = alternative.iter().flat_map(|extension| &extension.value.general_names);
    let names = general.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    let time = |seconds: i64| UnixMillis::from_secs(u64::try_from(seconds).unwrap_or(0));
    let validity = certificate.validity();
    Ok((names.collect(), time(validity.not_before.timestamp()), time(validity.not_after.timestamp())))
}

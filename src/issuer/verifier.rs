//! One issuer: its keys, its rules, and how its tokens become sessions.

use crate::clock::UnixMillis;
use crate::codec::{Limits, Value};
use crate::config::{ConfigError, Issuer, IssuerId, IssuerKeys, JwsAlgorithm};
use crate::format::Reject;
use crate::format::claims::{ClaimRules, Claims};
use crate::format::jwk::{JwkSet, SET_BYTES_MAX};
use crate::format::jws::{JwsKey, Typ, Unverified};
use crate::issuer::introspection::Introspection;
use crate::issuer::keys::{KeySet, Keys};
use crate::issuer::logout_token::is_logout;
use crate::issuer::own::OwnBearer;
use crate::issuer::reject::{BearerError, BearerReject};
use crate::session::{BearerIdentity, FingerprintKey, Identity, IdentityRules, Session};
use crate::telemetry::{IssuerMetrics, Metrics};
use crate::web::Web;
use jsonwebtoken::Algorithm;
use std::sync::Arc;
use std::time::Duration;

/// Claims are shallow, and a header short.
pub(super) const CLAIMS: Limits = Limits { bytes: 16 * 1024, depth: 16, nodes: 1_000 };

/// An issuer, ready to verify.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) name: String,
    pub(super) issuer: String,
    pub(super) proofs: Proofs,
    pub(super) metrics: IssuerMetrics,
    algorithms: Vec<Algorithm>,
    typ: Typ,
    claims: ClaimRules,
    identity: BearerIdentity,
}

/// How an issuer's tokens are proven.
#[derive(Debug)]
pub(super) enum Proofs {
    /// By its keys.
    Keys(Box<Keys>),
    /// By its word.
    Word(Box<Introspection>),
}

/// A token whose signature and claims are right; whether it has begun and not ended changes.
#[derive(Debug)]
pub(super) struct Sound<T> {
    pub(super) session: Arc<Session<T>>,
    /// What it says, where it is one of ours.
    pub(super) own: Option<Arc<OwnBearer<T>>>,
    pub(super) generation: u64,
    pub(super) begins_at: Option<UnixMillis>,
    pub(super) ends_at: Option<UnixMillis>,
    /// When its issuer is to be asked again.
    pub(super) counts_until: Option<UnixMillis>,
    bound_to: Bound,
}

/// Who may show a token (RFC 7800).
#[derive(Debug)]
enum Bound {
    /// Whoever has it.
    Nobody,
    /// Whoever comes with this certificate (RFC 8705 §3.1), by its thumbprint.
    Certificate(String),
    /// Who proves what we cannot check (RFC 9449 and others).
    Unknown,
}

/// How a token comes.
#[derive(Clone, Copy, Debug)]
pub struct Presentation<'a> {
    /// When.
    pub now: UnixMillis,
    /// The thumbprint of the certificate that its client showed.
    pub certificate: Option<&'a str>,
}

impl Verifier {
    /// Makes an issuer ready. `own` is the JWK set of our own keys.
    ///
    /// # Errors
    /// Keys that are none, paths and templates that are none.
    pub(super) fn build(
        id: IssuerId,
        config: &Issuer,
        own: &[u8],
        metrics: &Metrics,
    ) -> Result<Self, Vec<ConfigError>> {
        let metrics = metrics.issuer(&config.name);
        let proofs = proofs(id, config, own, &metrics).map_err(|error| vec![error]);
        let identity = Identity::build(&IdentityRules {
            table: (format!("issuers.{}", config.name), config.at),
            subject: Some(&config.subject),
            act: None,
            sub: &config.sub,
            attributes: &config.attributes,
        });
        let (proofs, identity) = match (proofs, identity) {
            (Ok(proofs), Ok(identity)) => (proofs, identity),
            (proofs, identity) => {
                let errors = [proofs.err(), identity.err()];
                return Err(errors.into_iter().flatten().flatten().collect());
            }
        };
        Ok(Self {
            name: config.name.clone(),
            issuer: config.issuer.clone(),
            metrics,
            algorithms: config.algorithms.iter().map(|one| algorithm(*one)).collect(),
            typ: config.typ.clone().map_or(Typ::Usual, Typ::Exactly),
            claims: ClaimRules {
                issuer: (!config.issuer.is_empty()).then(|| config.issuer.clone()),
                audience: config.audience.clone(),
                must_end: matches!(proofs, Proofs::Keys(_)),
                skew: config.leeway,
            },
            proofs,
            identity: BearerIdentity::new(id, &config.name, identity),
        })
    }

    /// Verifies everything but the time.
    pub(super) async fn verify<T: Default>(
        &self,
        keys: &Keys,
        token: &Unverified<'_>,
        fingerprints: &FingerprintKey,
    ) -> Result<Sound<T>, BearerError> {
        let refused = |refused: Reject| BearerError::Rejected(refused.into());
        token.check_typ(&self.typ).map_err(refused)?;
        let (payload, generation) = self.proven(keys, token).await?;
        let Claims { data, ends_at, begins_at } = self.claims.read(&payload, CLAIMS).map_err(refused)?;
        if is_logout(&data) {
            return Err(refused(Reject::ClaimRefused("it is a logout token")));
        }
        let own = if keys.are_own() { OwnBearer::read(&payload).map(Arc::new) } else { None };
        let session = match &own {
            Some(own) => self.identity.session_of_ours((&data, &own.claims), token.signed, fingerprints),
            None => self.identity.session(&data, token.signed, fingerprints),
        };
        let session = session.map(Arc::new).map_err(refused)?;
        let ends_at = ends_at.map(|end| end.plus(self.claims.skew));
        let bound_to = Bound::of(&data);
        Ok(Sound { session, own, generation, begins_at, ends_at, counts_until: None, bound_to })
    }

    /// The payload of a token that one of the issuer's keys signed, and the state of the keys.
    pub(super) async fn proven(
        &self,
        keys: &Keys,
        token: &Unverified<'_>,
    ) -> Result<(Vec<u8>, u64), BearerError> {
        if token.brings_key {
            return Err(BearerError::Rejected(BearerReject::KeyInToken));
        }
        if !self.algorithms.contains(&token.algorithm) {
            return Err(BearerError::Rejected(BearerReject::AlgorithmRefused));
        }
        let refused = |refused: Reject| BearerError::Rejected(refused.into());
        let set = keys_for(keys, token).await?;
        if !set.candidates(token.kid.as_deref()).any(|key| token.is_signed_by(key)) {
            return Err(refused(Reject::BadSignature { secrets: set.len() }));
        }
        Ok((token.payload().map_err(refused)?, set.generation))
    }

    /// How far its clock and ours may differ.
    pub(super) const fn leeway(&self) -> Duration {
        self.claims.skew
    }

    /// What the issuer's word makes of a token.
    pub(super) fn believe<T: Default>(
        &self,
        (token, answer): (&[u8], &[u8]),
        fingerprints: &FingerprintKey,
        counts_until: UnixMillis,
    ) -> Result<Sound<T>, Reject> {
        let Claims { data, ends_at, begins_at } = self.claims.read(answer, CLAIMS)?;
        let session = Arc::new(self.identity.session(&data, token, fingerprints)?);
        let ends_at = ends_at.map(|end| end.plus(self.claims.skew));
        let (bound_to, counts_until) = (Bound::of(&data), Some(counts_until));
        Ok(Sound { session, own: None, generation: 0, begins_at, ends_at, counts_until, bound_to })
    }

    /// Which state of its keys a token is good for.
    pub(super) fn generation(&self) -> u64 {
        match &self.proofs {
            Proofs::Keys(keys) => keys.generation(),
            Proofs::Word(_) => 0,
        }
    }
}

impl<T> Sound<T> {
    /// Whether it has begun and not ended, and comes with what it is bound to.
    pub(super) fn judge(
        &self,
        Presentation { now, certificate }: Presentation<'_>,
    ) -> Result<(), BearerReject> {
        if self.ends_at.or(self.counts_until).is_none_or(|end| end <= now) {
            return Err(Reject::Expired.into());
        }
        if self.begins_at.is_some_and(|begin| begin > now) {
            return Err(Reject::NotYetValid.into());
        }
        match &self.bound_to {
            Bound::Nobody => Ok(()),
            Bound::Certificate(thumbprint) if certificate == Some(thumbprint) => Ok(()),
            Bound::Certificate(_) | Bound::Unknown => Err(BearerReject::NotTheirs),
        }
    }
}

impl Bound {
    fn of(claims: &Value) -> Self {
        let Some(cnf) = claims.get("cnf") else { return Self::Nobody };
        match (cnf, cnf.get("x5t#S256").and_then(Value::as_text)) {
            (Value::Map(all), Some(thumbprint)) if all.len() == 1 => Self::Certificate(thumbprint.to_owned()),
            _ => Self::Unknown,
        }
    }
}

/// A set with a key that may have signed the token.
async fn keys_for(keys: &Keys, token: &Unverified<'_>) -> Result<Arc<KeySet>, BearerError> {
    let kid = token.kid.as_deref();
    let has = |set: &KeySet| set.candidates(kid).next().is_some();
    let set = keys.current().await.map_err(BearerError::Unavailable)?;
    if has(&set) {
        return Ok(set);
    }
    let newer = keys.newer(&set).await.map_err(BearerError::Unavailable)?;
    newer.filter(|set| has(set)).ok_or(BearerError::Rejected(BearerReject::UnknownKey))
}

fn proofs(id: IssuerId, config: &Issuer, own: &[u8], metrics: &IssuerMetrics) -> Result<Proofs, ConfigError> {
    let key = |name: &str| format!("issuers.{}.{name}", config.name);
    let set = |bytes: &[u8], at| {
        let accepted = "a JWK set with public keys of RSA, P-256, P-384 or Ed25519";
        let told =
            |what| ConfigError::new(at, key("jwks"), format!("the file is of no use: {what}"), accepted);
        if bytes.len() > SET_BYTES_MAX {
            return Err(told("longer than 256 KiB"));
        }
        JwkSet::read(bytes).map(|set| Proofs::Keys(Box::new(Keys::fixed(id, set.keys)))).map_err(told)
    };
    match &config.keys {
        IssuerKeys::Own => Ok(Proofs::Keys(Box::new(Keys::own(id, own)))),
        IssuerKeys::File(file) => set(&file.value, file.at),
        IssuerKeys::Url(address) => {
            let web = Web::new(address, &key("jwks"))?;
            Ok(Proofs::Keys(Box::new(Keys::fetched(id, &config.name, web, metrics.clone()))))
        }
        IssuerKeys::Introspection(endpoint) => {
            Introspection::new(id, &config.name, endpoint).map(|word| Proofs::Word(Box::new(word)))
        }
        IssuerKeys::Secret(secret) => match JwsKey::new(&secret.value) {
            Ok(shared) if shared.allows(Algorithm::HS256) => {
                Ok(Proofs::Keys(Box::new(Keys::fixed(id, vec![(None, shared)]))))
            }
            Ok(_) => {
                let accepted = "an HMAC secret; public keys are `jwks`, a file with a JWK set";
                Err(ConfigError::new(secret.at, key("secret"), "a public key, which is no secret", accepted))
            }
            Err(found) => Err(ConfigError::new(secret.at, key("secret"), found, "an HMAC secret")),
        },
    }
}

const fn algorithm(configured: JwsAlgorithm) -> Algorithm {
    match configured {
        JwsAlgorithm::HS256 => Algorithm::HS256,
        JwsAlgorithm::HS384 => Algorithm::HS384,
        JwsAlgorithm::HS512 => Algorithm::HS512,
        JwsAlgorithm::RS256 => Algorithm::RS256,
        JwsAlgorithm::RS384 => Algorithm::RS384,
        JwsAlgorithm::RS512 => Algorithm::RS512,
        JwsAlgorithm::PS256 => Algorithm::PS256,
        JwsAlgorithm::PS384 => Algorithm::PS384,
        JwsAlgorithm::PS512 => Algorithm::PS512,
        JwsAlgorithm::ES256 => Algorithm::ES256,
        JwsAlgorithm::ES384 => Algorithm::ES384,
        JwsAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}

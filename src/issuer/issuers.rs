//! All issuers, and the tokens of theirs that verified.

use crate::clock::UnixMillis;
use crate::codec::{Value, json};
use crate::config::{Config, ConfigError, IssuerId};
use crate::format::Reject;
use crate::format::jws::Unverified;
use crate::issuer::bearer::Bearer;
use crate::issuer::introspection::Introspection;
use crate::issuer::keys::Keys;
use crate::issuer::own::OwnBearer;
use crate::issuer::reject::{BearerError, BearerReject};
use crate::issuer::verifier::{CLAIMS, Presentation, Proofs, Sound, Verifier};
use crate::session::{BearerIdentity, FingerprintKey, VerifiedSession};
use crate::telemetry::Metrics;
use aws_lc_rs::digest::{SHA256, digest};
use futures_util::future::join_all;
use std::sync::Arc;

/// Memory for tokens that verified, in bytes: some ten thousand of a usual size, with the tokens that we minted for them.
const WEIGHT_MAX: u64 = 64 * 1024 * 1024;
/// What is kept of a token weighs so many times what it does itself, on top of a fixed part.
const WEIGHT_FACTOR: usize = 4;
const WEIGHT_FIXED: usize = 2 * 1024;

/// Everybody whose bearers are accepted; the same for all workers. `T` is what lives and dies with a token.
pub struct Issuers<T> {
    verifiers: Vec<Verifier>,
    known: moka::sync::Cache<[u8; 32], Arc<Known<T>>>,
    fingerprints: FingerprintKey,
}

struct Known<T> {
    issuer: IssuerId,
    sound: Sound<T>,
    weight: u32,
}

/// What a bearer proves.
#[derive(Debug)]
pub struct Judged<T> {
    /// Whose it says it is, if that is an issuer of the route.
    pub issuer: Option<IssuerId>,
    /// What it says, where it is one of ours.
    pub own: Option<Arc<OwnBearer<T>>>,
    /// Whether it verified before.
    pub from_memory: bool,
    /// The session that it is, or why it is none.
    pub verdict: Result<VerifiedSession<T>, BearerError>,
}

impl<T: Default + Send + Sync + 'static> Issuers<T> {
    /// Makes all issuers ready. `own` is the JWK set of our own keys.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn build(
        config: &Config,
        own: &[u8],
        fingerprints: FingerprintKey,
        metrics: &Metrics,
    ) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let verifiers = config.issuers.iter().enumerate().filter_map(|(at, issuer)| {
            let built = Verifier::build(IssuerId(at), issuer, own, metrics);
            built.map_err(|found| errors.extend(found)).ok()
        });
        let verifiers: Vec<Verifier> = verifiers.collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        let weigh = |_: &[u8; 32], known: &Arc<Known<T>>| known.weight;
        let known = moka::sync::Cache::builder().max_capacity(WEIGHT_MAX).weigher(weigh).build();
        Ok(Self { verifiers, known, fingerprints })
    }

    /// Its name in the configuration.
    pub fn name(&self, id: IssuerId) -> Option<&str> {
        self.verifiers.get(id.0).map(|verifier| verifier.name.as_str())
    }

    /// Whether [`Issuers::watch`] has something to fetch.
    pub fn fetch(&self) -> bool {
        self.keys().any(Keys::are_fetched)
    }

    /// Goes on with our own keys as they are now, where tokens of ours are accepted: those of a key that is gone are refused.
    pub fn follow(&self, own: &[u8]) {
        self.keys().for_each(|keys| keys.follow(own));
    }

    /// Fetches keys and keeps them fresh, for as long as it is polled.
    pub async fn watch(&self) {
        join_all(self.keys().map(Keys::watch)).await;
    }

    /// One of them.
    pub(super) fn verifier(&self, id: IssuerId) -> Option<&Verifier> {
        self.verifiers.get(id.0)
    }

    fn keys(&self) -> impl Iterator<Item = &Keys> {
        self.verifiers.iter().filter_map(|verifier| match &verifier.proofs {
            Proofs::Keys(keys) => Some(keys.as_ref()),
            Proofs::Word(_) => None,
        })
    }

    /// What [`Issuers::judge`] would say of a token that verified before, without waiting.
    pub fn recall(&self, bearer: Bearer<'_>, among: &[IssuerId], at: Presentation<'_>) -> Option<Judged<T>> {
        let known = self.known.get(&hash(bearer))?;
        let verifier = self.verifiers.get(known.issuer.0)?;
        let stale = known.sound.counts_until.is_some_and(|until| until <= at.now);
        if stale || !among.contains(&known.issuer) || verifier.generation() != known.sound.generation {
            return None;
        }
        verifier.metrics.count("remembered");
        let verdict = proof(&known.sound, at).map_err(BearerError::Rejected);
        let own = known.sound.own.clone();
        Some(Judged { issuer: Some(known.issuer), own, from_memory: true, verdict })
    }

    /// Judges a bearer by the issuer that it names, if that is one of `among`.
    pub async fn judge(&self, bearer: Bearer<'_>, among: &[IssuerId], at: Presentation<'_>) -> Judged<T> {
        let rejected = |reject: BearerReject| Judged {
            issuer: None,
            own: None,
            from_memory: false,
            verdict: Err(BearerError::Rejected(reject)),
        };
        let token = Unverified::read(bearer.expose())
            .and_then(|token| claimed_issuer(&token).map(|iss| (token, iss)));
        let (token, iss) = match token {
            Ok((token, iss)) if self.is_of(among, &iss) => (token, iss),
            other => {
                let is_jwt = bearer.expose().iter().filter(|byte| **byte == b'.').count() >= 2;
                let reject = match other {
                    Ok(_) => BearerReject::UnknownIssuer,
                    Err(_) if !is_jwt => BearerReject::Opaque,
                    Err(reject) => reject.into(),
                };
                return self.ask(bearer, among, at).await.unwrap_or_else(|| rejected(reject));
            }
        };
        // Two tables may have one `iss` and differ in audience or keys: the first that verifies counts, else the first's word.
        let mut first = None;
        for id in among.iter().copied() {
            let Some(verifier) = self.verifiers.get(id.0).filter(|verifier| verifier.issuer == iss) else {
                continue;
            };
            let Proofs::Keys(keys) = &verifier.proofs else { continue };
            let verified = verifier.verify(keys, &token, &self.fingerprints).await;
            let own = verified.as_ref().ok().and_then(|sound| sound.own.clone());
            let verdict = self.conclude((id, verifier), bearer, verified, at);
            let judged = Judged { issuer: Some(id), own, from_memory: false, verdict };
            if judged.verdict.is_ok() {
                return judged;
            }
            first.get_or_insert(judged);
        }
        first.unwrap_or_else(|| rejected(BearerReject::UnknownIssuer))
    }

    /// Whether a JWT with this `iss` is one that keys can prove.
    fn is_of(&self, among: &[IssuerId], iss: &str) -> bool {
        let mut verifiers = among.iter().filter_map(|id| self.verifiers.get(id.0));
        verifiers.any(|verifier| verifier.issuer == iss && matches!(verifier.proofs, Proofs::Keys(_)))
    }

    /// Asks the first issuer that can be asked; `None` if there is none.
    async fn ask(&self, bearer: Bearer<'_>, among: &[IssuerId], at: Presentation<'_>) -> Option<Judged<T>> {
        let (id, verifier, word) = among.iter().find_map(|id| {
            let verifier = self.verifiers.get(id.0)?;
            let Proofs::Word(word) = &verifier.proofs else { return None };
            Some((*id, verifier, word))
        })?;
        let hash = hash(bearer);
        let (verified, flight) = match word.board(hash).await {
            Ok(Some(flight)) => (self.told(verifier, word, (bearer, hash), at.now).await, Some(flight)),
            Ok(None) => match self.recall(bearer, among, at) {
                Some(judged) => return Some(judged),
                None if word.is_refused(&hash) => (Err(BearerError::Rejected(BearerReject::Inactive)), None),
                None => (Err(word.unavailable(None)), None),
            },
            Err(error) => (Err(error), None),
        };
        let verdict = self.conclude((id, verifier), bearer, verified, at);
        // Who waits for it finds what was made of it.
        drop(flight);
        Some(Judged { issuer: Some(id), own: None, from_memory: false, verdict })
    }

    /// What the issuer says of a token, now or a moment ago.
    async fn told(
        &self,
        verifier: &Verifier,
        word: &Introspection,
        (bearer, hash): (Bearer<'_>, [u8; 32]),
        now: UnixMillis,
    ) -> Result<Sound<T>, BearerError> {
        let inactive = || BearerError::Rejected(BearerReject::Inactive);
        if word.is_refused(&hash) {
            return Err(inactive());
        }
        let answer = word.ask(bearer.expose()).await?;
        let sound = answer.ok_or_else(inactive).and_then(|answer| {
            let told = (bearer.expose(), &*answer);
            let sound = verifier.believe(told, &self.fingerprints, now.plus(word.hold));
            sound.map_err(|reject| BearerError::Rejected(reject.into()))
        });
        if sound.is_err() {
            word.refuse(hash);
        }
        sound
    }

    fn conclude(
        &self,
        (id, verifier): (IssuerId, &Verifier),
        bearer: Bearer<'_>,
        verified: Result<Sound<T>, BearerError>,
        at: Presentation<'_>,
    ) -> Result<VerifiedSession<T>, BearerError> {
        let verdict = verified.and_then(|sound| {
            let proof = proof(&sound, at).map_err(BearerError::Rejected)?;
            let weight = WEIGHT_FIXED + WEIGHT_FACTOR * bearer.expose().len();
            let weight = u32::try_from(weight).unwrap_or(u32::MAX);
            self.known.insert(hash(bearer), Arc::new(Known { issuer: id, sound, weight }));
            Ok(proof)
        });
        verifier.metrics.count(match &verdict {
            Ok(_) => "verified",
            Err(BearerError::Rejected(reject)) => reject.code(),
            Err(BearerError::Unavailable(_)) => "unavailable",
        });
        verdict
    }
}

fn hash(bearer: Bearer<'_>) -> [u8; 32] {
    let digest = digest(&SHA256, bearer.expose());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn proof<T>(sound: &Sound<T>, at: Presentation<'_>) -> Result<VerifiedSession<T>, BearerReject> {
    sound.judge(at)?;
    let ends_at = sound.ends_at.or(sound.counts_until);
    Ok(BearerIdentity::proof(Arc::clone(&sound.session), ends_at, at.now))
}

/// Whose token it says it is: which issuer's rules it is held to, and nothing more.
pub(super) fn claimed_issuer(token: &Unverified<'_>) -> Result<String, Reject> {
    let claims = json::decode(&token.payload()?, CLAIMS)
        .map_err(|_| Reject::MalformedCookie("the claims are not a JSON object with each name once"))?;
    let iss = claims.get("iss").and_then(Value::as_text);
    iss.map(str::to_owned).ok_or(Reject::ClaimRefused("it has no `iss`"))
}

impl<T> std::fmt::Debug for Issuers<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.verifiers.iter().map(|verifier| &verifier.name)).finish()
    }
}

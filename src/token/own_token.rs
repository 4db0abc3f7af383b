//! A token of ours that somebody shows, and what it stands for.

use crate::clock::UnixMillis;
use crate::config::{Issuer, TokenProfile};
use crate::format::jwk::JwkSet;
use crate::format::jws::{Typ, Unverified};
use crate::session::Session;
use crate::state::Endings;
use crate::token::mint::Minter;
use crate::token::ring::Ring;
use http::HeaderValue;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cell::RefCell;

/// The `typ` of transaction tokens.
const TXN: &str = "txntoken+jwt";
/// Longest token: beyond what any configuration makes.
const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// Our keys as who verifies needs them, read again when they change.
#[derive(Debug, Default)]
pub struct OwnKeys(RefCell<Option<(HeaderValue, JwkSet)>>);

/// A token that we made, whose time has come and not gone.
#[derive(Debug)]
pub struct OwnToken<'c> {
    /// What it says.
    pub claims: Cow<'c, Map<String, Value>>,
    /// What kind it is.
    pub profile: TokenProfile,
}

/// What a token of ours stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum StandsFor {
    /// A session with this fingerprint, if it lives.
    Session(String),
    /// A bearer of some issuer's, which ends with the token or before.
    Bearer,
    /// Nothing any more.
    Nothing,
}

impl OwnKeys {
    /// The claims of a token that one of the keys signed, what kind it is, and for whom alone it can be.
    fn claims<'t>(
        &self,
        minter: &'t Minter,
        token: &[u8],
    ) -> Option<(Vec<u8>, TokenProfile, Option<&'t str>)> {
        let token = Unverified::read(token).ok()?;
        let is = |typ: &Typ| token.check_typ(typ).is_ok();
        let profile = if is(&Typ::Usual) {
            TokenProfile::AtJwt
        } else if is(&Typ::Exactly(TXN.to_owned())) {
            TokenProfile::Txn
        } else {
            return None;
        };
        let kid = token.kid.as_deref();
        let secrets = minter.templates().secrets().iter().filter(|secret| Some(&*secret.kid) == kid);
        let mut shared = secrets.filter(|secret| token.is_signed_by(&secret.key));
        let of = shared.next().map(|secret| secret.audience.as_str());
        let signed = !token.brings_key && (of.is_some() || self.signed(&minter.ring().now(), &token));
        Some((token.payload().ok().filter(|_| signed)?, profile, of))
    }

    fn signed(&self, ring: &Ring, token: &Unverified<'_>) -> bool {
        let mut known = self.0.borrow_mut();
        if known.as_ref().is_none_or(|(etag, _)| *etag != ring.etag()) {
            *known = JwkSet::read(&ring.jwks()).ok().map(|set| (ring.etag(), set));
        }
        let kid = token.kid.as_deref();
        let mut keys = known.iter().flat_map(|(_, set)| &set.keys);
        keys.any(|(named, key)| named.as_deref() == kid && token.is_signed_by(key))
    }
}

impl<'c> OwnToken<'c> {
    /// Reads a token for one of these audiences; `None` if it is no such token, whatever is wrong with it.
    pub fn read(
        keys: &OwnKeys,
        minter: &Minter,
        (token, issuer): (&[u8], &str),
        audience: &[String],
        now: UnixMillis,
    ) -> Option<Self> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (claims, profile, of) = match minter.opened(token) {
            Some(claims) => (claims, TokenProfile::Reference, None),
            None => keys.claims(minter, token)?,
        };
        let Ok(Value::Object(claims)) = serde_json::from_slice(&claims) else { return None };
        let token = Self { claims: Cow::Owned(claims), profile };
        let ours = token.text("iss") == Some(issuer);
        let ends = token.claims.get("exp").and_then(Value::as_u64)?;
        let for_them = token.audience().iter().any(|named| audience.iter().any(|known| known == named));
        // Whoever shares a secret can sign with it, and so only for itself.
        let in_its_right = of.is_none_or(|of| token.audience() == [of]);
        (ours && ends > now.as_secs() && for_them && in_its_right).then_some(token)
    }

    /// One that verified already, as a bearer does.
    pub fn proven(claims: &'c Map<String, Value>) -> Self {
        let profile = if claims.contains_key("client_id") { TokenProfile::AtJwt } else { TokenProfile::Txn };
        Self { claims: Cow::Borrowed(claims), profile }
    }

    /// What it stands for, as far as that can be said without asking: whoever takes it asks the rest.
    pub fn stands_for(
        &self,
        minter: &Minter,
        issuers: &[Issuer],
        endings: Option<&Endings>,
        now: UnixMillis,
    ) -> StandsFor {
        let has_ended = |jti| endings.is_some_and(|endings| endings.has_token(jti, now));
        if self.text("jti").is_some_and(has_ended) {
            return StandsFor::Nothing;
        }
        let Some(client_id) = self.circumstance("client_id") else { return StandsFor::Nothing };
        if issuers.iter().any(|issuer| issuer.name == client_id) {
            return StandsFor::Bearer;
        }
        let veiled = || minter.unveiled(self.text("jti")?);
        let Some(sid) = self.circumstance("sid").map(str::to_owned).or_else(veiled) else {
            return StandsFor::Nothing;
        };
        let iat = self.claims.get("iat").and_then(Value::as_u64).unwrap_or_default();
        match endings.and_then(|endings| endings.last_end(&sid)) {
            Some((_, last)) if iat <= last => StandsFor::Nothing,
            Some(_) | None => StandsFor::Session(sid),
        }
    }

    /// Whether a session is the one that it was made for: an id may have become another user's.
    pub fn is_of<T>(&self, minter: &Minter, session: &Session<T>) -> bool {
        let audience: Vec<String> = self.audience().into_iter().map(str::to_owned).collect();
        let sub = self.text("sub");
        let known_as = || minter.pairwise(&audience, &session.sub);
        self.circumstance("client_id") == Some(&*session.client_id)
            && (sub == Some(&session.sub) || (sub.is_some() && sub == known_as().as_deref()))
    }

    /// Whether it knows its user by a name that is its audience's alone: then it names no session either.
    pub fn is_pairwise(&self) -> bool {
        self.circumstance("sid").is_none()
    }

    /// A claim that is text.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }

    /// What an access token says itself, and a transaction token of its request's circumstances.
    fn circumstance(&self, claim: &str) -> Option<&str> {
        match self.profile {
            TokenProfile::AtJwt | TokenProfile::Jwt | TokenProfile::Reference => self.text(claim),
            TokenProfile::Txn => self.claims.get("rctx")?.get(claim)?.as_str(),
        }
    }

    fn audience(&self) -> Vec<&str> {
        match self.claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

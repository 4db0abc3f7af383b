//! A token of ours that somebody shows, and whether its session lives.

use crate::clients::desk::Tools;
use crate::clock::UnixMillis;
use crate::config::TokenProfile;
use crate::format::jwk::JwkSet;
use crate::format::jws::{Typ, Unverified};
use crate::revocation::{Live, RevocationError};
use crate::token::{Minter, Ring, Slots};
use http::HeaderValue;
use serde_json::{Map, Value};
use std::cell::RefCell;

/// The `typ` of transaction tokens.
const TXN: &str = "txntoken+jwt";
/// Longest token: beyond what any configuration makes.
const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// Our keys as who verifies needs them, read again when they change.
#[derive(Debug, Default)]
pub(super) struct OwnKeys(RefCell<Option<(HeaderValue, JwkSet)>>);

/// A token that we made, whose time has come and not gone.
#[derive(Debug)]
pub(super) struct OwnToken {
    pub(super) claims: Map<String, Value>,
    pub(super) profile: TokenProfile,
}

/// What is behind it.
#[derive(Debug)]
pub(super) enum Behind {
    /// A session that lives.
    Session(Box<Live<Slots>>),
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

impl OwnToken {
    /// Reads a token for one of these audiences; `None` if it is no such token, whatever is wrong with it.
    pub(super) fn read(
        keys: &OwnKeys,
        tools: &Tools<'_>,
        (token, issuer): (&[u8], &str),
        audience: &[String],
        now: UnixMillis,
    ) -> Option<Self> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (claims, profile, of) = match tools.minter.opened(token) {
            Some(claims) => (claims, TokenProfile::Reference, None),
            None => keys.claims(tools.minter, token)?,
        };
        let Ok(Value::Object(claims)) = serde_json::from_slice(&claims) else { return None };
        let token = Self { claims, profile };
        let ours = token.text("iss") == Some(issuer);
        let ends = token.claims.get("exp").and_then(Value::as_u64)?;
        let for_them = token.audience().iter().any(|named| audience.iter().any(|known| known == named));
        // Whoever shares a secret can sign with it, and so only for itself.
        let in_its_right = of.is_none_or(|of| token.audience() == [of]);
        (ours && ends > now.as_secs() && for_them && in_its_right).then_some(token)
    }

    /// What is behind it, asked at its store.
    pub(super) async fn behind(&self, tools: &Tools<'_>, now: UnixMillis) -> Result<Behind, RevocationError> {
        if self.text("jti").is_some_and(|jti| tools.revoker.endings().has_token(jti, now)) {
            return Ok(Behind::Nothing);
        }
        let Some(client_id) = self.circumstance("client_id") else { return Ok(Behind::Nothing) };
        if tools.issuers.iter().any(|issuer| issuer.name == client_id) {
            return Ok(Behind::Bearer);
        }
        let veiled = || tools.minter.unveiled(self.text("jti")?);
        let sid = self.circumstance("sid").map(str::to_owned).or_else(veiled);
        let Some(sid) = sid else { return Ok(Behind::Nothing) };
        let found = tools.revoker.find(tools.authenticator, &sid, now).await?;
        Ok(match found.filter(|live| self.is_of(tools, live, client_id)) {
            Some(live) => Behind::Session(Box::new(live)),
            None => Behind::Nothing,
        })
    }

    /// Whether a session is the one that it was made for: an id may have become another user's.
    fn is_of(&self, tools: &Tools<'_>, live: &Live<Slots>, client_id: &str) -> bool {
        let session = live.session.session();
        let audience: Vec<String> = self.audience().into_iter().map(str::to_owned).collect();
        let sub = self.text("sub");
        let known_as = || tools.minter.pairwise(&audience, &session.sub);
        *session.client_id == *client_id
            && (sub == Some(&session.sub) || (sub.is_some() && sub == known_as().as_deref()))
    }

    pub(super) fn text(&self, claim: &str) -> Option<&str> {
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

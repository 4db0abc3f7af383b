//! The one maker of internal tokens.

use crate::clock::UnixMillis;
use crate::config::{RouteId, TokenProfile};
use crate::session::{Session, VerifiedSession};
use crate::state::Endings;
use crate::token::claims::{
    begin, close, push_access_claims, push_confirmation, push_scope, push_target, push_transaction_claims,
};
use crate::token::error::TokenError;
use crate::token::key::Key;
use crate::token::keys::KeyRing;
use crate::token::ring::Ring;
use crate::token::sign;
use crate::token::slots::Slots;
use crate::token::template::{RouteTemplates, Template, TemplateId, Templates};
use crate::token::tokens::Tokens;
use crate::token::transaction::Transaction;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Claims of most tokens fit; a longer text grows the buffer.
const CLAIMS_BYTES: usize = 512;

/// A signed token in the form it is sent. Only [`Minter`] makes one, and only for a [`VerifiedSession`]: holding it proves both.
/// Copies are cheap and share the text. No `Display`, and the debug print tells nothing.
#[derive(Clone)]
pub struct InternalToken(Arc<Minted>);

struct Minted {
    template: Arc<Template>,
    value: HeaderValue,
    kid: Arc<str>,
    jti: Option<String>,
    bound_to: Option<Box<str>>,
    issued_at: UnixMillis,
    expires_at: UnixMillis,
}

impl InternalToken {
    /// The header it travels in.
    pub fn header(&self) -> &HeaderName {
        &self.0.template.header
    }

    /// The value of that header; marked sensitive.
    pub fn expose(&self) -> &HeaderValue {
        &self.0.value
    }

    /// Which key signed it.
    pub fn kid(&self) -> &Arc<str> {
        &self.0.kid
    }

    /// Its id; logged, so that a service's log and ours meet. A transaction token has none: its `txn` is the request's id.
    pub fn jti(&self) -> Option<&str> {
        self.0.jti.as_deref()
    }

    /// The thumbprint of the certificate that it is bound to.
    pub(super) fn bound_to(&self) -> Option<&str> {
        self.0.bound_to.as_deref()
    }

    /// What kind of token it is.
    pub fn profile(&self) -> TokenProfile {
        self.0.template.profile
    }

    /// Its `iat`.
    pub fn issued_at(&self) -> UnixMillis {
        self.0.issued_at
    }

    /// Its `exp`.
    pub fn expires_at(&self) -> UnixMillis {
        self.0.expires_at
    }

    /// What it was made from.
    pub fn template(&self) -> &Arc<Template> {
        &self.0.template
    }
}

impl std::fmt::Debug for InternalToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InternalToken")
    }
}

/// What a service that calls another has of its own in the token.
#[derive(Clone, Copy, Debug)]
pub struct Errand<'a> {
    /// Who acts.
    pub act: &'a serde_json::Value,
    /// The thumbprint of the certificate that it shows there.
    pub certificate: Option<&'a str>,
    /// What it may do there.
    pub scope: Option<&'a str>,
}

/// Mints tokens with the keys of the moment and one set of templates; a reload makes a new one.
#[derive(Debug)]
pub struct Minter {
    ring: Arc<KeyRing>,
    templates: Templates,
    signatures: [AtomicU64; TokenProfile::ALL.len()],
    endings: Option<Arc<Endings>>,
}

impl Minter {
    /// A minter of these templates.
    pub fn new(ring: Arc<KeyRing>, templates: Templates) -> Self {
        let signatures = [const { AtomicU64::new(0) }; TokenProfile::ALL.len()];
        Self { ring, templates, signatures, endings: None }
    }

    /// The same, and a token that was ended is handed out no more.
    #[must_use]
    pub fn forgetting(self, endings: Option<Arc<Endings>>) -> Self {
        Self { endings, ..self }
    }

    /// The keys.
    pub const fn ring(&self) -> &Arc<KeyRing> {
        &self.ring
    }

    /// The templates.
    pub const fn templates(&self) -> &Templates {
        &self.templates
    }

    /// The templates of a route; `None` for an open one.
    pub fn templates_of(&self, route: RouteId) -> Option<RouteTemplates> {
        self.templates.of(route)
    }

    /// How many signatures were made so far, for metrics, by kind.
    pub fn signatures(&self) -> impl Iterator<Item = (TokenProfile, u64)> {
        let made = self.signatures.iter().map(|made| made.load(Ordering::Relaxed));
        TokenProfile::ALL.into_iter().zip(made)
    }

    /// What a request of this session carries on a route of these templates.
    ///
    /// # Errors
    /// As [`Minter::mint`].
    pub fn tokens_for(
        &self,
        session: &VerifiedSession<Slots>,
        templates: RouteTemplates,
        transaction: &Transaction<'_>,
        now: UnixMillis,
    ) -> Result<Tokens, TokenError> {
        let token = |template| self.token_for(session, template, transaction, now);
        Ok(Tokens::new(token(templates.first)?, templates.second.map(token).transpose()?))
    }

    /// The token that this session has for the template already, or a new one that it keeps. The common case costs one
    /// short lock; a signature is made under it, so that requests which arrive together pay for one. A token that is for
    /// one request is new and not kept.
    ///
    /// # Errors
    /// As [`Minter::mint`].
    pub fn token_for(
        &self,
        session: &VerifiedSession<Slots>,
        template: TemplateId,
        transaction: &Transaction<'_>,
        now: UnixMillis,
    ) -> Result<InternalToken, TokenError> {
        let wanted = self.templates.get(template).ok_or(TokenError::UnknownTemplate)?;
        if wanted.is_for_one_request() {
            return self.mint(session, template, transaction, now);
        }
        let ring = self.ring.now();
        let kid = signer(&ring, wanted)?.kid();
        session.session().attached.reuse_or(
            (wanted, bound(wanted, transaction)),
            (kid, session.ends_at()),
            now,
            (self.endings.as_ref().map_or(0, |endings| endings.generation()), |token: &InternalToken| {
                self.has_ended(session.session(), token, now)
            }),
            || self.mint(session, template, transaction, now),
        )
    }

    /// Signs a new token. It never outlives the session: `exp` is the earlier of `now + ttl` and the session's end, in
    /// whole seconds rounded down.
    ///
    /// # Errors
    /// [`TokenError`]; `SessionEnding` if less than this second is left.
    pub fn mint<T>(
        &self,
        session: &VerifiedSession<T>,
        template: TemplateId,
        transaction: &Transaction<'_>,
        now: UnixMillis,
    ) -> Result<InternalToken, TokenError> {
        self.sign(session, template, Some(transaction), (None, now))
    }

    /// The same for a service that calls another in the user's name.
    ///
    /// # Errors
    /// As [`Minter::mint`].
    pub fn mint_exchanged<T>(
        &self,
        session: &VerifiedSession<T>,
        template: TemplateId,
        errand: &Errand<'_>,
        now: UnixMillis,
    ) -> Result<InternalToken, TokenError> {
        self.sign(session, template, None, (Some(errand), now))
    }

    fn sign<T>(
        &self,
        session: &VerifiedSession<T>,
        template: TemplateId,
        transaction: Option<&Transaction<'_>>,
        (errand, now): (Option<&Errand<'_>>, UnixMillis),
    ) -> Result<InternalToken, TokenError> {
        let template = self.templates.get(template).ok_or(TokenError::UnknownTemplate)?;
        let wish = now.plus(template.ttl);
        let end = session.ends_at().map_or(wish, |end| end.min(wish));
        let expires_at = UnixMillis::from_secs(end.as_secs());
        if expires_at <= now {
            return Err(TokenError::SessionEnding);
        }
        let session = session.session();
        let issued_at = self.issued_at(template, session, now);
        let mut claims = Vec::with_capacity(CLAIMS_BYTES);
        begin(&mut claims, template, &self.known_as(template, &session.sub)?, issued_at, expires_at);
        push_scope(&mut claims, errand.and_then(|errand| errand.scope));
        let jti = match template.profile {
            TokenProfile::AtJwt | TokenProfile::Jwt | TokenProfile::Reference => {
                let jti = match template.is_pairwise {
                    true => self.ring.own()?.veil.id(session.sid.as_str()).ok_or(TokenError::RandomFailed)?,
                    false => random_id()?,
                };
                push_access_claims(&mut claims, template, session, &jti);
                Some(jti)
            }
            TokenProfile::Txn => {
                let transaction = transaction.ok_or(TokenError::UnknownTemplate)?;
                push_transaction_claims(&mut claims, template, session, transaction);
                None
            }
        };
        if template.is_bound {
            push_target(&mut claims, transaction.ok_or(TokenError::UnknownTemplate)?);
        }
        let of_service = errand.and_then(|errand| errand.certificate);
        let bound_to = transaction.and_then(|transaction| bound(template, transaction)).or(of_service);
        push_confirmation(&mut claims, bound_to);
        let act = session.act.as_ref().map(|act| self.acting(template, act)).transpose()?;
        close(&mut claims, session, errand.map(|errand| errand.act).or(act.as_deref()));
        let ring = self.ring.now();
        let key = signer(&ring, template)?;
        let text = match template.profile {
            TokenProfile::Reference => self.sealed(template, &claims)?,
            TokenProfile::AtJwt | TokenProfile::Jwt | TokenProfile::Txn => {
                sign::compact(key, template.profile, template.prefix(), &claims, template.max_bytes)?
            }
        };
        session.marks.vouch_until(expires_at);
        if let Some(made) = self.signatures.get(template.profile as usize) {
            made.fetch_add(1, Ordering::Relaxed);
        }
        let mut value = HeaderValue::from_maybe_shared(Bytes::from(text))
            .expect("base64url and dots behind a scheme are a valid header value");
        value.set_sensitive(true);
        let (template, kid) = (Arc::clone(template), Arc::clone(key.kid()));
        Ok(InternalToken(Arc::new(Minted {
            template,
            value,
            kid,
            jti,
            bound_to: bound_to.map(Box::from),
            issued_at,
            expires_at,
        })))
    }
}

impl Minter {
    /// The `sub` by which these audiences know a user, where theirs is another than everybody's.
    pub fn pairwise(&self, audience: &[String], sub: &str) -> Option<String> {
        Some(self.ring.own().ok()?.pairwise.sub(audience, sub))
    }

    /// The fingerprint of the session that a token without `sid` is of, from its `jti`.
    pub fn unveiled(&self, jti: &str) -> Option<String> {
        self.ring.own().ok()?.veil.sid(jti)
    }

    /// The claims of a token that only we can read.
    pub fn opened(&self, token: &[u8]) -> Option<Vec<u8>> {
        self.ring.own().ok()?.reference.open(token)
    }

    fn sealed(&self, template: &Template, claims: &[u8]) -> Result<String, TokenError> {
        let token = self.ring.own()?.reference.seal(claims).ok_or(TokenError::RandomFailed)?;
        if token.len() > template.max_bytes {
            return Err(TokenError::TooLarge { bytes: token.len(), limit: template.max_bytes });
        }
        Ok([template.prefix(), &token].concat())
    }

    /// Whether it was ended before its time, by its id or by what the session's id was before.
    fn has_ended<T>(&self, session: &Session<T>, token: &InternalToken, now: UnixMillis) -> bool {
        let Some(endings) = &self.endings else { return false };
        let last = endings.last_end(session.sid.as_str());
        last.is_some_and(|(_, iat)| token.issued_at().as_secs() <= iat)
            || token.jti().is_some_and(|jti| endings.has_token(jti, now))
    }

    /// The `iat` of a token of now: set back by the skew, but not to where a session that had the id before is told to be over.
    fn issued_at<T>(&self, template: &Template, session: &Session<T>, now: UnixMillis) -> UnixMillis {
        let usual = now.minus(template.skew).as_secs();
        let last = self.endings.as_ref().and_then(|endings| endings.last_end(session.sid.as_str()));
        // Who was let in before that is of the session that ended.
        let first = last.filter(|(at, _)| *at < now).map_or(0, |(_, iat)| iat + 1);
        UnixMillis::from_secs(usual.max(first))
    }

    /// By which name the audience of a template knows a user.
    fn known_as<'s>(&self, template: &Template, sub: &'s str) -> Result<Cow<'s, str>, TokenError> {
        if !template.is_pairwise {
            return Ok(Cow::Borrowed(sub));
        }
        Ok(Cow::Owned(self.ring.own()?.pairwise.sub(&template.audience, sub)))
    }

    /// The same of all who act.
    fn acting<'s>(&self, template: &Template, act: &'s Value) -> Result<Cow<'s, Value>, TokenError> {
        if !template.is_pairwise {
            return Ok(Cow::Borrowed(act));
        }
        let mut known = act.clone();
        let mut next = Some(&mut known);
        while let Some(actor) = next {
            if let Some(Value::String(sub)) = actor.get_mut("sub") {
                *sub = self.known_as(template, sub)?.into_owned();
            }
            next = actor.get_mut("act");
        }
        Ok(Cow::Owned(known))
    }
}

/// What signs tokens of this template: the secret of its audience, or the ring's key.
fn signer<'k>(ring: &'k Ring, template: &'k Template) -> Result<&'k Arc<Key>, TokenError> {
    template.shared().or_else(|| ring.signer(template.algorithm)).ok_or(TokenError::NoKey)
}

/// What a token of this request is bound to.
fn bound<'t>(template: &Template, transaction: &Transaction<'t>) -> Option<&'t str> {
    transaction.certificate.filter(|_| template.confirms)
}

/// 128 random bits.
fn random_id() -> Result<String, TokenError> {
    let mut id = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| TokenError::RandomFailed)?;
    Ok(URL_SAFE_NO_PAD.encode(id))
}

#[cfg(test)]
mod tests;

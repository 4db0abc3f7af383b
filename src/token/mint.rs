//! The one maker of internal tokens.

use crate::clock::UnixMillis;
use crate::config::RouteId;
use crate::session::{Session, VerifiedSession};
use crate::token::error::TokenError;
use crate::token::keys::KeyRing;
use crate::token::sign;
use crate::token::slots::Slots;
use crate::token::template::{Template, TemplateId, Templates};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use std::io::Write;
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
    jti: String,
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

    /// Its id; logged, so that a service's log and ours meet.
    pub fn jti(&self) -> &str {
        &self.0.jti
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

/// Mints tokens with one key ring and one set of templates; a reload makes a new one.
#[derive(Debug)]
pub struct Minter {
    ring: Arc<KeyRing>,
    templates: Templates,
    signatures: AtomicU64,
}

impl Minter {
    /// A minter of these templates.
    pub const fn new(ring: Arc<KeyRing>, templates: Templates) -> Self {
        Self { ring, templates, signatures: AtomicU64::new(0) }
    }

    /// The keys.
    pub const fn ring(&self) -> &Arc<KeyRing> {
        &self.ring
    }

    /// The templates.
    pub const fn templates(&self) -> &Templates {
        &self.templates
    }

    /// The template of a route; `None` for an open one.
    pub fn template_of(&self, route: RouteId) -> Option<TemplateId> {
        self.templates.of(route)
    }

    /// How many signatures were made so far, for metrics.
    pub fn signatures(&self) -> u64 {
        self.signatures.load(Ordering::Relaxed)
    }

    /// The token that this session has for the template already, or a new one that it keeps. The common case costs one
    /// short lock; a signature is made under it, so that requests which arrive together pay for one.
    ///
    /// # Errors
    /// As [`Minter::mint`].
    pub fn token_for(
        &self,
        session: &VerifiedSession<Slots>,
        template: TemplateId,
        now: UnixMillis,
    ) -> Result<InternalToken, TokenError> {
        let wanted = self.templates.get(template).ok_or(TokenError::UnknownTemplate)?;
        let kid = self.ring.signer().kid();
        session
            .session()
            .attached
            .reuse_or(wanted, kid, session.ends_at(), now, || self.mint(session, template, now))
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
        now: UnixMillis,
    ) -> Result<InternalToken, TokenError> {
        let template = self.templates.get(template).ok_or(TokenError::UnknownTemplate)?;
        let wish = now.plus(template.ttl);
        let end = session.ends_at().map_or(wish, |end| end.min(wish));
        let expires_at = UnixMillis::from_secs(end.as_secs());
        if expires_at <= now {
            return Err(TokenError::SessionEnding);
        }
        let issued_at = UnixMillis::from_secs(now.minus(template.skew).as_secs());
        let mut id = [0_u8; 16];
        aws_lc_rs::rand::fill(&mut id).map_err(|_| TokenError::RandomFailed)?;
        let jti = URL_SAFE_NO_PAD.encode(id);

        let claims = claims(template, session.session(), &jti, issued_at, expires_at);
        let key = self.ring.signer();
        let text = sign::compact(key, template.profile, template.prefix(), &claims, template.max_bytes)?;
        self.signatures.fetch_add(1, Ordering::Relaxed);
        let mut value = HeaderValue::from_maybe_shared(Bytes::from(text))
            .expect("base64url and dots behind a scheme are a valid header value");
        value.set_sensitive(true);
        let (template, kid) = (Arc::clone(template), Arc::clone(key.kid()));
        Ok(InternalToken(Arc::new(Minted { template, value, kid, jti, issued_at, expires_at })))
    }
}

/// The claims, in one buffer: what the template knows is copied, only what the session brought is serialised.
fn claims<T>(
    template: &Template,
    session: &Session<T>,
    jti: &str,
    issued_at: UnixMillis,
    expires_at: UnixMillis,
) -> Vec<u8> {
    let mut claims = Vec::with_capacity(CLAIMS_BYTES);
    claims.extend_from_slice(template.head().as_bytes());
    push_json(&mut claims, session.sub.as_str());
    let (exp, iat) = (expires_at.as_secs(), issued_at.as_secs());
    // Writing to a Vec cannot fail; `jti` and the fingerprint are base64url and need no escapes.
    let _ = write!(claims, r#","exp":{exp},"iat":{iat},"jti":"{jti}","client_id":"#);
    push_json(&mut claims, &*session.client_id);
    claims.extend_from_slice(br#","sid":"#);
    push_json(&mut claims, session.sid.as_str());
    for (name, before) in template.claims() {
        if let Some((_, value)) = session.attributes.iter().find(|(known, _)| **known == **name) {
            claims.extend_from_slice(before.as_bytes());
            push_json(&mut claims, value);
        }
    }
    if session.subject.is_none() {
        claims.extend_from_slice(br#","anonymous":true"#);
    }
    claims.push(b'}');
    claims
}

fn push_json<V: serde::Serialize + ?Sized>(into: &mut Vec<u8>, value: &V) {
    serde_json::to_writer(into, value).expect("text and JSON values always serialise into memory");
}

#[cfg(test)]
mod tests;

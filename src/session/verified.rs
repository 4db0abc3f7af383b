//! A session that passed every check, as a value.

use crate::clock::UnixMillis;
use crate::config::{IssuerId, ProfileId};
use crate::request::Cookies;
use crate::session::fingerprint::Fingerprint;
use crate::session::touch::DueTouch;
use crate::session::user::Beside;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Who vouches for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voucher {
    /// The app, by a session cookie.
    Profile(ProfileId),
    /// An issuer, by a bearer token.
    Issuer(IssuerId),
}

/// What is known of one session while its record's bytes stay the same. `T` is whatever else lives and dies with it: the
/// minted tokens, which this room need not know.
#[derive(Debug)]
pub struct Session<T> {
    /// Whose word it is.
    pub by: Voucher,
    /// The profile's or issuer's name, the `client_id` claim.
    pub client_id: Arc<str>,
    /// The user id as text; `None` for a live session without a user (a guest).
    pub subject: Option<String>,
    /// The `sub` claim: the profile's template with the subject in it, or `guest:{sid}`.
    pub sub: String,
    /// Who really acts, as support staff does in a user's name, and services that call one another: the `act` claim.
    pub act: Option<serde_json::Value>,
    /// The `sid` claim.
    pub sid: Fingerprint,
    /// Attributes by the profile's names; a name without a value is not here.
    pub attributes: Vec<(Arc<str>, serde_json::Value)>,
    /// What lives and dies with it.
    pub attached: T,
    /// What the gateway itself remembers of it.
    pub marks: Marks,
    /// What it is together with the record of its user.
    pub beside: Beside<T>,
}

/// What the gateway remembers of a session as long as it holds it.
#[derive(Debug, Default)]
pub struct Marks {
    /// Until when it need not be noted, in milliseconds since 1970.
    noted: AtomicU64,
    /// With which state of what was ended it was last found to go on.
    cleared: AtomicU64,
    /// When the last token ends that was made of it, in milliseconds since 1970.
    vouched: AtomicU64,
}

impl Marks {
    /// Whether it is to be noted which sessions there are, and this one has not been for a while.
    pub fn is_due(&self, now: UnixMillis) -> bool {
        self.noted.load(Ordering::Relaxed) <= now.as_millis()
    }

    /// It was, and need not be again before that.
    pub fn noted_until(&self, then: UnixMillis) {
        self.noted.store(then.as_millis(), Ordering::Relaxed);
    }

    /// A token was made of it that lives until then.
    pub fn vouch_until(&self, then: UnixMillis) {
        self.vouched.fetch_max(then.as_millis(), Ordering::Relaxed);
    }

    /// When the last of them ends.
    pub(super) fn vouched_until(&self) -> UnixMillis {
        UnixMillis::new(self.vouched.load(Ordering::Relaxed))
    }

    pub(super) fn is_cleared(&self, generation: u64) -> bool {
        self.cleared.load(Ordering::Relaxed) == generation
    }

    pub(super) fn clear(&self, generation: u64) {
        self.cleared.store(generation, Ordering::Relaxed);
    }
}

impl<T> Session<T> {
    /// Whether everything that is told of it is the same, so that a token for one is one for the other.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        self.by == other.by
            && self.subject == other.subject
            && self.sub == other.sub
            && self.act == other.act
            && self.sid == other.sid
            && self.attributes == other.attributes
            && self.beside.wants_the_same(&other.beside)
    }

    /// What a bearer of ours that was made of it stands for: what the app says of it now, by the issuer's word. Attributes that the issuer's
    /// table has alone are the bearer's.
    fn shown_by(&self, bearer: &Self) -> Self
    where
        T: Default,
    {
        let known = |name: &Arc<str>| self.attributes.iter().any(|(known, _)| known == name);
        let more = bearer.attributes.iter().filter(|(name, _)| !known(name));
        Self {
            by: bearer.by,
            client_id: Arc::clone(&self.client_id),
            subject: self.subject.clone(),
            sub: self.sub.clone(),
            act: bearer.act.clone(),
            sid: self.sid.clone(),
            attributes: self.attributes.iter().chain(more).cloned().collect(),
            attached: T::default(),
            marks: Marks::default(),
            beside: Beside::default(),
        }
    }

    /// What is served for it: it, or what it was last with the record of its user.
    pub(super) fn served(self: &Arc<Self>) -> Arc<Self> {
        self.beside.last().unwrap_or_else(|| Arc::clone(self))
    }
}

/// Proof that signature, existence, decoding, expiry and subject were checked at `checked_at`. Only the authenticator
/// makes one, or an issuer's keys do, and no token is minted without.
#[derive(Debug)]
pub struct VerifiedSession<T> {
    session: Arc<Session<T>>,
    ends_at: Option<UnixMillis>,
    checked_at: UnixMillis,
    touch: Option<Box<DueTouch>>,
    behind: Option<Arc<Behind>>,
}

/// What leads to the session that a token of ours was made of: it is judged by that like any other.
#[derive(Debug)]
pub struct Behind {
    /// Whose it is.
    pub profile: ProfileId,
    /// Its cookies.
    pub cookies: Cookies,
    /// The `jti` of the token.
    pub jti: Option<String>,
}

impl<T> Clone for VerifiedSession<T> {
    fn clone(&self) -> Self {
        let (ends_at, checked_at) = (self.ends_at, self.checked_at);
        let (touch, behind) = (self.touch.clone(), self.behind.clone());
        Self { session: Arc::clone(&self.session), ends_at, checked_at, touch, behind }
    }
}

impl<T> VerifiedSession<T> {
    pub(super) const fn new(
        session: Arc<Session<T>>,
        ends_at: Option<UnixMillis>,
        checked_at: UnixMillis,
    ) -> Self {
        Self { session, ends_at, checked_at, touch: None, behind: None }
    }

    /// For tests of the rooms above: a proof of nothing, which does not exist outside them.
    #[cfg(test)]
    pub(crate) const fn pretend(session: Arc<Session<T>>, ends_at: Option<UnixMillis>) -> Self {
        Self { session, ends_at, checked_at: UnixMillis::new(0), touch: None, behind: None }
    }

    /// For tests of the rooms above: the same session with another end.
    #[cfg(test)]
    pub(crate) fn ending_at(&self, ends_at: Option<UnixMillis>) -> Self {
        Self { ends_at, ..self.clone() }
    }

    pub(super) fn with_touch(self, touch: Option<Box<DueTouch>>) -> Self {
        Self { touch, ..self }
    }

    /// The same, as its session is together with the record of its user, which is there until `ends_at`.
    pub(super) fn beside(self, session: Arc<Session<T>>, ends_at: Option<UnixMillis>) -> Self {
        let ends_at = [self.ends_at, ends_at].into_iter().flatten().min();
        Self { session, ends_at, ..self }
    }

    /// The same session as who shows a `bearer` of ours has it, which says who acts and ends with that. `kept` is what was made of both
    /// before: where the app says the same, it and its tokens go on.
    #[must_use]
    pub fn shown_by(&self, bearer: &Self, kept: Option<Arc<Session<T>>>, behind: Arc<Behind>) -> Self
    where
        T: Default,
    {
        let shown = self.session.shown_by(&bearer.session);
        let session = kept.filter(|kept| kept.says_the_same(&shown)).unwrap_or_else(|| Arc::new(shown));
        let ends_at = [self.ends_at, bearer.ends_at].into_iter().flatten().min();
        Self {
            session,
            ends_at,
            checked_at: self.checked_at,
            touch: self.touch.clone(),
            behind: Some(behind),
        }
    }

    /// What leads to the session behind a token of ours.
    pub const fn behind(&self) -> Option<&Arc<Behind>> {
        self.behind.as_ref()
    }

    /// The session itself, to be kept.
    pub fn kept(&self) -> Arc<Session<T>> {
        Arc::clone(&self.session)
    }

    /// The touch that is due, if we keep it alive.
    pub fn due_touch(&self) -> Option<&DueTouch> {
        self.touch.as_deref()
    }

    /// The session.
    pub fn session(&self) -> &Session<T> {
        &self.session
    }

    /// When it ends: the earliest of the store's TTL, the record's own word and the cookie's; `None` if none says.
    pub const fn ends_at(&self) -> Option<UnixMillis> {
        self.ends_at
    }

    /// When it was checked.
    pub const fn checked_at(&self) -> UnixMillis {
        self.checked_at
    }
}

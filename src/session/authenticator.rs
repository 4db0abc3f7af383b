//! The only maker of [`VerifiedSession`].

use crate::clock::UnixMillis;
use crate::config::{ProfileId, StoreId};
use crate::format::{Carried, Lookup, Presented, Reject};
use crate::request::Cookies;
use crate::session::cache::{CacheKey, Entry, SessionCache};
use crate::session::carried::CarriedSessions;
use crate::session::fingerprint::{Fingerprint, FingerprintKey};
use crate::session::profile::Profile;
use crate::session::verified::VerifiedSession;
use crate::store::{Reading, Store, StoreError, Stored};
use std::sync::Arc;
use std::time::Duration;

/// What the cookies of a request prove.
#[derive(Debug)]
pub enum Verdict<T> {
    /// No session cookie of any profile.
    Absent,
    /// A session cookie, and no profile whose app would take it.
    Rejected(Reject),
    /// A live session.
    Verified(VerifiedSession<T>),
}

/// A verdict with what the log wants to know about how it came to be.
#[derive(Debug)]
pub struct Authenticated<T> {
    /// The verdict.
    pub verdict: Verdict<T>,
    /// The profile that decided, if one had a cookie.
    pub profile: Option<ProfileId>,
    /// The session's fingerprint, as far as a cookie was read.
    pub sid: Option<Fingerprint>,
}

/// A store that could not be asked about a session it may hold. Never an answer about the session.
#[derive(Debug)]
pub struct SessionError {
    /// Whose session.
    pub profile: ProfileId,
    /// Which store.
    pub store: StoreId,
    /// The fingerprint of the session that could not be looked up.
    pub sid: Fingerprint,
    /// Why.
    pub source: StoreError,
}

impl std::fmt::Display for SessionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a session could not be looked up")
    }
}

impl std::error::Error for SessionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Reads sessions for one worker. `T` is what lives and dies with a session.
#[derive(Debug)]
pub struct Authenticator<T> {
    profiles: Arc<[Profile]>,
    stores: Vec<Store>,
    cache: Arc<SessionCache<T>>,
    carried: CarriedSessions<T>,
    fingerprints: FingerprintKey,
}

impl<T: Default + Send + Sync + 'static> Authenticator<T> {
    /// An authenticator over the worker's own `stores`, indexed by [`StoreId`].
    pub fn new(
        profiles: Arc<[Profile]>,
        stores: Vec<Store>,
        cache: Arc<SessionCache<T>>,
        fingerprints: FingerprintKey,
    ) -> Self {
        Self { profiles, stores, cache, carried: CarriedSessions::new(), fingerprints }
    }

    /// All profiles, indexed by [`ProfileId`].
    pub fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    /// Judges the cookies by the named profiles, in their order; the first that verifies wins, and a store that cannot be
    /// asked about a presented cookie ends the search: a lower profile must not win because a higher one is down.
    ///
    /// # Errors
    /// [`SessionError`] if a store could not be asked.
    pub async fn authenticate(
        &self,
        cookies: &Cookies,
        profiles: &[ProfileId],
        now: UnixMillis,
    ) -> Result<Authenticated<T>, SessionError> {
        let mut best = Authenticated { verdict: Verdict::Absent, profile: None, sid: None };
        if cookies.is_empty() {
            return Ok(best);
        }
        for profile in profiles.iter().filter_map(|id| self.profiles.get(id.0)) {
            let found = match profile.format.present(cookies) {
                Presented::Absent => continue,
                Presented::Rejected(reject) => {
                    Authenticated { verdict: Verdict::Rejected(reject), profile: Some(profile.id), sid: None }
                }
                Presented::Session(lookup) => self.look_up(profile, &lookup, now).await?,
                Presented::Carried(carried) => self.carried(profile, &carried, now),
            };
            match found.verdict {
                Verdict::Verified(_) => return Ok(found),
                Verdict::Absent | Verdict::Rejected(_) if best.profile.is_none() => best = found,
                Verdict::Absent | Verdict::Rejected(_) => {}
            }
        }
        Ok(best)
    }

    /// Judges a session that no store knows: there is nothing to ask, and nothing to wait for.
    fn carried(&self, profile: &Profile, carried: &Carried, now: UnixMillis) -> Authenticated<T> {
        let sid = profile.fingerprint_of(&self.fingerprints, &carried.id);
        let session = carried
            .judge(now)
            .and_then(|()| self.carried.session(&sid, || profile.session(&carried.decoded, sid.clone())));
        let verdict = match session {
            Ok(session) => Verdict::Verified(VerifiedSession::new(session, carried.decoded.ends_at, now)),
            Err(reject) => Verdict::Rejected(reject),
        };
        Authenticated { verdict, profile: Some(profile.id), sid: Some(sid) }
    }

    async fn look_up(
        &self,
        profile: &Profile,
        lookup: &Lookup,
        now: UnixMillis,
    ) -> Result<Authenticated<T>, SessionError> {
        let answer = |verdict, sid| Authenticated { verdict, profile: Some(profile.id), sid: Some(sid) };
        let Some((id, store)) = profile.store.and_then(|id| Some((id, self.stores.get(id.0)?))) else {
            return Ok(answer(
                Verdict::Rejected(Reject::UnknownSession),
                profile.fingerprint(&self.fingerprints, lookup),
            ));
        };
        for key in &lookup.keys {
            let reading =
                store.read(key, profile.format.record_kind()).await.map_err(|source| SessionError {
                    profile: profile.id,
                    store: id,
                    sid: profile.fingerprint(&self.fingerprints, lookup),
                    source,
                })?;
            let judged = match reading {
                Reading::Missing => {
                    self.cache.remove(&CacheKey::new(id, profile.id, key));
                    continue;
                }
                Reading::WrongType => Err(Reject::WrongType),
                Reading::TooLarge { bytes } => Err(Reject::ValueTooLarge { bytes }),
                Reading::Found(stored) => {
                    self.judge(profile, lookup, CacheKey::new(id, profile.id, key), stored, now)
                }
            };
            return Ok(match judged {
                Ok(session) => {
                    let sid = session.session().sid.clone();
                    answer(Verdict::Verified(session), sid)
                }
                Err(reject) => {
                    answer(Verdict::Rejected(reject), profile.fingerprint(&self.fingerprints, lookup))
                }
            });
        }
        Ok(answer(Verdict::Rejected(Reject::UnknownSession), profile.fingerprint(&self.fingerprints, lookup)))
    }

    /// Decodes a record, or takes the session that was decoded from the same bytes before, and judges its end.
    fn judge(
        &self,
        profile: &Profile,
        lookup: &Lookup,
        cache_key: CacheKey,
        stored: Stored,
        now: UnixMillis,
    ) -> Result<VerifiedSession<T>, Reject> {
        let entry = match self.cache.get(&cache_key) {
            Some(entry) if entry.record == stored.record => entry,
            _ => {
                let decoded = profile.format.decode(&stored.record, lookup)?;
                let sid = profile.fingerprint(&self.fingerprints, lookup);
                let session = Arc::new(profile.session(&decoded, sid)?);
                let entry = Arc::new(Entry { record: stored.record, session, ends_at: decoded.ends_at });
                self.cache.insert(cache_key, Arc::clone(&entry));
                entry
            }
        };
        let ttl_ends_at = stored.ttl_ms.map(|ttl| now.plus(Duration::from_millis(ttl)));
        let ends_at = [ttl_ends_at, entry.ends_at, lookup.ends_at].into_iter().flatten().min();
        if ends_at.is_some_and(|end| end <= now) {
            return Err(Reject::Expired);
        }
        Ok(VerifiedSession::new(Arc::clone(&entry.session), ends_at, now))
    }
}

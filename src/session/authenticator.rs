//! The only maker of [`VerifiedSession`].

use crate::clock::UnixMillis;
use crate::config::{ProfileId, StoreId};
use crate::format::{Carried, Lookup, Presented, Reject};
use crate::request::Cookies;
use crate::session::cache::{Bell, CacheKey, Decoded, Known, SessionCache, Watch};
use crate::session::carried::CarriedSessions;
use crate::session::fingerprint::{Fingerprint, FingerprintKey};
use crate::session::keep_alive::{Life, due, try_touches};
use crate::session::profile::Profile;
use crate::session::records::{Place, Policy, Records, Seen, Source, StoreRules};
use crate::session::touch::DueTouch;
use crate::session::user::{UserRecord, UserRules};
use crate::session::verified::VerifiedSession;
use crate::state::Endings;
use crate::store::{RecordKind, Store, StoreError, StoreKey};
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
    /// Where the verdict came from.
    pub source: Source,
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
    records: Records<T>,
    carried: CarriedSessions<T>,
    pub(super) fingerprints: FingerprintKey,
    pub(super) endings: Option<Arc<Endings>>,
}

impl<T: Default + Send + Sync + 'static> Authenticator<T> {
    /// An authenticator over the worker's own `stores`, indexed by [`StoreId`] as their `rules` are.
    pub fn new(
        profiles: Arc<[Profile]>,
        stores: Vec<Store>,
        rules: Vec<StoreRules>,
        cache: Arc<SessionCache<T>>,
        fingerprints: FingerprintKey,
    ) -> Self {
        let records = Records::new(stores, rules, cache);
        Self { profiles, records, carried: CarriedSessions::new(), fingerprints, endings: None }
    }

    /// All profiles, indexed by [`ProfileId`].
    pub fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    /// The store of this number.
    pub fn store(&self, id: StoreId) -> Option<&Store> {
        self.records.store(id)
    }

    /// What [`Authenticator::authenticate`] would say, if memory and cookies are enough to say it: then no future is made, and nothing
    /// is waited for.
    pub fn recall(
        &self,
        cookies: &Cookies,
        profiles: &[ProfileId],
        policy: Policy,
        now: UnixMillis,
    ) -> Option<Authenticated<T>> {
        let mut best = Authenticated::absent();
        if cookies.is_empty() {
            return Some(best);
        }
        for profile in profiles.iter().filter_map(|id| self.profiles.get(id.0)) {
            // Its store is asked in any case, and its cookie is read there.
            if profile.store.is_some_and(|store| self.records.is_strict(store, policy)) {
                return None;
            }
            let found = match profile.format.present(cookies) {
                Presented::Absent => continue,
                Presented::Rejected(reject) => Authenticated::refused(profile.id, reject),
                Presented::Carried(carried) => self.carried(profile, &carried, now),
                Presented::Session(lookup) => self.recall_one(profile, &lookup, policy, now)?,
            };
            let found = self.recall_user(profile, found, policy, now)?;
            if best.yields_to(found) {
                break;
            }
        }
        Some(best)
    }

    /// Has `bell` rung with `number` when a record that these cookies lead to changes, as far as its store tells.
    pub fn watch(&self, cookies: &Cookies, profiles: &[ProfileId], number: u64, bell: &Arc<Bell>) -> Watch {
        let mut keys = Vec::new();
        for profile in profiles.iter().filter_map(|id| self.profiles.get(id.0)) {
            self.each_key(cookies, profile, |place, kind, key| {
                keys.push(CacheKey::new(place.id, kind, key.expose()));
            });
        }
        self.records.watch(keys, number, bell)
    }

    /// Serves nothing more of what is held of the sessions of these cookies, whichever profile's: their app may just have changed them.
    pub fn doubt(&self, cookies: &Cookies) {
        for profile in &*self.profiles {
            self.each_key(cookies, profile, |place, kind, key| {
                self.records.doubt(place, key, kind);
            });
        }
    }

    fn each_key(
        &self,
        cookies: &Cookies,
        profile: &Profile,
        mut found: impl FnMut(Place<'_>, RecordKind, &StoreKey),
    ) {
        let presented = profile.format.present(cookies);
        if let (Presented::Session(lookup), Some(place)) = (&presented, self.place(profile)) {
            lookup.keys.iter().for_each(|key| found(place, profile.format.record_kind(), key));
        }
        let Some(users) = profile.users.record() else { return };
        if let (Some(user), Some(place)) =
            (self.user_of(profile, &presented), self.records.place(users.store))
        {
            found(place, users.kind(), &users.key(&user));
        }
    }

    /// Whose session it is, as far as it is held.
    fn user_of(&self, profile: &Profile, presented: &Presented) -> Option<String> {
        match presented {
            Presented::Absent | Presented::Rejected(_) => None,
            Presented::Carried(carried) => {
                let sid = profile.fingerprint_of(&self.fingerprints, &carried.id);
                self.carried.find(&sid)?.subject.clone()
            }
            Presented::Session(lookup) => {
                let (place, kind) = (self.place(profile)?, profile.format.record_kind());
                let mut held = lookup.keys.iter().filter_map(|key| self.records.held(place, key, kind));
                held.find_map(|known| known.made(profile.id)?.session.subject.clone())
            }
        }
    }

    /// Keeps a session alive, if nobody else does just now; whether it was this that did.
    pub fn touch(&self, due: &DueTouch) -> bool {
        self.store(due.store).is_some_and(|store| due.touch(store))
    }

    /// Tries to keep alive what nobody has, so that a user who may not write is noticed before a session ends of it.
    pub fn try_touches(&self) {
        try_touches(&self.profiles, self.records.stores());
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
        policy: Policy,
        now: UnixMillis,
    ) -> Result<Authenticated<T>, SessionError> {
        let mut best = Authenticated::absent();
        for profile in profiles.iter().filter_map(|id| self.profiles.get(id.0)) {
            let found = match profile.format.present(cookies) {
                Presented::Absent => continue,
                Presented::Rejected(reject) => Authenticated::refused(profile.id, reject),
                Presented::Carried(carried) => self.carried(profile, &carried, now),
                Presented::Session(lookup) => match self.recall_one(profile, &lookup, policy, now) {
                    Some(found) => found,
                    None => self.look_up(profile, &lookup, policy, now).await?,
                },
            };
            let found = match profile.users.record() {
                Some(users) => self.look_up_user((profile, users), found, policy, now).await?,
                None => found,
            };
            if best.yields_to(found) {
                break;
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
            Ok(session) if self.is_over(&session, None, now) => Verdict::Rejected(Reject::Revoked),
            Ok(session) => Verdict::Verified(VerifiedSession::new(session, carried.decoded.ends_at, now)),
            Err(reject) => Verdict::Rejected(reject),
        };
        Authenticated { verdict, profile: Some(profile.id), sid: Some(sid), source: Source::Cookie }
    }

    /// Where a profile's records are.
    fn place(&self, profile: &Profile) -> Option<Place<'_>> {
        self.records.place(profile.store?)
    }

    fn recall_one(
        &self,
        profile: &Profile,
        lookup: &Lookup,
        policy: Policy,
        now: UnixMillis,
    ) -> Option<Authenticated<T>> {
        let place = self.place(profile)?;
        let kind = profile.format.record_kind();
        for (at, key) in lookup.keys.iter().enumerate() {
            match self.records.recall(place, key, kind, policy)? {
                Seen::Absent => {}
                seen @ (Seen::Odd(_) | Seen::Record { .. }) => {
                    return Some(self.conclude(profile, (lookup, at), seen, Source::Cache, now));
                }
            }
        }
        Some(self.conclude(profile, (lookup, 0), Seen::Absent, Source::Cache, now))
    }

    async fn look_up(
        &self,
        profile: &Profile,
        lookup: &Lookup,
        policy: Policy,
        now: UnixMillis,
    ) -> Result<Authenticated<T>, SessionError> {
        let Some(place) = self.place(profile) else {
            return Ok(self.conclude(profile, (lookup, 0), Seen::Absent, Source::Store, now));
        };
        for (at, key) in lookup.keys.iter().enumerate() {
            let kind = profile.format.record_kind();
            let looked = self.records.look_up(place, key, kind, policy).await;
            let (seen, source) = looked.map_err(|source| {
                let sid = profile.fingerprint(&self.fingerprints, lookup);
                SessionError { profile: profile.id, store: place.id, sid, source }
            })?;
            match seen {
                Seen::Absent => {}
                seen @ (Seen::Odd(_) | Seen::Record { .. }) => {
                    return Ok(self.conclude(profile, (lookup, at), seen, source, now));
                }
            }
        }
        Ok(self.conclude(profile, (lookup, 0), Seen::Absent, Source::Store, now))
    }

    /// The session together with the record of its user, if memory is enough to say it.
    fn recall_user(
        &self,
        profile: &Profile,
        found: Authenticated<T>,
        policy: Policy,
        now: UnixMillis,
    ) -> Option<Authenticated<T>> {
        let Some((users, key)) =
            profile.users.record().and_then(|users| Some((users, found.user_in(users)?)))
        else {
            return Some(found);
        };
        let seen = self.records.recall(self.records.place(users.store)?, &key, users.kind(), policy)?;
        Some(found.beside(&profile.users, (seen, Source::Cache), now))
    }

    /// The session together with the record of its user. A user without one has nothing in it.
    async fn look_up_user(
        &self,
        (profile, users): (&Profile, &UserRecord),
        found: Authenticated<T>,
        policy: Policy,
        now: UnixMillis,
    ) -> Result<Authenticated<T>, SessionError> {
        let (Some(key), Some(place)) = (found.user_in(users), self.records.place(users.store)) else {
            return Ok(found);
        };
        let mut kind = users.kind();
        if let Some(seen) = self.records.recall(place, &key, kind, policy) {
            return Ok(found.beside(&profile.users, (seen, Source::Cache), now));
        }
        let mut looked = self.records.look_up(place, &key, kind, policy).await;
        if matches!(looked, Ok((Seen::Odd(Reject::WrongType), _))) {
            kind = users.is_not(kind);
            looked = self.records.look_up(place, &key, kind, policy).await;
        }
        match (looked, &found.sid) {
            (Ok(seen), _) => Ok(found.beside(&profile.users, seen, now)),
            (Err(source), Some(sid)) => {
                Err(SessionError { profile: profile.id, store: place.id, sid: sid.clone(), source })
            }
            (Err(_), None) => Ok(Authenticated::refused(profile.id, Reject::UnknownSession)),
        }
    }

    /// Decodes a record, or takes the session that was decoded from the same bytes before, and judges its end.
    fn conclude(
        &self,
        profile: &Profile,
        (lookup, at): (&Lookup, usize),
        seen: Seen<T>,
        source: Source,
        now: UnixMillis,
    ) -> Authenticated<T> {
        let judged = match seen {
            Seen::Absent => Err(Reject::UnknownSession),
            Seen::Odd(reject) => Err(reject),
            Seen::Record { known, ttl_left } => self.judge(profile, (lookup, at), &known, ttl_left, now),
        };
        let (verdict, sid) = match judged {
            Ok(session) => {
                let sid = session.session().sid.clone();
                (Verdict::Verified(session), sid)
            }
            Err(reject) => (Verdict::Rejected(reject), profile.fingerprint(&self.fingerprints, lookup)),
        };
        Authenticated { verdict, profile: Some(profile.id), sid: Some(sid), source }
    }

    fn judge(
        &self,
        profile: &Profile,
        (lookup, at): (&Lookup, usize),
        known: &Known<T>,
        ttl_left: Option<Duration>,
        now: UnixMillis,
    ) -> Result<VerifiedSession<T>, Reject> {
        let Decoded { session, ends_at: own_end, idle } = known.session(profile.id, |record| {
            let decoded = profile.format.decode(record, lookup)?;
            let sid = profile.fingerprint(&self.fingerprints, lookup);
            let session = Arc::new(profile.session(&decoded, sid)?);
            let idle = profile.keeps_alive().then(|| profile.format.idle(record)).flatten();
            Ok::<_, Reject>(Decoded { session, ends_at: decoded.ends_at, idle })
        })?;
        let ttl_ends_at = ttl_left.map(|left| now.plus(left));
        let ends_at = [ttl_ends_at, own_end, lookup.ends_at].into_iter().flatten().min();
        if ends_at.is_some_and(|end| end <= now) {
            return Err(Reject::Expired);
        }
        if self.is_over(&session, Some(known.record()), now) {
            return Err(Reject::Revoked);
        }
        let verified = VerifiedSession::new(session, ends_at, now);
        if !profile.keeps_alive() {
            return Ok(verified);
        }
        let life = Life { own_end, idle, ttl_left };
        Ok(verified.with_touch(due(profile, (lookup, at), known, life, now)))
    }
}

impl<T: Default> Authenticated<T> {
    /// The key of the record of whoever it is.
    fn user_in(&self, users: &UserRecord) -> Option<StoreKey> {
        match &self.verdict {
            Verdict::Verified(session) => Some(users.key(session.session().subject.as_deref()?)),
            Verdict::Absent | Verdict::Rejected(_) => None,
        }
    }

    /// What it is together with what is under that key.
    fn beside(self, users: &UserRules, (seen, source): (Seen<T>, Source), now: UnixMillis) -> Self {
        let Self { verdict: Verdict::Verified(session), profile, sid, source: before } = self else {
            return self;
        };
        let joined = match seen {
            Seen::Odd(reject) => Err(reject),
            Seen::Record { known, ttl_left } if ttl_left.is_none_or(|left| !left.is_zero()) => {
                users.join(session.session(), Some(&known)).map(|joined| (joined, ttl_left))
            }
            Seen::Absent | Seen::Record { .. } => {
                users.join(session.session(), None).map(|joined| (joined, None))
            }
        };
        let verdict = match joined {
            Ok((joined, left)) => Verdict::Verified(session.beside(joined, left.map(|left| now.plus(left)))),
            Err(reject) => Verdict::Rejected(reject),
        };
        Self { verdict, profile, sid, source: before.and(source) }
    }
}

impl<T> Authenticated<T> {
    const fn absent() -> Self {
        Self { verdict: Verdict::Absent, profile: None, sid: None, source: Source::Cookie }
    }

    const fn refused(profile: ProfileId, reject: Reject) -> Self {
        let verdict = Verdict::Rejected(reject);
        Self { verdict, profile: Some(profile), sid: None, source: Source::Cookie }
    }

    /// Takes what a further profile found if that is better; whether it is final.
    fn yields_to(&mut self, found: Self) -> bool {
        let verified = matches!(found.verdict, Verdict::Verified(_));
        if verified || self.profile.is_none() {
            *self = found;
        }
        verified
    }
}

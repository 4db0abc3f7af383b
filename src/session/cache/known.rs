//! What is known of a record while its bytes stay the same.

use crate::clock::{Moment, UnixMillis};
use crate::config::ProfileId;
use crate::session::touch::TouchMark;
use crate::session::verified::Session;
use crate::store::Record;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What an entry weighs beside its record: the decoded session is about as large again, plus tokens.
const ENTRY_WEIGHT: usize = 2048;

/// What the store said of a key.
pub(in crate::session) enum Content<T> {
    /// There is none.
    Absent,
    /// There is one.
    Record {
        /// What is made of its bytes, which outlives the entry as long as they stay the same.
        known: Arc<Known<T>>,
        /// When the store drops it; `None` if it has no TTL.
        ttl_ends: Option<Moment>,
    },
}

/// A record and what each profile made of it.
pub(in crate::session) struct Known<T> {
    record: Record,
    /// Indexed by [`ProfileId`].
    sessions: Box<[OnceLock<Decoded<T>>]>,
    /// What each profile made of the bytes before: where only what nobody asked for has changed, as the time of the last
    /// request, the session and its tokens go on.
    before: Box<[Option<Arc<Session<T>>>]>,
    /// What is remembered of its touches.
    mark: Arc<TouchMark>,
}

/// A session as one profile decoded it.
pub(in crate::session) struct Decoded<T> {
    pub(in crate::session) session: Arc<Session<T>>,
    /// When the record itself says that it ends.
    pub(in crate::session) ends_at: Option<UnixMillis>,
    /// How long the record itself says that it may idle; looked for only where we keep it alive.
    pub(in crate::session) idle: Option<Duration>,
}

impl<T> Content<T> {
    /// What it weighs in memory; `None` for an absence.
    pub(in crate::session) fn weight(&self) -> Option<u32> {
        match self {
            Self::Absent => None,
            Self::Record { known, .. } => {
                Some(u32::try_from(ENTRY_WEIGHT + 2 * known.record.len()).unwrap_or(u32::MAX))
            }
        }
    }
}

impl<T> Known<T> {
    pub(in crate::session) fn new(record: Record, profiles: usize) -> Self {
        let sessions = (0..profiles).map(|_| OnceLock::new()).collect();
        Self { record, sessions, before: Box::default(), mark: Arc::default() }
    }

    /// A record in the place of another that is known.
    pub(in crate::session) fn after(&self, record: Record) -> Self {
        let before = self.sessions.iter().map(|slot| slot.get().map(|known| Arc::clone(&known.session)));
        Self { before: before.collect(), ..Self::new(record, self.sessions.len()) }
    }

    /// Every session that was made of it, and of its bytes before.
    pub(in crate::session) fn all(&self) -> impl Iterator<Item = &Arc<Session<T>>> {
        let now = self.sessions.iter().filter_map(|slot| slot.get().map(|known| &known.session));
        let before = self.before.iter().flatten();
        now.chain(before.filter(|before| {
            !self
                .sessions
                .iter()
                .any(|slot| slot.get().is_some_and(|known| Arc::ptr_eq(&known.session, before)))
        }))
    }

    /// What this profile has made of it, if it has.
    pub(in crate::session) fn made(&self, profile: ProfileId) -> Option<&Decoded<T>> {
        self.sessions.get(profile.0)?.get()
    }

    pub(in crate::session) const fn mark(&self) -> &Arc<TouchMark> {
        &self.mark
    }

    pub(in crate::session) const fn record(&self) -> &Record {
        &self.record
    }

    /// What the profile makes of the record, decoded once. Who comes second while it is being decoded decodes too: waiting for
    /// another worker is worse.
    ///
    /// # Errors
    /// As `decode`; that is not remembered.
    pub(in crate::session) fn session<E>(
        &self,
        profile: ProfileId,
        decode: impl FnOnce(&Record) -> Result<Decoded<T>, E>,
    ) -> Result<Decoded<T>, E> {
        let slot = self.sessions.get(profile.0);
        if let Some(decoded) = slot.and_then(OnceLock::get) {
            return Ok(decoded.clone());
        }
        let mut decoded = decode(&self.record)?;
        if let Some(Some(before)) = self.before.get(profile.0)
            && before.says_the_same(&decoded.session)
        {
            decoded.session = Arc::clone(before);
        }
        Ok(match slot {
            // The first one stays, so that all share its tokens.
            Some(slot) => slot.get_or_init(|| decoded).clone(),
            None => decoded,
        })
    }
}

impl<T> Clone for Decoded<T> {
    fn clone(&self) -> Self {
        Self { session: Arc::clone(&self.session), ends_at: self.ends_at, idle: self.idle }
    }
}

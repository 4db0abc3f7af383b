//! How a store's messages and answers reach the slots, on the thread of its tracked connection.

use crate::clock::Moment;
use crate::config::StoreId;
use crate::format::Reject;
use crate::session::cache::departures::Departures;
use crate::session::cache::key::CacheKey;
use crate::session::cache::known::{Content, Known};
use crate::session::cache::slots::{Begun, Kept, Slots};
use crate::session::cache::watches::Watches;
use crate::store::{Follower, Lease, Load, Reading, RecordKind, StoreError, Stored, Ticket};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A record is read again after so long, even if Redis never said that it changed: what a fault nobody thought of can cost has an end.
const AGE_MAX: Duration = Duration::from_secs(600);
/// How long an absence is believed. Redis tells us when the key comes up, so this bounds only the memory guesses can take.
const ABSENCE_MAX: Duration = Duration::from_secs(1);

/// The slots of the session cache.
pub(in crate::session) type SessionSlots<T> = Slots<CacheKey, Content<T>, Waiter<T>>;
/// Somebody who waits for a read.
pub(in crate::session) type Waiter<T> = oneshot::Sender<Result<Answer<T>, StoreError>>;

/// What a read brought.
pub(in crate::session) enum Answer<T> {
    /// A record or its absence.
    Content(Arc<Kept<Content<T>>>),
    /// Something that is no session; not kept, so that the app's repair is seen at once.
    Odd(Reject),
}

/// A record or its absence, as it is kept.
type Held<T> = Arc<Kept<Content<T>>>;

/// One store's side of the cache.
pub(in crate::session) struct CacheFollower<T> {
    pub(in crate::session) slots: Arc<SessionSlots<T>>,
    /// Who goes on after its request and hears of changes too.
    pub(in crate::session) watches: Arc<Watches>,
    pub(in crate::session) store: StoreId,
    /// The kinds that profiles of this store read.
    pub(in crate::session) kinds: Vec<RecordKind>,
    pub(in crate::session) lease: Arc<Lease>,
    pub(in crate::session) profiles: usize,
    /// Those whose record is gone.
    pub(in crate::session) departures: Arc<Departures<T>>,
}

impl<T: Send + Sync + 'static> Follower for CacheFollower<T> {
    fn read(&self, load: &Load, answer: Result<Reading, StoreError>) -> Option<Ticket> {
        let key = CacheKey::new(self.store, load.kind, load.key.expose());
        let (kept, answer) = match answer {
            Err(error) => {
                for waiter in self.slots.fail(key, load.ticket) {
                    tell(waiter, Err(error.clone()));
                }
                return None;
            }
            Ok(Reading::Missing) => {
                self.departed(&key, load.ticket.sent);
                self.keep(Content::Absent, load.ticket, ABSENCE_MAX)
            }
            Ok(Reading::Found(stored)) => {
                let content = self.content(key, stored, load.ticket.sent);
                self.keep(content, load.ticket, AGE_MAX)
            }
            Ok(Reading::WrongType) => (None, Answer::Odd(Reject::WrongType)),
            Ok(Reading::TooLarge { bytes }) => (None, Answer::Odd(Reject::ValueTooLarge { bytes })),
        };
        let completed = self.slots.complete(key, load.ticket, self.lease.epoch(), Moment::now(), kept);
        for waiter in completed.answer {
            tell(waiter, Ok(answer.clone()));
        }
        completed.again
    }

    fn changed(&self, key: &[u8], reread: &mut dyn FnMut(RecordKind, Ticket)) {
        for kind in &self.kinds {
            let cache_key = CacheKey::new(self.store, *kind, key);
            let matters = |content: &Content<T>| match content {
                Content::Absent => false,
                Content::Record { known, .. } => self.departures.matters(known),
            };
            if self.slots.changed_and(cache_key, matters) {
                let (epoch, bound) = (self.lease.epoch(), self.lease.bound());
                match self.slots.begin(cache_key, epoch, Moment::now(), bound, None) {
                    Begun::Read(ticket) => reread(*kind, ticket),
                    Begun::Joined => {}
                }
            }
            self.watches.changed(cache_key);
        }
    }
}

impl<T: Send + Sync + 'static> CacheFollower<T> {
    /// What is held of a key is gone from the store. One that ran out of its time has not left: neither do its tokens go on.
    fn departed(&self, key: &CacheKey, sent: Moment) {
        if let Some(kept) = self.slots.shelf().get(key)
            && let Content::Record { known, ttl_ends } = &kept.value
            && ttl_ends.is_none_or(|ends| ends > sent)
        {
            self.departures.note(known);
        }
    }

    /// The record with what is known of it already if its bytes are the same.
    fn content(&self, key: CacheKey, stored: Stored, sent: Moment) -> Content<T> {
        let ttl_ends = stored.ttl_ms.map(|ttl| sent.plus(Duration::from_millis(ttl)));
        let known = known_of(&self.slots, key, stored.record, self.profiles);
        Content::Record { known, ttl_ends }
    }

    fn keep(&self, content: Content<T>, ticket: Ticket, age_max: Duration) -> (Option<Held<T>>, Answer<T>) {
        let oldest = ticket.sent.plus(age_max);
        let deadline = match &content {
            Content::Record { ttl_ends: Some(ends), .. } => oldest.min(*ends),
            Content::Record { ttl_ends: None, .. } | Content::Absent => oldest,
        };
        let kept = Arc::new(Kept::new(content, ticket, deadline));
        (Some(Arc::clone(&kept)), Answer::Content(kept))
    }
}

/// What is known of the record, from the slot if its bytes are the same.
pub(in crate::session) fn known_of<T: Send + Sync + 'static>(
    slots: &SessionSlots<T>,
    key: CacheKey,
    record: crate::store::Record,
    profiles: usize,
) -> Arc<Known<T>> {
    if let Some(kept) = slots.shelf().get(&key)
        && let Content::Record { known, .. } = &kept.value
    {
        return if *known.record() == record { Arc::clone(known) } else { Arc::new(known.after(record)) };
    }
    Arc::new(Known::new(record, profiles))
}

fn tell<T>(waiter: Waiter<T>, answer: Result<Answer<T>, StoreError>) {
    // Who was cancelled meanwhile does not listen any more.
    let _ = waiter.send(answer);
}

impl<T> Clone for Answer<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Content(kept) => Self::Content(Arc::clone(kept)),
            Self::Odd(reject) => Self::Odd(reject.clone()),
        }
    }
}

//! Ending a session where its app keeps it, and looking whose one is.

use crate::config::ProfileId;
use crate::format::{Lookup, Presented, SessionId};
use crate::request::Cookies;
use crate::session::authenticator::Authenticator;
use crate::session::profile::Profile;
use crate::session::verified::Session;
use crate::store::{Ending, Reading, Record, RecordKind, Store, StoreError, StoreKey};

/// How a profile's keys are called.
#[derive(Debug)]
pub struct KeyNames {
    /// Before the id.
    pub prefix: Vec<u8>,
    suffix: Vec<u8>,
}

impl KeyNames {
    /// The id in a key.
    pub fn id<'k>(&self, key: &'k StoreKey) -> Option<&'k [u8]> {
        key.expose().strip_prefix(self.prefix.as_slice())?.strip_suffix(self.suffix.as_slice())
    }
}

impl<T: Default + Send + Sync + 'static> Authenticator<T> {
    /// Ends the session of these cookies as its app would, under every key that it may have; the record that it had.
    ///
    /// # Errors
    /// [`StoreError`] if that could not be done; then it can be tried again.
    pub async fn end(&self, cookies: &Cookies, profile: ProfileId) -> Result<Option<Record>, StoreError> {
        let Some((profile, store)) = self.kept(profile) else { return Ok(None) };
        let mut ended = None;
        if let Presented::Session(lookup) = profile.format.present(cookies) {
            for key in &lookup.keys {
                let record = found(store.read(key, profile.format.record_kind()).await?);
                end(profile, store, (key, &lookup.id), record.as_ref()).await?;
                ended = ended.or(record);
            }
        }
        // The store's message is on its way to all gateways; here nobody need wait for it.
        self.doubt(cookies);
        Ok(ended)
    }

    /// Ends the session under a key.
    ///
    /// # Errors
    /// As [`Authenticator::end`].
    pub async fn end_at(
        &self,
        profile: ProfileId,
        (key, id): (&StoreKey, &[u8]),
        record: &Record,
    ) -> Result<(), StoreError> {
        match self.kept(profile) {
            Some((profile, store)) => {
                end(profile, store, (key, &SessionId::new(id.to_vec())), Some(record)).await
            }
            None => Ok(()),
        }
    }

    /// Whose session these cookies lead to, with its record; whether it has ended is not asked.
    ///
    /// # Errors
    /// [`StoreError`] if that could not be asked.
    pub async fn owner_of(
        &self,
        cookies: &Cookies,
        profile: ProfileId,
    ) -> Result<Option<(Session<T>, Record)>, StoreError> {
        let Some((profile, store)) = self.kept(profile) else { return Ok(None) };
        let Presented::Session(lookup) = profile.format.present(cookies) else { return Ok(None) };
        for key in &lookup.keys {
            if let Some(record) = found(store.read(key, profile.format.record_kind()).await?) {
                return Ok(self.owner(profile, &lookup, record));
            }
        }
        Ok(None)
    }

    /// Whose session is under a key, with its record.
    ///
    /// # Errors
    /// As [`Authenticator::owner_of`].
    pub async fn owner_at(
        &self,
        profile: ProfileId,
        key: &StoreKey,
        id: &[u8],
    ) -> Result<Option<(Session<T>, Record)>, StoreError> {
        let Some((profile, store)) = self.kept(profile) else { return Ok(None) };
        let record = found(store.read(key, profile.format.record_kind()).await?);
        let (id, keys) = (SessionId::new(id.to_vec()), vec![key.clone()]);
        let lookup = Lookup { id, keys, secret: None, ends_at: None };
        Ok(record.and_then(|record| self.owner(profile, &lookup, record)))
    }

    /// The store of a profile's sessions and how their keys are called; `None` where there are none.
    pub fn keys_of(&self, profile: ProfileId) -> Option<(&Store, KeyNames)> {
        let (profile, store) = self.kept(profile)?;
        let key = profile.format.key_of(b"\0")?;
        let at = key.expose().iter().position(|byte| *byte == 0)?;
        let (prefix, suffix) = (key.expose().get(..at)?.to_vec(), key.expose().get(at + 1..)?.to_vec());
        Some((store, KeyNames { prefix, suffix }))
    }

    fn kept(&self, profile: ProfileId) -> Option<(&Profile, &Store)> {
        let profile = self.profiles().get(profile.0)?;
        Some((profile, self.store(profile.store?)?))
    }

    fn owner(&self, profile: &Profile, lookup: &Lookup, record: Record) -> Option<(Session<T>, Record)> {
        let decoded = profile.format.decode(&record, lookup).ok()?;
        let session = profile.session(&decoded, profile.fingerprint(&self.fingerprints, lookup)).ok()?;
        Some((session, record))
    }
}

async fn end(
    profile: &Profile,
    store: &Store,
    (key, id): (&StoreKey, &SessionId),
    record: Option<&Record>,
) -> Result<(), StoreError> {
    let ending = match (profile.format.record_kind(), record) {
        (RecordKind::Hash, Some(record)) => profile.format.ending(record, id),
        (RecordKind::String | RecordKind::Hash, _) => Ending::Delete,
    };
    store.end(key, &ending).await
}

fn found(reading: Reading) -> Option<Record> {
    match reading {
        Reading::Found(stored) => Some(stored.record),
        Reading::Missing | Reading::TooLarge { .. } | Reading::WrongType => None,
    }
}

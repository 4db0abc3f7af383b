//! Ending a session where its app keeps it.

use crate::config::ProfileId;
use crate::format::Presented;
use crate::request::Cookies;
use crate::session::authenticator::Authenticator;
use crate::store::{Ending, Reading, RecordKind, StoreError};

impl<T: Default + Send + Sync + 'static> Authenticator<T> {
    /// Ends the session of these cookies as its app would, under every key that it may have.
    ///
    /// # Errors
    /// [`StoreError`] if that could not be done; then it can be tried again.
    pub async fn end(&self, cookies: &Cookies, profile: ProfileId) -> Result<(), StoreError> {
        let profile = self.profiles().get(profile.0);
        let store = profile.and_then(|profile| self.store(profile.store?));
        let (Some(profile), Some(store)) = (profile, store) else { return Ok(()) };
        let format = &*profile.format;
        if let Presented::Session(lookup) = format.present(cookies) {
            for key in &lookup.keys {
                let ending = match (format.record_kind(), store.read(key, format.record_kind()).await?) {
                    (RecordKind::Hash, Reading::Found(stored)) => format.ending(&stored.record, &lookup.id),
                    (RecordKind::String | RecordKind::Hash, _) => Ending::Delete,
                };
                store.end(key, &ending).await?;
            }
        }
        // The store's message is on its way to all gateways; here nobody need wait for it.
        self.doubt(cookies);
        Ok(())
    }
}

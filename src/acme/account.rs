//! The account with the authority.

use instant_acme::{Account, AccountCredentials, ExternalAccountKey, NewAccount};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::acme::exchange::Caller;
use crate::acme::trouble::Trouble;
use crate::config::Acme;
use crate::disk;

/// What is kept of an account; its key is in it.
#[derive(Serialize, Deserialize)]
struct Kept {
    directory: String,
    contact: Vec<String>,
    credentials: AccountCredentials,
}

/// The account that is kept in the folder, or else a new one.
pub(super) async fn open(acme: &Acme, caller: Caller) -> Result<Account, Trouble> {
    let builder = Account::builder_with_http(Box::new(caller));
    let file = file(&acme.storage.value);
    let contact: Vec<&str> = acme.contact.iter().map(String::as_str).collect();
    if let Some(mut kept) = read(&file)?.filter(|kept| kept.directory == acme.directory.text) {
        let changed = kept.contact != acme.contact;
        let text = changed.then(|| {
            kept.contact.clone_from(&acme.contact);
            serde_json::to_vec(&kept)
        });
        let account = builder.from_credentials(kept.credentials).await?;
        if let Some(Ok(text)) = text {
            account.update_contacts(&contact).await?;
            disk::replace(&file, &text).map_err(Trouble::Folder)?;
        }
        return Ok(account);
    }
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let external = acme.external_account.as_ref();
    let external =
        external.map(|external| ExternalAccountKey::new(external.kid.clone(), external.key.expose()));
    let directory = acme.directory.text.clone();
    let (account, credentials) = builder.create(&wanted, directory.clone(), external.as_ref()).await?;
    let kept = Kept { directory, contact: acme.contact.clone(), credentials };
    let text = serde_json::to_vec(&kept).map_err(instant_acme::Error::from)?;
    disk::replace(&file, &text).map_err(Trouble::Folder)?;
    tracing::info!(directory = %kept.directory, account = %account.id(), "an ACME account was opened");
    Ok(account)
}

/// Forgets an account that the authority does not know any more.
pub(super) fn forget(storage: &Path) {
    // The next order finds out if it is there still.
    let _ = std::fs::remove_file(file(storage));
}

fn file(storage: &Path) -> PathBuf {
    storage.join("account.json")
}

/// What cannot be understood is as good as nothing: an account costs one call.
fn read(file: &Path) -> Result<Option<Kept>, Trouble> {
    match std::fs::read(file) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Trouble::Folder(error)),
    }
}

//! Sessions, byte for byte as express-session 1.19 and connect-redis 9 write them with their defaults and Passport's user.
//!
//! * Cookie `connect.sid`: `s:`, the id, `.`, HMAC-SHA256 of the id in unpadded base64; the whole escaped as JavaScript's
//!   `encodeURIComponent` does. The id is 24 random bytes in base64url.
//! * Record `sess:` + id: JSON with the cookie's own settings first, written with `EX 86400`.
//! * Login regenerates the id and deletes the record of the old one. Logout deletes the record and leaves the cookie where
//!   it is: only the browser could take it away, and an app must not count on that.
//! * The one thing left out is `touch`, as with connect-redis's `disableTouch`.

use crate::codec::seal::{Base64, Hash, MacKey};
use crate::config::{DuplicateCookie, Secret};
use crate::demo::keeper::Keeper;
use crate::demo::person::Person;
use crate::demo::random;
use crate::format::cookies::{CookieRules, pick};
use crate::request::Cookies;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use std::time::Duration;

/// The cookie's name.
pub(super) const COOKIE: &str = "connect.sid";
/// How long a record lives without `cookie.maxAge`.
const TTL: Duration = Duration::from_secs(86_400);
/// What `encodeURIComponent` escapes.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// The app's sessions.
pub(super) struct Sessions {
    keeper: Keeper,
    key: MacKey,
}

/// What a request's cookie leads to.
pub(super) struct Session {
    /// A credential: of its text only the start may be shown.
    pub(super) id: String,
    /// The record; `None` if there is none, or none any more.
    pub(super) record: Option<Value>,
}

/// Why there is no session to be had: the store or the system's random bytes.
pub(super) type SessionError = Box<dyn std::error::Error>;

impl Sessions {
    pub(super) fn new(keeper: Keeper, secret: &Secret) -> Self {
        Self { keeper, key: MacKey::new(Hash::Sha256, secret.expose()) }
    }

    /// The session of a request; `None` without a cookie of ours.
    pub(super) async fn find(&self, cookies: &Cookies) -> Result<Option<Session>, SessionError> {
        let Some(id) = self.verified_id(cookies) else { return Ok(None) };
        let record = self.keeper.get(&key(&id)).await?;
        let record = record.and_then(|record| serde_json::from_slice(&record).ok());
        Ok(Some(Session { id, record }))
    }

    /// Logs `person` in under a new id, and returns the value of Set-Cookie.
    pub(super) async fn start(&self, person: &Person, old: Option<&Session>) -> Result<String, SessionError> {
        if let Some(old) = old {
            self.end(old).await?;
        }
        let id = Base64::UrlNoPad.encode(&random::<24>()?);
        self.keeper.set(&key(&id), record(person), TTL).await?;
        Ok(format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Lax", self.cookie(&id)))
    }

    /// Logs out.
    pub(super) async fn end(&self, session: &Session) -> Result<(), SessionError> {
        Ok(self.keeper.del(&key(&session.id)).await?)
    }

    /// The cookie of an id.
    fn cookie(&self, id: &str) -> String {
        let tag = Base64::StandardNoPad.encode(&self.key.sign(&[id.as_bytes()]));
        utf8_percent_encode(&format!("s:{id}.{tag}"), ESCAPED).to_string()
    }

    fn verified_id(&self, cookies: &Cookies) -> Option<String> {
        let value = pick(cookies, COOKIE, CookieRules::EXPRESS, DuplicateCookie::Reject).ok()??;
        let (id, tag) = std::str::from_utf8(&value).ok()?.strip_prefix("s:")?.rsplit_once('.')?;
        let tag = Base64::StandardNoPad.decode(tag.as_bytes())?;
        self.key.verify(&[id.as_bytes()], &tag).then(|| id.to_owned())
    }
}

/// The store's key of a session.
pub(super) fn key(id: &str) -> String {
    format!("sess:{id}")
}

fn record(person: &Person) -> Vec<u8> {
    let cookie = json!({
        "originalMaxAge": null, "expires": null, "httpOnly": true, "path": "/", "sameSite": "lax",
    });
    let session = json!({ "cookie": cookie, "passport": { "user": person.id }, "user": person.kept() });
    session.to_string().into_bytes()
}

#[cfg(test)]
mod tests;

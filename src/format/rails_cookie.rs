//! Cookies that Rails encrypts or signs with `secret_key_base` (`signed: true` of its Redis stores).
//!
//! From the source of Rails 4 to 7.1, the encrypted layouts checked with ActiveSupport 6.1.
//! * Encrypted: base64(ciphertext) `--` base64(iv) `--` base64(tag), AES-256-GCM, iv 12 and tag 16 bytes; the key is
//!   PBKDF2(secret_key_base, `authenticated encrypted cookie`, 1000 rounds, 32 bytes).
//! * Encrypted before 5.2, and since then without `use_authenticated_cookie_encryption`: base64(base64(ciphertext) `--`
//!   base64(iv)) `--` hex of HMAC over that base64, AES-256-CBC; the keys are PBKDF2 of the salts `encrypted cookie` (32 bytes)
//!   and `signed encrypted cookie` (64 bytes). The HMAC is verified first.
//! * Signed: base64(message) `--` hex of HMAC over that base64; the key is PBKDF2(secret_key_base, `signed cookie`, 1000 rounds,
//!   64 bytes), the HMAC's hash SHA-1 or, by `signed_cookie_digest`, SHA-256.
//! * PBKDF2 runs over SHA-1, since the defaults of 7.0 over SHA-256.
//! * Message: JSON `{"_rails":{"message":base64,"exp":ISO 8601 or null,"pur":"cookie.NAME"}}`, in 7.1 with `data` instead of
//!   `message`, or from before 5.2 the bare value. The value is the id as JSON or Marshal. A message for another
//!   purpose is another cookie's under this cookie's name.

use crate::clock::UnixMillis;
use crate::codec::seal::{self, Base64, Hash, MacKey};
use crate::codec::{Limits, Value, json, marshal};
use crate::config::Secret;
use crate::format::{Reject, date};
use std::num::NonZeroU32;

/// `ActiveSupport::KeyGenerator`'s rounds for cookies.
const ROUNDS: NonZeroU32 = NonZeroU32::new(1000).expect("1000 is not zero");

/// The keys that one `secret_key_base` gives.
#[derive(Debug)]
pub struct CookieKeys {
    encryption: Vec<Secret>,
    before_5_2: Vec<CbcKeys>,
    signing: Vec<MacKey>,
}

/// The keys of an encrypted cookie whose cipher does not authenticate.
#[derive(Debug)]
struct CbcKeys {
    signing: [MacKey; 2],
    aes: Secret,
}

/// What a cookie holds that one of the keys opened.
#[derive(Debug)]
pub struct Message(Vec<u8>);

impl CookieKeys {
    /// Derives the keys; thousands of hashes, so once per configuration.
    pub fn new(secret_key_base: &[u8]) -> Self {
        let (mut encryption, mut before_5_2, mut signing) = (Vec::new(), Vec::new(), Vec::new());
        let either =
            |key: &Secret| [Hash::Sha1, Hash::Sha256].map(|digest| MacKey::new(digest, key.expose()));
        for hash in [Hash::Sha1, Hash::Sha256] {
            let derive = |salt: &str, length| {
                Secret::new(seal::derive_pbkdf2(hash, ROUNDS, salt.as_bytes(), secret_key_base, length))
            };
            encryption.push(derive("authenticated encrypted cookie", 32));
            before_5_2.push(CbcKeys {
                signing: either(&derive("signed encrypted cookie", 64)),
                aes: derive("encrypted cookie", 32),
            });
            signing.extend(either(&derive("signed cookie", 64)));
        }
        Self { encryption, before_5_2, signing }
    }

    /// Opens an encrypted or signed cookie; `None` if neither is right.
    pub fn open(&self, cookie: &[u8]) -> Option<Message> {
        let text = std::str::from_utf8(cookie).ok()?;
        let mut parts = text.split("--");
        let message = match (parts.next()?, parts.next()?, parts.next(), parts.next()) {
            (ciphertext, iv, Some(tag), None) => self.decrypt(ciphertext, iv, tag),
            (payload, tag, None, None) => {
                self.verify(payload, tag).or_else(|| self.decrypt_cbc(payload, tag))
            }
            _ => None,
        };
        message.map(Message)
    }

    fn decrypt(&self, ciphertext: &str, iv: &str, tag: &str) -> Option<Vec<u8>> {
        let decode = |text: &str| Base64::Standard.decode(text.as_bytes());
        let (ciphertext, iv, tag) = (decode(ciphertext)?, decode(iv)?, decode(tag)?);
        self.encryption.iter().find_map(|key| seal::open_gcm(key.expose(), &iv, b"", &ciphertext, &tag))
    }

    fn decrypt_cbc(&self, payload: &str, tag: &str) -> Option<Vec<u8>> {
        let keys =
            self.before_5_2.iter().find(|keys| keys.signing.iter().any(|key| signs(key, payload, tag)))?;
        let inner = Base64::Standard.decode(payload.as_bytes())?;
        let (ciphertext, iv) = std::str::from_utf8(&inner).ok()?.split_once("--")?;
        let decode = |text: &str| Base64::Standard.decode(text.as_bytes());
        seal::open_cbc(keys.aes.expose(), &decode(iv)?, &decode(ciphertext)?)
    }

    fn verify(&self, payload: &str, tag: &str) -> Option<Vec<u8>> {
        if !self.signing.iter().any(|key| signs(key, payload, tag)) {
            return None;
        }
        Base64::Standard.decode(payload.as_bytes())
    }
}

/// Whether `tag` is the HMAC of `payload` in hexadecimal.
fn signs(key: &MacKey, payload: &str, tag: &str) -> bool {
    seal::same(&seal::hex(&key.sign(&[payload.as_bytes()])), tag.as_bytes())
}

impl Message {
    /// The session id, and when the cookie ends if it says so.
    ///
    /// # Errors
    /// [`Reject::MalformedCookie`] if the message was made for another cookie, or is no text.
    pub fn id(&self, cookie: &str) -> Result<(String, Option<UnixMillis>), Reject> {
        let envelope = json::decode(&self.0, Limits::default()).ok();
        let Some(inner) = envelope.as_ref().and_then(|envelope| envelope.get("_rails")) else {
            return Ok((text(&self.0)?, None));
        };
        match inner.get("pur") {
            None | Some(Value::Null) => {}
            Some(Value::Text(purpose)) if purpose.strip_prefix("cookie.") == Some(cookie) => {}
            Some(_) => return Err(Reject::MalformedCookie("made for another cookie or purpose")),
        }
        let ends_at = match inner.get("exp") {
            None | Some(Value::Null) => None,
            Some(expiry) => {
                let instant = expiry.as_text().and_then(date::rfc3339);
                Some(instant.ok_or(Reject::MalformedCookie("an expiry that is no time"))?)
            }
        };
        let id = match (inner.get("message"), inner.get("data")) {
            (Some(Value::Text(message)), None) => {
                let value = Base64::Standard.decode(message.as_bytes());
                text(&value.ok_or(Reject::MalformedCookie("a message that is not base64"))?)?
            }
            (None, Some(Value::Text(id))) => id.clone(),
            _ => return Err(Reject::MalformedCookie("no message in the cookie")),
        };
        Ok((id, ends_at))
    }
}

/// The text that the cookies' serializer wrote: Marshal, or JSON.
fn text(value: &[u8]) -> Result<String, Reject> {
    let read = if value.starts_with(b"\x04\x08") {
        marshal::read(value, Limits::default())
    } else {
        json::decode(value, Limits::default())
    };
    match read {
        Ok(Value::Text(id)) => Ok(id),
        Ok(_) | Err(_) => Err(Reject::MalformedCookie("what is in the cookie is no text")),
    }
}

#[cfg(test)]
mod tests;

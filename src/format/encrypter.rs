//! Laravel's Encrypter: what is in its cookies, and in its sessions where `session.encrypt` is on.
//!
//! Facts [Illuminate\Encryption\Encrypter 8 to 12, captured]: base64 of a JSON object whose fields are base64 text, save
//! `mac`, which is lower-case hex. CBC: the MAC is HMAC-SHA256 over the texts of `iv` and `value` one after the other, and
//! `tag` is empty. GCM: `mac` is empty, the tag has 16 bytes and no fewer, the nonce 12, there is no additional data. A
//! payload may be sealed with any of the keys, APP_KEY or one of APP_PREVIOUS_KEYS. PHP's base64 would take missing
//! padding and stray characters, which Laravel never writes; here they are refused.

use crate::codec::seal::{Base64, Hash, MacKey, hex, open_cbc, open_gcm, same};
use crate::codec::{Limits, json};
use crate::config::Secret;
use crate::format::Reject;

/// `app.cipher`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cipher {
    Aes128Cbc,
    Aes128Gcm,
    Aes256Cbc,
    Aes256Gcm,
}

impl Cipher {
    /// As the app's configuration spells them, the default first.
    pub(crate) const WORDS: [(&'static str, Self); 4] = [
        ("AES-256-CBC", Self::Aes256Cbc),
        ("AES-128-CBC", Self::Aes128Cbc),
        ("AES-256-GCM", Self::Aes256Gcm),
        ("AES-128-GCM", Self::Aes128Gcm),
    ];

    pub(crate) const fn key_bytes(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes128Gcm => 16,
            Self::Aes256Cbc | Self::Aes256Gcm => 32,
        }
    }

    const fn is_gcm(self) -> bool {
        matches!(self, Self::Aes128Gcm | Self::Aes256Gcm)
    }
}

/// The app's keys, newest first.
#[derive(Debug)]
pub(crate) struct Keyring {
    cipher: Cipher,
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    aes: Secret,
    mac: MacKey,
    /// What precedes a cookie's value, so that it cannot be moved to a cookie of another name.
    prefix: Vec<u8>,
}

impl Keyring {
    /// The keys as they serve the cookie `cookie`.
    pub(crate) fn new(cipher: Cipher, secrets: &[Secret], cookie: &str) -> Self {
        let key = |secret: &Secret| {
            let key = secret.expose();
            let tag = MacKey::new(Hash::Sha1, key).sign(&[cookie.as_bytes(), b"v2"]);
            let prefix = [hex(&tag), b"|".to_vec()].concat();
            Key { aes: secret.clone(), mac: MacKey::new(Hash::Sha256, key), prefix }
        };
        Self { cipher, keys: secrets.iter().map(key).collect() }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Opens a payload; also says which key did.
    pub(crate) fn open(&self, sealed: &Sealed) -> Result<(usize, Vec<u8>), Reject> {
        let opened = |(index, key): (usize, &Key)| Some((index, self.open_with(key, sealed)?));
        self.keys.iter().enumerate().find_map(opened).ok_or_else(|| self.bad_signature())
    }

    /// The value behind the prefix of this cookie; any key may have made it.
    pub(crate) fn take_prefix<'p>(&self, plain: &'p [u8]) -> Result<&'p [u8], Reject> {
        let value = self.keys.iter().find_map(|key| {
            let (prefix, value) = plain.split_at_checked(key.prefix.len())?;
            same(prefix, &key.prefix).then_some(value)
        });
        value.ok_or_else(|| self.bad_signature())
    }

    fn open_with(&self, key: &Key, sealed: &Sealed) -> Option<Vec<u8>> {
        let (iv, value) = (sealed.iv.as_bytes(), sealed.value.as_bytes());
        let decode = |text: &[u8]| Base64::Standard.decode(text);
        if self.cipher.is_gcm() {
            let tag = decode(sealed.tag.as_bytes())?;
            return open_gcm(key.aes.expose(), &decode(iv)?, b"", &decode(value)?, &tag);
        }
        let mac = hex(&key.mac.sign(&[iv, value]));
        if !same(&mac, sealed.mac.as_bytes()) || !sealed.tag.is_empty() {
            return None;
        }
        open_cbc(key.aes.expose(), &decode(iv)?, &decode(value)?)
    }

    fn bad_signature(&self) -> Reject {
        Reject::BadSignature { secrets: self.keys.len() }
    }
}

/// What is wrong with what is no [`Sealed`].
pub(crate) const NOT_SEALED: &str = "the value is no payload of Laravel's encrypter";

/// A payload, not opened.
pub(crate) struct Sealed {
    iv: String,
    value: String,
    mac: String,
    tag: String,
}

impl Sealed {
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let json = json::decode(&Base64::Standard.decode(payload)?, Limits::default()).ok()?;
        let text = |name: &str| json.get(name)?.as_text().map(str::to_owned);
        // Before Laravel 8 there was no tag.
        let tag = if json.get("tag").is_none() { String::new() } else { text("tag")? };
        Some(Self { iv: text("iv")?, value: text("value")?, mac: text("mac")?, tag })
    }
}

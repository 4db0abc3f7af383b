//! The signed and private jars of the Rust crate cookie 0.16 to 0.18, which actix-session and tower-sessions use.
//!
//! From its source, and checked with captured cookies. The master key is 64 bytes or more: the first 32 sign, the next
//! 32 encrypt. Signed: base64 (standard, padded, 44 characters) of HMAC-SHA256 over the value, then the value. Private:
//! base64 of nonce (12), AES-256-GCM ciphertext and tag (16), with the cookie's name as associated data.

use crate::codec::seal::{self, Base64, Hash, MacKey};
use crate::config::Secret;
use crate::format::Reject;
use crate::format::options::Options;

/// How a cookie is kept in the jar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// As it is.
    Plain,
    /// Signed.
    Signed,
    /// Encrypted.
    Private,
}

/// One jar with its keys.
#[derive(Debug)]
pub struct Jar {
    protection: Protection,
    signing: Vec<MacKey>,
    encryption: Vec<Secret>,
}

impl Jar {
    /// The jar with the profile's `secrets`; none are asked for if nothing protects the cookie.
    pub fn new(options: &mut Options<'_>, protection: Protection, hint: &str) -> Self {
        let secrets = if protection == Protection::Plain { Vec::new() } else { options.secrets(hint) };
        let (mut signing, mut encryption) = (Vec::new(), Vec::new());
        for secret in &secrets {
            if let Some((first, second)) = secret.expose().split_at_checked(32)
                && let Some(second) = second.first_chunk::<32>()
            {
                signing.push(MacKey::new(Hash::Sha256, first));
                encryption.push(Secret::new(second.to_vec()));
            } else {
                options.wrong("secrets", "a key of less than 64 bytes", "64 bytes: `hex:` or `base64:`");
            }
        }
        Self { protection, signing, encryption }
    }

    /// The value inside `cookie`, and which secret opened it.
    ///
    /// # Errors
    /// [`Reject::BadSignature`] if none does.
    pub fn open(&self, name: &str, cookie: &[u8]) -> Result<(Vec<u8>, Option<usize>), Reject> {
        let opened = match self.protection {
            Protection::Plain => return Ok((cookie.to_vec(), None)),
            Protection::Signed => self.open_signed(cookie),
            Protection::Private => self.open_private(name, cookie),
        };
        let (value, secret) = opened.ok_or(Reject::BadSignature { secrets: self.signing.len() })?;
        Ok((value, Some(secret)))
    }

    fn open_signed(&self, cookie: &[u8]) -> Option<(Vec<u8>, usize)> {
        let (tag, value) = cookie.split_at_checked(44)?;
        let tag = Base64::Standard.decode(tag)?;
        let secret = seal::verify_any(&self.signing, &[value], &tag)?;
        Some((value.to_vec(), secret))
    }

    fn open_private(&self, name: &str, cookie: &[u8]) -> Option<(Vec<u8>, usize)> {
        let sealed = Base64::Standard.decode(cookie)?;
        let (nonce, rest) = sealed.split_at_checked(12)?;
        let (ciphertext, tag) = rest.split_at_checked(rest.len().checked_sub(16)?)?;
        self.encryption.iter().enumerate().find_map(|(index, key)| {
            let value = seal::open_gcm(key.expose(), nonce, name.as_bytes(), ciphertext, tag)?;
            Some((value, index))
        })
    }
}

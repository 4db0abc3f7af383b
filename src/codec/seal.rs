//! The cryptography of signed and encrypted cookies, one call each over aws-lc.
//!
//! A MAC is compared in constant time and with its full length: a truncated tag never verifies. CBC is opened only by a
//! caller that has verified a MAC over the ciphertext, otherwise the padding would answer guesses (Vaudenay 2002). What
//! does not open says only that: `None` has no reason in it for a client to learn from.

use aws_lc_rs::cipher::{DecryptingKey, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{aead, cipher, digest, hkdf, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use std::num::NonZeroU32;

/// The hash under a MAC or a derivation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1, which old cookies still use in HMAC, where it is not broken.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// A key for HMAC, its inner and outer state computed once.
#[derive(Clone)]
pub struct MacKey(hmac::Key);

impl MacKey {
    /// The key with these bytes; HMAC takes any length.
    pub fn new(hash: Hash, key: &[u8]) -> Self {
        Self(hmac::Key::new(hash.hmac(), key))
    }

    /// The tag over the concatenation of `parts`.
    pub fn sign(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        context.sign().as_ref().to_vec()
    }

    /// Whether `tag` is the whole tag over the concatenation of `parts`, in constant time.
    pub fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        same(&self.sign(parts), tag)
    }
}

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MacKey")
    }
}

/// The index of the first of `keys` that verifies.
pub fn verify_any(keys: &[MacKey], parts: &[&[u8]], tag: &[u8]) -> Option<usize> {
    keys.iter().position(|key| key.verify(parts, tag))
}

/// Whether two byte strings are equal, in a time that depends on their lengths only.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(left, right).is_ok()
}

/// Opens AES-CBC with PKCS#7 padding; the key's length, 16 or 32, chooses the cipher. Only behind a verified MAC.
pub fn open_cbc(key: &[u8], iv: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(aes(key)?).ok()?;
    let mut buffer = ciphertext.to_vec();
    let plain = key.decrypt(&mut buffer, context(iv)?).ok()?;
    Some(plain.to_vec())
}

/// Applies AES-CTR, which opens what it sealed; the key's length chooses the cipher. Only behind a verified MAC.
pub fn open_ctr(key: &[u8], iv: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
    let key = DecryptingKey::ctr(aes(key)?).ok()?;
    let mut buffer = ciphertext.to_vec();
    key.decrypt(&mut buffer, context(iv)?).ok()?;
    Some(buffer)
}

/// Opens AES-GCM with a nonce of 12 and a tag of 16 bytes, no other lengths; the key's length chooses the cipher.
pub fn open_gcm(key: &[u8], nonce: &[u8], aad: &[u8], ciphertext: &[u8], tag: &[u8]) -> Option<Vec<u8>> {
    let algorithm = match key.len() {
        16 => &aead::AES_128_GCM,
        32 => &aead::AES_256_GCM,
        _ => return None,
    };
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, key).ok()?);
    let nonce = aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
    if tag.len() != algorithm.tag_len() {
        return None;
    }
    let mut buffer = [ciphertext, tag].concat();
    let plain = key.open_in_place(nonce, aead::Aad::from(aad), &mut buffer).ok()?;
    Some(plain.to_vec())
}

/// Derives `length` bytes from a secret with PBKDF2-HMAC.
pub fn derive_pbkdf2(hash: Hash, rounds: NonZeroU32, salt: &[u8], secret: &[u8], length: usize) -> Vec<u8> {
    let algorithm = match hash {
        Hash::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
        Hash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        Hash::Sha384 => pbkdf2::PBKDF2_HMAC_SHA384,
        Hash::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
    };
    let mut out = vec![0; length];
    pbkdf2::derive(algorithm, rounds, salt, secret, &mut out);
    out
}

/// Derives `length` bytes from a secret with HKDF; `None` past 255 blocks.
pub fn derive_hkdf(hash: Hash, salt: &[u8], secret: &[u8], info: &[u8], length: usize) -> Option<Vec<u8>> {
    let algorithm = match hash {
        Hash::Sha1 => hkdf::HKDF_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => hkdf::HKDF_SHA256,
        Hash::Sha384 => hkdf::HKDF_SHA384,
        Hash::Sha512 => hkdf::HKDF_SHA512,
    };
    let mut out = vec![0; length];
    let prk = hkdf::Salt::new(algorithm, salt).extract(secret);
    prk.expand(&[info], Length(length)).ok()?.fill(&mut out).ok()?;
    Some(out)
}

/// Derives 64 bytes with the second half of HKDF-SHA256 from a secret that is as good as random. By hand, since aws-lc's
/// takes no secret of more than 64 bytes.
pub fn expand_hkdf(secret: &[u8], info: &[u8]) -> [u8; 64] {
    let key = MacKey::new(Hash::Sha256, secret);
    let first = key.sign(&[info, &[1]]);
    let second = key.sign(&[&first, info, &[2]]);
    let mut out = [0; 64];
    out.iter_mut().zip(first.iter().chain(&second)).for_each(|(out, byte)| *out = *byte);
    out
}

/// The digest of the concatenation of `parts`.
pub fn digest(hash: Hash, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = digest::Context::new(match hash {
        Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
    });
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

/// Lower-case hexadecimal digits, as text in bytes.
pub fn hex(bytes: &[u8]) -> Vec<u8> {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble };
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// The alphabets and paddings of base64. Decoding is strict: the padding is as named, and the bits that encode nothing
/// are zero, so that one value has one spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base64 {
    /// `+` and `/`, padded.
    Standard,
    /// `+` and `/`, not padded.
    StandardNoPad,
    /// `-` and `_`, padded.
    Url,
    /// `-` and `_`, not padded.
    UrlNoPad,
}

impl Base64 {
    /// The bytes, or `None` if the text is not exactly this encoding of them.
    pub fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Standard => STANDARD.decode(text),
            Self::StandardNoPad => STANDARD_NO_PAD.decode(text),
            Self::Url => URL_SAFE.decode(text),
            Self::UrlNoPad => URL_SAFE_NO_PAD.decode(text),
        }
        .ok()
    }

    /// The text of these bytes.
    pub fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Standard => STANDARD.encode(bytes),
            Self::StandardNoPad => STANDARD_NO_PAD.encode(bytes),
            Self::Url => URL_SAFE.encode(bytes),
            Self::UrlNoPad => URL_SAFE_NO_PAD.encode(bytes),
        }
    }
}

impl Hash {
    const fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// How aws-lc is told the output's length.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn aes(key: &[u8]) -> Option<UnboundCipherKey> {
    let algorithm = match key.len() {
        16 => &cipher::AES_128,
        24 => &cipher::AES_192,
        32 => &cipher::AES_256,
        _ => return None,
    };
    UnboundCipherKey::new(algorithm, key).ok()
}

fn context(iv: &[u8]) -> Option<DecryptionContext> {
    let iv: &[u8; 16] = iv.try_into().ok()?;
    Some(DecryptionContext::Iv128(FixedLength::from(iv)))
}

#[cfg(test)]
mod tests;

//! The signed and private jars of the Rust crate cookie 0.16 to 0.18, which actix-session and tower-sessions use.
//!
//! From its source, and checked with captured cookies. The master key is 64 bytes or more: the first 32 sign, the next
//! 32 encrypt. `Key::derive_from` takes 32 bytes or more and stretches them to such a key by HKDF-SHA256 (expand alone); an app
//! with 64 or more may have done either, so both are tried. Signed: base64 (standard, padded, 44 characters) of HMAC-SHA256
//! over the value, then the value. Private: base64 of nonce (12), AES-256-GCM ciphertext and tag (16), with the cookie's name
//! as associated data.

use crate::codec::seal::{self, Base64, Hash, MacKey};
use crate::config::Secret;
use crate::format::Reject;
use crate::format::options::Options;

/// `KEYS_INFO` of the crate's key.rs.
const KEYS_INFO: &[u8] = b"COOKIE;SIGNED:HMAC-SHA256;PRIVATE:AEAD-AES-256-GCM";

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
    keys: Vec<JarKey>,
    secrets: usize,
}

/// One `cookie::Key`.
#[derive(Debug)]
struct JarKey {
    /// Which of the profile's secrets it comes from.
    secret: usize,
    signing: MacKey,
    encryption: Secret,
}

impl Jar {
    /// The jar with the profile's `secrets`; none are asked for if nothing protects the cookie.
    pub fn new(options: &mut Options<'_>, protection: Protection, hint: &str) -> Self {
        let secrets = if protection == Protection::Plain { Vec::new() } else { options.secrets(hint) };
        let mut keys = Vec::new();
        for (index, secret) in secrets.iter().enumerate() {
            let secret = secret.expose();
            if secret.len() < 32 {
                let accepted = "64 bytes for `Key::from`, 32 for `Key::derive_from`: `hex:` or `base64:`";
                options.wrong("secrets", "a key of less than 32 bytes", accepted);
            }
            keys.extend(JarKey::new(index, secret));
            keys.extend(JarKey::new(index, &seal::expand_hkdf(secret, KEYS_INFO)));
        }
        Self { protection, keys, secrets: secrets.len() }
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
        let (value, secret) = opened.ok_or(Reject::BadSignature { secrets: self.secrets })?;
        Ok((value, Some(secret)))
    }

    fn open_signed(&self, cookie: &[u8]) -> Option<(Vec<u8>, usize)> {
        let (tag, value) = cookie.split_at_checked(44)?;
        let tag = Base64::Standard.decode(tag)?;
        let key = self.keys.iter().find(|key| key.signing.verify(&[value], &tag))?;
        Some((value.to_vec(), key.secret))
    }

    fn open_private(&self, name: &str, cookie: &[u8]) -> Option<(Vec<u8>, usize)> {
        let sealed = Base64::Standard.decode(cookie)?;
        let (nonce, rest) = sealed.split_at_checked(12)?;
        let (ciphertext, tag) = rest.split_at_checked(rest.len().checked_sub(16)?)?;
        self.keys.iter().find_map(|key| {
            let value = seal::open_gcm(key.encryption.expose(), nonce, name.as_bytes(), ciphertext, tag)?;
            Some((value, key.secret))
        })
    }
}

impl JarKey {
    /// The key of these bytes; `None` if they are too few.
    fn new(secret: usize, bytes: &[u8]) -> Option<Self> {
        let (first, second) = bytes.split_at_checked(32)?;
        let encryption = Secret::new(second.first_chunk::<32>()?.to_vec());
        Some(Self { secret, signing: MacKey::new(Hash::Sha256, first), encryption })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FormatOptions, Framework};
    use crate::format::fixture::{at, profile};

    /// The jar of master keys of these many bytes, 0, 1, 2 and so on, or how many mistakes there are.
    fn jar(protection: Protection, lengths: &[u8]) -> Result<Jar, usize> {
        let secrets = lengths.iter().map(|length| at(Secret::new((0..*length).collect())));
        let options = FormatOptions { secrets: secrets.collect(), ..FormatOptions::default() };
        let profile = profile(Framework::Actix, options);
        let mut options = Options::new(&profile);
        let jar = Jar::new(&mut options, protection, "");
        options.finish(|| jar).map_err(|errors| errors.len())
    }

    #[test]
    fn a_key_that_was_derived_opens_what_the_crate_cookie_made() {
        // Made by cookie 0.18.2: `Key::derive_from`, cookie `id`.
        const ID: &[u8] = b"AMHt59fmkn2xa7hvfuAqhA";
        const MADE: [(u8, Protection, &str); 4] = [
            (32, Protection::Signed, "ducRYVW2M79wLfIE2rbOUqTc898WB+VRCVgND7O1Xjw=AMHt59fmkn2xa7hvfuAqhA"),
            (32, Protection::Private, "/FkEesocij3BibSXm3xgesGdwTKI4Huw4om2n9MAclTVZvnealLa15Xf5MFZ56gwDwY="),
            (64, Protection::Signed, "oyH27vyNxDjOwb2Z7jaUlv0eEAedrRhm1B/mvyzOIvs=AMHt59fmkn2xa7hvfuAqhA"),
            (64, Protection::Private, "4SDo38ytGjdJVuRrn2MsK3bXrT9Gh+0rtx4y4PXsgS7rbVs3R/TLf9o7dvG6H2hq0MY="),
        ];
        for (length, protection, cookie) in MADE {
            let open = |lengths: &[u8]| jar(protection, lengths).unwrap().open("id", cookie.as_bytes());
            assert_eq!(open(&[length]), Ok((ID.to_vec(), Some(0))));
            assert_eq!(open(&[100, length]), Ok((ID.to_vec(), Some(1))));
            assert_eq!(open(&[33, 100]), Err(Reject::BadSignature { secrets: 2 }));
        }
    }

    #[test]
    fn a_key_of_less_than_32_bytes_is_a_mistake() {
        assert_eq!(jar(Protection::Private, &[31, 32, 0]).unwrap_err(), 2);
    }
}

//! ASP.NET Core Data Protection: what its default key ring's AES-256-CBC + HMACSHA256 protects.
//!
//! After Microsoft's documentation ("Authenticated encryption details", "Subkey derivation", "Context headers") and the
//! source of `KeyRingBasedDataProtector` in .NET 8. Not captured from the framework: the tests' payloads come from an
//! implementation in Python (`tests/aspnet/protect.py`) that reproduces the documentation's own context header.
//!
//! Payload: magic `09 F0 C9 F0`, key id (16), key modifier (16), IV (16), ciphertext, MAC (32). The key ring's master key
//! never encrypts: SP 800-108 in counter mode over HMACSHA512 makes an encryption and a MAC key of it for each payload,
//! with the magic, the key id and the purposes as label, a header that stands for the algorithms and the modifier as context.
//! A payload for another purpose hence has a wrong MAC. The MAC is over IV and ciphertext, and is looked at first.

use crate::codec::seal::{self, Hash, MacKey};
use crate::config::Secret;

const MAGIC: [u8; 4] = [0x09, 0xf0, 0xc9, 0xf0];

/// Stands for AES-256-CBC with HMACSHA256: key, block, MAC key and digest sizes, then what the two make of an empty
/// input under the keys derived from an empty one.
const CONTEXT_HEADER: [u8; 66] = [
    0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00,
    0x20, 0xea, 0x10, 0x38, 0x7a, 0xc9, 0x27, 0x3b, 0x7f, 0xd5, 0x32, 0x11, 0x77, 0x77, 0x6f, 0x15, 0x30,
    0xf9, 0x46, 0xd3, 0xc7, 0x1d, 0x60, 0xdd, 0x7b, 0x28, 0x73, 0x66, 0xd8, 0x1c, 0xb0, 0x3f, 0xe5, 0xe5,
    0xa7, 0x01, 0xfa, 0x16, 0xf1, 0x55, 0x4f, 0x15, 0x81, 0xfd, 0xdd, 0x57, 0x6c, 0xe8, 0x44,
];

/// What is inside a payload, and which of the master keys opened it; `None` if none does.
pub fn unprotect(keys: &[Secret], purposes: &[&str], payload: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (magic, rest) = payload.split_first_chunk::<4>()?;
    let (key_id, rest) = rest.split_first_chunk::<16>()?;
    let (modifier, rest) = rest.split_first_chunk::<16>()?;
    let (sealed, mac) = rest.split_last_chunk::<32>()?;
    let (iv, ciphertext) = sealed.split_first_chunk::<16>()?;
    if *magic != MAGIC {
        return None;
    }
    let label = label(key_id, purposes)?;
    keys.iter().enumerate().find_map(|(index, key)| {
        let [encryption, signing] = derive(key.expose(), &label, &[&CONTEXT_HEADER, modifier]);
        if !MacKey::new(Hash::Sha256, signing.expose()).verify(&[sealed], mac) {
            return None;
        }
        Some((seal::open_cbc(encryption.expose(), iv, ciphertext)?, index))
    })
}

/// Magic, key id, number of purposes and each purpose with its length, which is one byte below 128.
fn label(key_id: &[u8; 16], purposes: &[&str]) -> Option<Vec<u8>> {
    let mut label = [&MAGIC[..], key_id].concat();
    label.extend(u32::try_from(purposes.len()).ok()?.to_be_bytes());
    for purpose in purposes {
        let mut length = purpose.len();
        while length >= 0x80 {
            label.push(u8::try_from(length & 0x7f).ok()? | 0x80);
            length >>= 7;
        }
        label.push(u8::try_from(length).ok()?);
        label.extend(purpose.bytes());
    }
    Some(label)
}

/// One block of 64 bytes: the encryption key and the MAC key.
fn derive(master: &[u8], label: &[u8], context: &[&[u8]]) -> [Secret; 2] {
    let (counter, bits) = (1_u32.to_be_bytes(), 512_u32.to_be_bytes());
    let parts = [&[&counter[..], label, &[0]], context, &[&bits]].concat();
    let mut block = MacKey::new(Hash::Sha512, master).sign(&parts);
    let signing = block.split_off(32);
    [Secret::new(block), Secret::new(signing)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::seal::Base64;

    const SHOP: [&str; 2] = ["shop", "SessionMiddleware"];
    /// Python: master key 0..64, purposes `shop` and `SessionMiddleware`.
    const PAYLOAD: &[u8] =
        b"CfDJ8EEhc4CP7IBLr5zE0tH/iQFkZWZnaGlqa2xtbm9wcXJzyMnKy8zNzs/Q0dLT1NXW1//xPg8FUxHSzyh9eRIXscj4\
        Q3zGteI5bi6ly6tyxSSONEHPsQi478NbrT7u09q51kwldbN6JCkQ0w6t7dAlZVO4TWDLscirDSA8ZQ5+1FvW";

    fn master() -> Secret {
        Secret::new((0..64).collect())
    }

    fn payload() -> Vec<u8> {
        Base64::StandardNoPad.decode(PAYLOAD).unwrap()
    }

    #[test]
    fn the_context_header_is_what_the_algorithms_make_of_nothing() {
        let [encryption, signing] = derive(&[], &[], &[]);
        let (sizes, rest) = CONTEXT_HEADER.split_at(18);
        assert_eq!(sizes, [0, 0, 0, 0, 0, 32, 0, 0, 0, 16, 0, 0, 0, 32, 0, 0, 0, 32]);
        assert_eq!(seal::open_cbc(encryption.expose(), &[0; 16], &rest[..16]), Some(vec![]));
        assert!(MacKey::new(Hash::Sha256, signing.expose()).verify(&[], &rest[16..]));
    }

    #[test]
    fn no_changed_or_cut_payload_opens() {
        let whole = payload();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(unprotect(&[master()], &SHOP, &changed).is_none(), "byte {at}");
            assert!(unprotect(&[master()], &SHOP, &whole[..at]).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn another_purpose_or_key_opens_nothing() {
        assert!(unprotect(&[master()], &["SessionMiddleware"], &payload()).is_none());
        assert!(unprotect(&[master()], &["SessionMiddleware", "shop"], &payload()).is_none());
        assert!(unprotect(&[Secret::new(vec![0; 64])], &SHOP, &payload()).is_none());
        assert!(unprotect(&[], &SHOP, &payload()).is_none());
    }

    #[test]
    fn any_key_of_the_ring_opens_what_it_sealed() {
        let keys = [Secret::new(vec![0; 64]), master()];
        let (plain, key) = unprotect(&keys, &SHOP, &payload()).unwrap();
        assert_eq!((plain.as_slice(), key), (&b"7f9c24e5-1c2b-4b1f-9d0e-8a1d2c3b4e5f"[..], 1));
    }
}

use super::*;
use proptest::prelude::*;

fn hex(text: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

#[test]
fn a_tag_that_is_cut_or_longer_never_verifies() {
    for hash in [Hash::Sha1, Hash::Sha256, Hash::Sha512] {
        let key = MacKey::new(hash, b"key");
        let tag = key.sign(&[b"message"]);
        assert!(key.verify(&[b"message"], &tag));
        for length in 0..tag.len() {
            assert!(!key.verify(&[b"message"], &tag[..length]), "{hash:?}, {length} bytes");
        }
        assert!(!key.verify(&[b"message"], &[tag.as_slice(), &[0]].concat()), "{hash:?}");
    }
}

#[test]
fn macs_agree_with_rfc_2202_and_rfc_4231() {
    let (key, data) = (b"Jefe", b"what do ya want for nothing?".as_slice());
    let table = [
        (Hash::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        (Hash::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            Hash::Sha512,
            concat!(
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554",
                "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ),
    ];
    for (hash, tag) in table {
        let (front, back) = data.split_at(7);
        assert_eq!(MacKey::new(hash, key).sign(&[front, back]), hex(tag), "{hash:?}");
    }
}

#[test]
fn any_of_several_secrets_verifies_and_says_which() {
    let keys = [b"new", b"old"].map(|key| MacKey::new(Hash::Sha256, key));
    assert_eq!(verify_any(&keys, &[b"id"], &keys[1].sign(&[b"id"])), Some(1));
    assert_eq!(verify_any(&keys, &[b"id"], &MacKey::new(Hash::Sha256, b"other").sign(&[b"id"])), None);
    assert_eq!(verify_any(&[], &[b"id"], b""), None);
}

/// NIST SP 800-38A F.2.1 and F.2.5 with the padding block that PKCS#7 adds, made with another implementation.
#[test]
fn cbc_opens_what_was_sealed_and_nothing_that_was_altered() {
    let key = hex("2b7e151628aed2a6abf7158809cf4f3c");
    let iv = hex("000102030405060708090a0b0c0d0e0f");
    let sealed = hex("7649abac8119b246cee98e9b12e9197d8964e0b149c10b7b682e6e39aaeb731c");
    assert_eq!(open_cbc(&key, &iv, &sealed), Some(hex("6bc1bee22e409f96e93d7e117393172a")));
    assert_eq!(open_cbc(&key, &iv, &sealed[..31]), None);
    assert_eq!(open_cbc(&key, &iv, &sealed[..16]), None);
    assert_eq!(open_cbc(&key, &iv, b""), None);
    assert_eq!(open_cbc(&key, &iv[..15], &sealed), None);
    assert_eq!(open_cbc(&key[..15], &iv, &sealed), None);
    assert_eq!(open_cbc(b"", &iv, &sealed), None);
}

/// NIST SP 800-38A F.5.1.
#[test]
fn ctr_agrees_with_nist() {
    let key = hex("2b7e151628aed2a6abf7158809cf4f3c");
    let counter = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
    let sealed = hex("874d6191b620e3261bef6864990db6ce9806f66b");
    assert_eq!(open_ctr(&key, &counter, &sealed), Some(hex("6bc1bee22e409f96e93d7e117393172aae2d8a57")));
    assert_eq!(open_ctr(&key, &counter[1..], &sealed), None);
}

/// The GCM specification's test case 4.
#[test]
fn gcm_agrees_with_its_specification_and_takes_no_other_lengths() {
    let key = hex("feffe9928665731c6d6a8f9467308308");
    let nonce = hex("cafebabefacedbaddecaf888");
    let aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    let sealed = hex(concat!(
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e",
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
    ));
    let tag = hex("5bc94fbc3221a5db94fae95ae7121a47");
    let plain = open_gcm(&key, &nonce, &aad, &sealed, &tag).unwrap();
    assert!(plain.starts_with(&hex("d9313225f88406e5a55909c5aff5269a")));
    for length in [0, 4, 12, 15] {
        assert_eq!(open_gcm(&key, &nonce, &aad, &sealed, &tag[..length]), None, "a tag of {length}");
    }
    // The same bytes parted elsewhere: a tag that is shorter to the eye is refused all the same.
    let (front, back) = tag.split_at(4);
    assert_eq!(open_gcm(&key, &nonce, &aad, &[&sealed, front].concat(), back), None);
    assert_eq!(open_gcm(&key, &nonce, b"", &sealed, &tag), None);
    assert_eq!(open_gcm(&key, &nonce[1..], &aad, &sealed, &tag), None);
    assert_eq!(open_gcm(&key[..8], &nonce, &aad, &sealed, &tag), None);
    assert_eq!(open_gcm(&key, &nonce, &aad, &sealed[1..], &tag), None);
}

#[test]
fn derivations_agree_with_rfc_6070_and_rfc_5869() {
    let rounds = NonZeroU32::new(4096).unwrap();
    let derived = derive_pbkdf2(Hash::Sha1, rounds, b"salt", b"password", 20);
    assert_eq!(derived, hex("4b007901b765489abead49d926f721d065a429c1"));
    let (salt, info) = (hex("000102030405060708090a0b0c"), hex("f0f1f2f3f4f5f6f7f8f9"));
    let derived = derive_hkdf(Hash::Sha256, &salt, &[0x0b; 22], &info, 42).unwrap();
    assert!(derived.starts_with(&hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf")));
    assert_eq!(derive_hkdf(Hash::Sha256, b"", b"key", b"", 255 * 32 + 1), None);
}

#[test]
fn base64_has_one_spelling_in_each_alphabet() {
    let table: [(Base64, &str, &[&str]); 4] = [
        (Base64::Standard, "+/8=", &["-_8=", "+/8", "+/9=", "+/8==", " +/8=", "+/8=\n", "=", "+"]),
        (Base64::StandardNoPad, "+/8", &["-_8", "+/8=", "+/9", "+/8\n", "+"]),
        (Base64::Url, "-_8=", &["+/8=", "-_8", "-_9=", "="]),
        (Base64::UrlNoPad, "-_8", &["+/8", "-_8=", "-_9", "-"]),
    ];
    for (alphabet, good, bad) in table {
        assert_eq!(alphabet.decode(good.as_bytes()), Some(vec![0xfb, 0xff]), "{good}");
        for text in bad {
            assert_eq!(alphabet.decode(text.as_bytes()), None, "{alphabet:?} {text}");
        }
    }
}

proptest! {
    #[test]
    fn base64_comes_back_whole_and_any_other_text_is_none_or_the_same(bytes: Vec<u8>, text in "[A-Za-z0-9+/=_-]{0,12}") {
        for alphabet in [Base64::Standard, Base64::StandardNoPad, Base64::Url, Base64::UrlNoPad] {
            prop_assert_eq!(alphabet.decode(alphabet.encode(&bytes).as_bytes()), Some(bytes.clone()));
            if let Some(decoded) = alphabet.decode(text.as_bytes()) {
                prop_assert_eq!(alphabet.encode(&decoded), text.clone());
            }
        }
    }

    #[test]
    fn nothing_that_is_opened_panics(key: Vec<u8>, iv: Vec<u8>, sealed: Vec<u8>, tag: Vec<u8>) {
        for length in [16, 24, 32, key.len()] {
            let mut key = key.clone();
            key.resize(length, 7);
            open_cbc(&key, &iv, &sealed);
            open_ctr(&key, &iv, &sealed);
            prop_assert_eq!(open_gcm(&key, &iv, b"", &sealed, &tag), None);
        }
    }
}

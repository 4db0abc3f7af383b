use super::*;
use crate::config::{FormatOptions, Located};
use crate::format::fixture::{at, key, present, profile};

const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const BLOCK: &str = "fedcba9876543210fedcba9876543210";
/// Made in Python: hash and block key as above, at 1700000000, 52 `A` inside.
const ENCRYPTED: &str = "session-name=MTcwMDAwMDAwMHxBQUVDQXdRRkJnY0lDUW9MREEwT0Q2MVJ5eEZHUWlwQ0F5dmVmaFJHOENuMzBzSkJfdHQ0\
    M2hGcndic1hrOVp3S1BTMnB3OXFrd0lMTmZQek5YN3lhTDMyYkV3Vl8zOTl8CuXkKphaVxIRn3e0fKhiZLPMoew-PBiJjy8wmd2bV5E=";

fn secrets(texts: &[&str]) -> Vec<Located<Secret>> {
    texts.iter().map(|text| at(Secret::new((*text).into()))).collect()
}

fn gorilla(hash_keys: &[&str], block_keys: &[&str]) -> Gorilla {
    let (secrets, encryption_secrets) = (secrets(hash_keys), secrets(block_keys));
    let options = FormatOptions { secrets, encryption_secrets, ..FormatOptions::default() };
    Gorilla::new(&profile(Framework::Gorilla, options)).unwrap()
}

/// A cookie that is signed by the rules, whatever is in it.
fn signed(time: &str, value: &str) -> String {
    let message = format!("session-name|{time}|{value}");
    let mac = MacKey::new(Hash::Sha256, HASH.as_bytes()).sign(&[message.as_bytes()]);
    format!("session-name={}", Base64::Url.encode(&[format!("{time}|{value}|").as_bytes(), &mac].concat()))
}

fn id(id: &str) -> String {
    let string = [&[0x0c, 0, id.len() as u8], id.as_bytes()].concat();
    Base64::Url.encode(&[&[string.len() as u8][..], &string].concat())
}

#[test]
fn what_is_signed_must_still_make_sense() {
    let gorilla = gorilla(&[HASH], &[]);
    let no_id = Err(Reject::MalformedCookie("no id inside"));
    for value in ["", "!", "AAAA", &id(""), &Base64::Url.encode(b"\x03\x04\x00\x54")] {
        assert_eq!(key(&gorilla, &signed("1700000000", value)), no_id, "{value}");
    }
    for time in ["", "x", "-1", "1e9", "99999999999999999999"] {
        let no_time = Err(Reject::MalformedCookie("the time is not a number"));
        assert_eq!(key(&gorilla, &signed(time, &id("a"))), no_time, "{time}");
    }
    assert_eq!(key(&gorilla, &signed("1700000000", &id("a"))), Ok("session_a".into()));
}

#[test]
fn a_cookie_longer_than_securecookie_takes_is_refused() {
    let long = format!("session-name={}", "A".repeat(4100));
    let refused = Reject::MalformedCookie("the value is longer than 4096 bytes");
    assert_eq!(key(&gorilla(&[HASH], &[]), &long), Err(refused));
}

#[test]
fn a_cookie_of_another_name_or_key_does_not_verify() {
    let line = signed("1700000000", &id("a"));
    assert_eq!(key(&gorilla(&["another"], &[]), &line), Err(Reject::BadSignature { secrets: 1 }));
    let mut renamed = gorilla(&[HASH], &[]);
    renamed.cookie = "other".to_owned();
    let line = line.replace("session-name", "other");
    assert_eq!(key(&renamed, &line), Err(Reject::BadSignature { secrets: 1 }));
}

#[test]
fn a_block_key_opens_only_beside_its_own_hash_key() {
    let id = "A".repeat(52);
    assert_eq!(key(&gorilla(&[HASH], &[BLOCK]), ENCRYPTED), Ok(format!("session_{id}")));
    assert_eq!(
        key(&gorilla(&["new", HASH], &["0123456789abcdef", BLOCK]), ENCRYPTED),
        Ok(format!("session_{id}"))
    );
    let swapped = gorilla(&["new", HASH], &[BLOCK, "0123456789abcdef"]);
    assert_eq!(key(&swapped, ENCRYPTED), Err(Reject::MalformedCookie("no id inside")));
    assert_eq!(key(&gorilla(&[HASH], &[]), ENCRYPTED), Err(Reject::MalformedCookie("no id inside")));
    assert_eq!(
        key(&gorilla(&[HASH], &[BLOCK]), &signed("1", "AAAA")),
        Err(Reject::MalformedCookie("no id inside"))
    );
}

#[test]
fn a_cookie_ends_thirty_days_after_its_time() {
    let Some(Ok(lookup)) = present(&gorilla(&["new", HASH], &[]), &signed("1700000000", &id("a"))) else {
        panic!("a session")
    };
    assert_eq!(lookup.ends_at, Some(UnixMillis::from_secs(1_702_592_000)));
    assert_eq!(lookup.secret, Some(1));
}

#[test]
fn a_block_key_has_the_length_of_an_aes_key() {
    let options = FormatOptions {
        secrets: secrets(&["a"]),
        encryption_secrets: secrets(&["short"]),
        ..FormatOptions::default()
    };
    let errors = Gorilla::new(&profile(Framework::Gin, options)).unwrap_err();
    assert!(errors.iter().any(|error| error.found == "a block key of another length"), "{errors:?}");
}

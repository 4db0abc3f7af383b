use super::*;

const BASE: &[u8] = b"secret_key_base";

fn base64(bytes: &[u8]) -> String {
    Base64::Standard.encode(bytes)
}

fn encrypt(hash: Hash, plain: &[u8]) -> String {
    let key = seal::derive_pbkdf2(hash, ROUNDS, b"authenticated encrypted cookie", BASE, 32);
    let key = aws_lc_rs::aead::UnboundKey::new(&aws_lc_rs::aead::AES_256_GCM, &key).unwrap();
    let nonce = aws_lc_rs::aead::Nonce::assume_unique_for_key([7; 12]);
    let mut buffer = plain.to_vec();
    let tag = aws_lc_rs::aead::LessSafeKey::new(key)
        .seal_in_place_separate_tag(nonce, aws_lc_rs::aead::Aad::empty(), &mut buffer)
        .unwrap();
    format!("{}--{}--{}", base64(&buffer), base64(&[7; 12]), base64(tag.as_ref()))
}

fn sign(kdf: Hash, digest: Hash, plain: &[u8]) -> String {
    let key = MacKey::new(digest, &seal::derive_pbkdf2(kdf, ROUNDS, b"signed cookie", BASE, 64));
    let payload = base64(plain);
    let tag = String::from_utf8(seal::hex(&key.sign(&[payload.as_bytes()]))).unwrap();
    format!("{payload}--{tag}")
}

fn envelope(message: &str) -> String {
    format!(r#"{{"_rails":{{"message":"{}","exp":null,"pur":"cookie.s"}}}}"#, base64(message.as_bytes()))
}

fn id(plain: &str) -> Result<(String, Option<UnixMillis>), Reject> {
    Message(plain.into()).id("s")
}

#[test]
fn a_cookie_that_was_changed_anywhere_does_not_open() {
    let keys = CookieKeys::new(BASE);
    for cookie in [encrypt(Hash::Sha256, b"\"a\""), sign(Hash::Sha1, Hash::Sha1, b"\"a\"")] {
        assert!(keys.open(cookie.as_bytes()).is_some());
        for at in 0..cookie.len() {
            let mut changed = cookie.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(keys.open(&changed).is_none(), "{}", String::from_utf8_lossy(&changed));
        }
        assert!(CookieKeys::new(b"other").open(cookie.as_bytes()).is_none());
        assert!(keys.open(format!("{cookie}--").as_bytes()).is_none());
    }
    // A tag of four bytes instead of sixteen.
    let (rest, _) =
        encrypt(Hash::Sha1, b"\"a\"").rsplit_once("--").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    for value in [format!("{rest}--AAAAAA=="), format!("{rest}--"), String::new(), "--".into(), "----".into()]
    {
        assert!(keys.open(value.as_bytes()).is_none(), "{value}");
    }
}

#[test]
fn both_forms_open_with_every_hash_that_rails_has_used() {
    let keys = CookieKeys::new(BASE);
    for kdf in [Hash::Sha1, Hash::Sha256] {
        let mut cookies = vec![encrypt(kdf, envelope("\"abc\"").as_bytes())];
        for digest in [Hash::Sha1, Hash::Sha256] {
            cookies.push(sign(kdf, digest, envelope("\"abc\"").as_bytes()));
        }
        for cookie in cookies {
            let message = keys.open(cookie.as_bytes()).unwrap();
            assert_eq!(message.id("s"), Ok(("abc".into(), None)));
        }
    }
}

#[test]
fn a_message_for_another_cookie_is_refused() {
    let refused = Err(Reject::MalformedCookie("made for another cookie or purpose"));
    for purpose in [r#""cookie.t""#, r#""s""#, r#""login""#, r#""cookie.s.x""#, "1", "[]"] {
        assert_eq!(id(&format!(r#"{{"_rails":{{"data":"a","pur":{purpose}}}}}"#)), refused, "{purpose}");
    }
}

#[test]
fn what_is_no_id_in_a_message_is_refused() {
    let wrong = [
        "",
        "{}",
        "1",
        "[\"a\"]",
        r#"{"_rails":{}}"#,
        r#"{"_rails":1}"#,
        r#"{"_rails":{"data":1}}"#,
        r#"{"_rails":{"message":"*"}}"#,
        r#"{"_rails":{"data":"a","message":"YQ=="}}"#,
        r#"{"_rails":{"data":"a","exp":"soon"}}"#,
        r#"{"_rails":{"data":"a","exp":1}}"#,
    ];
    for plain in wrong {
        assert!(matches!(id(plain), Err(Reject::MalformedCookie(_))), "{plain}");
    }
    assert!(Message(b"\x04\x08o:\x1cRack::Session::SessionId\0".to_vec()).id("s").is_err());
}

#[test]
fn an_id_comes_in_every_envelope_with_its_expiry() {
    assert_eq!(id("\"abc\""), Ok(("abc".into(), None)));
    assert_eq!(Message(b"\x04\x08I\"\x06a\x06:\x06ET".to_vec()).id("s"), Ok(("a".into(), None)));
    let until = r#"{"_rails":{"data":"abc","exp":"2023-11-14T22:13:20.000Z","pur":"cookie.s"}}"#;
    assert_eq!(id(until), Ok(("abc".into(), Some(UnixMillis::from_secs(1_700_000_000)))));
}

/// Made by ActiveSupport 6.1.7.10: `MessageEncryptor` with `aes-256-cbc`, HMAC-SHA1 and this base.
const CBC: [&str; 3] = [
    // The serializer JSON.
    "Q2l4OExLaHV1UkpnK2NBZVRaTzBRbWxwb2JmdzEwZllwVDJkL2I4UDB0TGl6OUxMaHBFcGFRWnZQdlpBVGk3bS0tNUhTbU11TEkrSWVkWVN2Tk5CcU1HUT09--13f29158f695d7a5a5745a7bc47c9141ad681eac",
    // The same for the purpose `cookie.s`.
    "T0xIRCtnTWs4cXlUSmRTTHpnMlNzZHZ4ZnNhT1gzLy9rSmhyeWtNdUlCNG5rWURxL1ZrNWsvR2lRbnlMbWJGVzFUQnZJN0lTWEJMcXJNZWNxZzBPSHVLdmNLRWtOakJGZ01mTG5hRGxhcnNJS1hCT1RoWXhKK0N3elNwdksvTlVFdFExNkZhajQ1Vld4VE5qNHVXS2RBPT0tLStia1dkbHozYUVyTHFIYmxON1pTL0E9PQ==--04b80e7209e8ed4f88c7a36dd9eda26500b3d3ff",
    // The serializer Marshal.
    "SXZBY0w1WUQrbVdVSFN3VWV6Vll6T3I4ZjV1bVl2cXNTZCthU0poYWpjM2RvVDZOSHJkTURUcDhQMytHOGZnRi0tS3VGbWZTcC9xRzcrWW1kZ3VnVlJQZz09--b9d0667c85b5bf0b9e779d1d094ca3230bf47f0f",
];

#[test]
fn a_cookie_of_cipher_block_chaining_opens_behind_its_mac() {
    let keys = CookieKeys::new(BASE);
    for cookie in CBC {
        let message = keys.open(cookie.as_bytes()).unwrap();
        assert_eq!(message.id("s"), Ok(("0123456789abcdef0123456789abcdef".into(), None)));
        let (payload, tag) = cookie.split_once("--").unwrap();
        for changed in [
            format!("{}A--{tag}", &payload[..payload.len() - 1]),
            format!("{payload}--{}", tag.to_uppercase()),
            format!("{payload}--{}", &tag[..8]),
            format!("{payload}--"),
            payload.to_owned(),
        ] {
            assert!(keys.open(changed.as_bytes()).is_none(), "{changed}");
        }
        assert!(CookieKeys::new(b"other").open(cookie.as_bytes()).is_none());
    }
    assert!(keys.open(CBC[1].as_bytes()).unwrap().id("t").is_err());
}

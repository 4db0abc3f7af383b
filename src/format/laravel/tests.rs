use super::*;
use crate::codec::seal::{Base64, Hash, MacKey};
use crate::config::{FormatOptions, Framework, Located, Secret};
use crate::format::php::tests::{located, lookup, profile, word};
use aws_lc_rs::{aead, cipher, iv::FixedLength};

const ID: &str = "9NtTmfQB2oL1C0kbUswdpHGutyILxS8dmnpcL8JO";
const KEY: &[u8; 16] = b"0123456789abcdef";
const LOGIN: &str = "login_web_59ba36addc2b2f9401580f014c7f58ea4e30989d";

fn secrets(keys: &[&[u8]]) -> Vec<Located<Secret>> {
    keys.iter().map(|key| located(Secret::new(key.to_vec()))).collect()
}

fn mistakes(options: FormatOptions) -> Vec<String> {
    let errors = Laravel::new(&profile(Framework::Laravel, options)).unwrap_err();
    errors.into_iter().map(|error| error.key).collect()
}

fn laravel(options: FormatOptions) -> Laravel {
    Laravel::new(&profile(Framework::Laravel, options)).unwrap()
}

fn present(format: &Laravel, value: &str) -> Presented {
    format.present(&Cookies::from_line(format!("laravel_session={value}")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What Laravel's encrypter makes of `plain` with `KEY`; `tag_bytes` cuts GCM's tag.
fn sealed(plain: &str, gcm: bool, tag_bytes: usize) -> String {
    let encode = |bytes: &[u8]| Base64::Standard.encode(bytes);
    let mut buffer = plain.as_bytes().to_vec();
    let (iv, tag, mac);
    if gcm {
        let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_128_GCM, KEY).unwrap());
        let nonce = aead::Nonce::assume_unique_for_key([7; 12]);
        let full = key.seal_in_place_separate_tag(nonce, aead::Aad::empty(), &mut buffer).unwrap();
        (iv, tag, mac) = (encode(&[7; 12]), encode(&full.as_ref()[..tag_bytes]), String::new());
    } else {
        let key = cipher::UnboundCipherKey::new(&cipher::AES_128, KEY).unwrap();
        let key = cipher::PaddedBlockEncryptingKey::cbc_pkcs7(key).unwrap();
        let context = cipher::EncryptionContext::Iv128(FixedLength::from(&[7; 16]));
        key.less_safe_encrypt(&mut buffer, context).unwrap();
        (iv, tag) = (encode(&[7; 16]), String::new());
        let text = encode(&buffer);
        mac = hex(&MacKey::new(Hash::Sha256, KEY).sign(&[iv.as_bytes(), text.as_bytes()]));
    }
    let value = encode(&buffer);
    encode(format!(r#"{{"iv":"{iv}","value":"{value}","mac":"{mac}","tag":"{tag}"}}"#).as_bytes())
}

fn prefixed(key: &[u8], name: &str) -> String {
    format!("{}|{ID}", hex(&MacKey::new(Hash::Sha1, key).sign(&[name.as_bytes(), b"v2"])))
}

fn decoded(format: &Laravel, value: &[u8]) -> Result<Value, Reject> {
    let lookup = Lookup { id: SessionId::new(vec![]), keys: vec![], secret: None, ends_at: None };
    format.decode(&Record::String(value.to_vec()), &lookup).map(|decoded| decoded.data)
}

fn serialised(text: &str) -> String {
    format!("s:{}:\"{text}\";", text.len())
}

fn session() -> String {
    format!("a:1:{{{}i:42;}}", serialised(LOGIN))
}

#[test]
fn a_key_that_the_cipher_cannot_use_is_a_mistake() {
    assert_eq!(
        mistakes(FormatOptions { secrets: secrets(&[KEY]), ..FormatOptions::default() }),
        ["sessions.shop.secrets"]
    );
    let options = FormatOptions {
        cipher: word("AES-128-GCM"),
        secrets: secrets(&[KEY, b"base64:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]),
        ..FormatOptions::default()
    };
    assert_eq!(mistakes(options), ["sessions.shop.secrets"]);
    let options = FormatOptions { encrypted: Some(located(true)), ..FormatOptions::default() };
    assert_eq!(mistakes(options), ["sessions.shop.encrypted"]);
}

#[test]
fn a_tag_of_fewer_bytes_is_refused() {
    let format = laravel(FormatOptions {
        cipher: word("AES-128-GCM"),
        secrets: secrets(&[KEY]),
        ..FormatOptions::default()
    });
    let plain = prefixed(KEY, "laravel_session");
    for bytes in 0..16 {
        let presented = present(&format, &sealed(&plain, true, bytes));
        assert!(matches!(presented, Presented::Rejected(Reject::BadSignature { .. })), "{bytes}");
    }
    assert_eq!(lookup(present(&format, &sealed(&plain, true, 16))).secret, Some(0));
}

#[test]
fn another_cookies_ciphertext_is_refused_and_a_previous_key_opens() {
    let format = laravel(FormatOptions {
        cipher: word("AES-128-CBC"),
        secrets: secrets(&[b"fedcba9876543210", KEY]),
        ..FormatOptions::default()
    });
    for plain in [prefixed(KEY, "XSRF-TOKEN"), prefixed(b"another", "laravel_session"), ID.to_owned()] {
        let presented = present(&format, &sealed(&plain, false, 0));
        assert!(matches!(presented, Presented::Rejected(Reject::BadSignature { secrets: 2 })), "{plain}");
    }
    let opened = lookup(present(&format, &sealed(&prefixed(KEY, "laravel_session"), false, 0)));
    assert_eq!(opened.secret, Some(1));
    assert_eq!(opened.keys[0].expose(), format!("laravel_database_laravel_cache_{ID}").as_bytes());
}

#[test]
fn an_excepted_cookie_is_the_bare_id_and_nothing_else() {
    let format = laravel(FormatOptions::default());
    assert_eq!(lookup(present(&format, ID)).id.expose(), ID.as_bytes());
    for value in [&ID[1..], &format!("{ID}0"), &ID.replace('9', "-"), &sealed(ID, false, 0)] {
        assert!(matches!(present(&format, value), Presented::Rejected(_)), "{value}");
    }
}

#[test]
fn every_layer_of_serialisers_comes_off() {
    let inner = session();
    let igbinary = [&[0, 0, 0, 2, 0x11, inner.len() as u8][..], inner.as_bytes()].concat();
    let msgpack = [&[0xd9, inner.len() as u8][..], inner.as_bytes()].concat();
    let json = serde_json::to_vec(&inner).unwrap();
    for (store, record) in [
        (None, serialised(&inner).into_bytes()),
        (Some("php"), serialised(&inner).into_bytes()),
        (Some("php"), serialised(&serialised(&inner)).into_bytes()),
        (Some("igbinary"), igbinary),
        (Some("json"), json),
        (Some("msgpack"), msgpack),
    ] {
        let format =
            laravel(FormatOptions { store_serializer: store.and_then(word), ..FormatOptions::default() });
        let data = decoded(&format, &record).unwrap_or_else(|reject| panic!("{store:?} {reject:?}"));
        assert!(format.subject(&data) == Some(Value::Int(42)), "{store:?}");
    }
}

#[test]
fn an_array_without_its_string_is_no_session() {
    let format = laravel(FormatOptions::default());
    assert!(matches!(decoded(&format, session().as_bytes()), Err(Reject::Undecodable(_))));
    assert!(matches!(decoded(&format, b"s:3:\"xyz\";"), Err(Reject::Undecodable(_))));
    assert!(matches!(decoded(&format, serialised("i:5;").as_bytes()), Err(Reject::Undecodable(_))));
}

#[test]
fn an_encrypted_value_is_opened_only_with_its_mac() {
    let format = laravel(FormatOptions {
        cipher: word("AES-128-CBC"),
        secrets: secrets(&[KEY]),
        encrypted: Some(located(true)),
        ..FormatOptions::default()
    });
    let payload = sealed(&serialised(&session()), false, 0);
    let data = decoded(&format, serialised(&payload).as_bytes()).unwrap();
    assert!(format.subject(&data) == Some(Value::Int(42)));
    let other = Base64::Standard.decode(payload.as_bytes()).unwrap();
    let other = String::from_utf8(other).unwrap().replace("\"mac\":\"", "\"mac\":\"0");
    let forged = serialised(&Base64::Standard.encode(other.as_bytes()));
    assert_eq!(decoded(&format, forged.as_bytes()).unwrap_err(), Reject::BadSignature { secrets: 1 });
    let plain = decoded(&format, serialised(&session()).as_bytes());
    assert!(matches!(plain, Err(Reject::Undecodable(_))), "not encrypted at all");
}

#[test]
fn only_the_web_guard_counts_and_two_of_a_kind_are_nobody() {
    let guard = |name: &str| format!("login_{name}_59ba36addc2b2f9401580f014c7f58ea4e30989d");
    let format = laravel(FormatOptions::default());
    for (fields, user) in [
        (vec![(guard("admin"), 1), (guard("web"), 2)], Some(2)),
        (vec![(guard("admin"), 1)], None),
        (vec![(guard("admin"), 1), (guard("shop_api"), 2)], None),
        (vec![(guard("web"), 1), ("login_web_".to_owned() + &"a".repeat(40), 2)], None),
        (vec![("login_web_59ba".to_owned(), 1), ("login__".to_owned() + &"a".repeat(40), 2)], None),
        (vec![("password_hash_web".to_owned(), 1)], None),
    ] {
        let fields = fields.into_iter().map(|(name, id)| (name, Value::Int(id))).collect();
        assert!(format.subject(&Value::Map(fields)) == user.map(Value::Int), "{user:?}");
    }
}

#[test]
fn the_logins_of_other_guards_are_told_by_their_keys() {
    let admin = "login_admin_59ba36addc2b2f9401580f014c7f58ea4e30989d".to_owned();
    let fields = vec![("_token".to_owned(), Value::Null), (admin.clone(), Value::Int(1))];
    let format = laravel(FormatOptions::default());
    assert_eq!(format.other_subjects(&Value::Map(fields)), [admin]);
}

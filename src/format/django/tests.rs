use super::*;
use crate::codec::shown::shown;
use crate::config::{FormatOptions, Framework};
use crate::format::fixture::{at, key, present, profile, secret};

fn django(options: FormatOptions) -> Django {
    Django::new(&profile(Framework::Django, options)).unwrap()
}

fn redis_sessions() -> Django {
    let engine = Some(at("redis_sessions".into()));
    django(FormatOptions { engine, secrets: secret("new"), ..FormatOptions::default() })
}

fn said(django: &Django, record: &[u8]) -> String {
    let Some(Ok(lookup)) = present(django, "sessionid=abcdefgh") else { panic!("a session") };
    match django.decode(&Record::String(record.to_vec()), &lookup) {
        Ok(decoded) => shown(&decoded.data),
        Err(Reject::Undecodable(error)) => error.to_string(),
        Err(reject) => format!("{reject:?}"),
    }
}

/// A text as Django 3.1 and later signs it.
fn sign(salt: &str, secret: &str, value: &str) -> String {
    let key = seal::digest(Hash::Sha256, &[salt.as_bytes(), b"signer", secret.as_bytes()]);
    let tag = MacKey::new(Hash::Sha256, &key).sign(&[value.as_bytes()]);
    format!("{value}:{}", Base64::UrlNoPad.encode(&tag))
}

#[test]
fn what_django_would_not_take_as_a_key_is_rejected() {
    let django = django(FormatOptions::default());
    for value in ["", "abcdefg", "../../xx/y", "********", "a:b:c:d:e", "abcd%65fgh", "abcdefg h"] {
        let rejected = present(&django, &format!("sessionid={value}"));
        assert!(matches!(rejected, Some(Err(Reject::MalformedCookie(_)))), "{value}");
    }
}

#[test]
fn the_key_follows_from_the_engine() {
    let engine =
        |name: &str| django(FormatOptions { engine: Some(at(name.into())), ..FormatOptions::default() });
    let of = |django: &Django| key(django, "sessionid=abcdefgh");
    assert_eq!(of(&engine("cache")), Ok(":1:django.contrib.sessions.cacheabcdefgh".into()));
    assert_eq!(of(&engine("cached_db")), Ok(":1:django.contrib.sessions.cached_dbabcdefgh".into()));
    assert_eq!(of(&redis_sessions()), Ok("session:abcdefgh".into()));
}

#[test]
fn options_that_an_engine_has_no_use_for_are_mistakes() {
    let with = |options| Django::new(&profile(Framework::Django, options)).map(|_| ()).unwrap_err().len();
    assert_eq!(with(FormatOptions { secrets: secret("x"), ..FormatOptions::default() }), 1);
    let redis_sessions = || Some(at("redis_sessions".to_owned()));
    assert_eq!(with(FormatOptions { engine: redis_sessions(), ..FormatOptions::default() }), 1);
    let compressor = Some(at("zlib".into()));
    assert_eq!(
        with(FormatOptions {
            engine: redis_sessions(),
            secrets: secret("x"),
            compressor,
            ..FormatOptions::default()
        }),
        1
    );
}

#[test]
fn a_pickle_that_calls_a_function_is_no_session() {
    let said = said(&django(FormatOptions::default()), b"cos\nsystem\n(Vid\ntR.");
    assert_eq!(said, "`REDUCE` of `os.system` could only be resolved by running code at byte 18");
}

#[test]
fn what_does_not_inflate_is_read_as_it_is_but_a_bomb_is_not() {
    let options = FormatOptions {
        compressor: Some(at("zlib".into())),
        serializer: Some(at("json".into())),
        ..FormatOptions::default()
    };
    let django = django(options);
    let deflate = |bytes: &[u8]| {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut zlib, bytes).unwrap();
        zlib.finish().unwrap()
    };
    assert_eq!(said(&django, br#"{"a":1}"#), r#"{"a":1}"#);
    assert_eq!(said(&django, &deflate(br#"{"a":1}"#)), r#"{"a":1}"#);
    assert!(said(&django, &deflate(&vec![b' '; 1_000_000])).starts_with("a length of 262145 where 262144"));
}

#[test]
fn a_text_that_django_did_not_sign_is_rejected() {
    let django = redis_sessions();
    let salt = "django.contrib.sessions.SessionStore";
    let forged = [
        sign(salt, "other", "e30:1abcde"),
        sign("django.contrib.sessions.backends.cached_dbSessionStore", "new", "e30:1abcde"),
        sign(salt, "new", "e30:1abcde").replace("e30:", "e30A:"),
        "e30:1abcde:".into(),
        "e30:1abcde".into(),
        ":".into(),
        String::new(),
        "{}".into(),
        // Django before 3.1, with a signature of nothing.
        Base64::Standard.encode(b":{}"),
    ];
    for text in forged {
        assert_eq!(said(&django, text.as_bytes()), "BadSignature { secrets: 1 }", "{text}");
    }
}

#[test]
fn a_signed_text_opens_with_any_of_the_secrets_in_both_of_its_forms() {
    let secrets = [secret("new"), secret("old")].into_iter().flatten().collect();
    let engine = Some(at("redis_sessions".into()));
    let django = django(FormatOptions { engine, secrets, ..FormatOptions::default() });
    let salt = "django.contrib.sessions.SessionStore";
    let payload = Base64::UrlNoPad.encode(br#"{"_auth_user_id":"42"}"#);
    for secret in ["new", "old"] {
        assert_eq!(
            said(&django, sign(salt, secret, &format!("{payload}:1abcde")).as_bytes()),
            r#"{"_auth_user_id":"42"}"#
        );
        let key = seal::digest(Hash::Sha1, &[b"django.contrib.sessionsSessionStore", secret.as_bytes()]);
        let tag = seal::hex(&MacKey::new(Hash::Sha1, &key).sign(&[b"{}"]));
        let text = Base64::Standard.encode(&[tag.as_slice(), b":{}"].concat());
        assert_eq!(said(&django, text.as_bytes()), "{}");
    }
    // `.`: zlib of `{}`, by Python.
    let packed = Base64::UrlNoPad.encode(b"\x78\x9c\xab\xae\x05\x00\x01\x75\x00\xf9");
    assert_eq!(said(&django, sign(salt, "new", &format!(".{packed}:1abcde")).as_bytes()), "{}");
}

#[test]
fn the_text_of_the_transition_to_django_3_1_is_read() {
    // Written by Django 3.2.25 with DEFAULT_HASHING_ALGORITHM = "sha1", SECRET_KEY "legacy-secret".
    let text = b"YTc5YTVlNjFiYmE4ZTQ2YzlmOTZlNmY0MGQyMTUzNmY4MGNiMzhlNzp7Il9hdXRoX3VzZXJfaWQiOiI0MiIsIl9hdXRoX3VzZXJfYmFja2VuZCI6ImRqYW5nby5jb250cmliLmF1dGguYmFja2VuZHMuTW9kZWxCYWNrZW5kIn0=";
    let engine = Some(at("redis_sessions".into()));
    let reads = |key| {
        said(
            &django(FormatOptions {
                engine: engine.clone(),
                secrets: secret(key),
                ..FormatOptions::default()
            }),
            text,
        )
    };
    assert!(reads("legacy-secret").contains("_auth_user_id"), "{}", reads("legacy-secret"));
    assert_eq!(reads("new"), "BadSignature { secrets: 1 }");
}

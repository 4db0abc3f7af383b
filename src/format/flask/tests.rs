use super::*;
use crate::codec::shown::shown;
use crate::config::{FormatOptions, Framework};
use crate::format::fixture::{at, key, present, profile, secret};

fn flask(serializer: &str) -> Flask {
    let serializer = Some(at(serializer.into()));
    Flask::new(&profile(Framework::Flask, FormatOptions { serializer, ..FormatOptions::default() })).unwrap()
}

fn said(serializer: &str, record: &[u8]) -> String {
    let flask = flask(serializer);
    let Some(Ok(lookup)) = present(&flask, "session=a") else { panic!("a session") };
    match flask.decode(&Record::String(record.to_vec()), &lookup) {
        Ok(decoded) => shown(&decoded.data),
        Err(Reject::Undecodable(error)) => error.to_string(),
        Err(reject) => format!("{reject:?}"),
    }
}

#[test]
fn what_the_signer_did_not_sign_is_rejected_before_a_key_is_made() {
    let options =
        FormatOptions { signed: Some(at(true)), secrets: secret("flask-secret"), ..FormatOptions::default() };
    let flask = Flask::new(&profile(Framework::Flask, options)).unwrap();
    let sign = |salt: &[u8], id: &str| {
        let key = MacKey::new(Hash::Sha1, b"flask-secret").sign(&[salt]);
        format!("{id}.{}", Base64::UrlNoPad.encode(&MacKey::new(Hash::Sha1, &key).sign(&[id.as_bytes()])))
    };
    assert_eq!(key(&flask, &format!("session={}", sign(b"flask-session", "a"))), Ok("session:a".into()));
    let forged = [
        "a".into(),
        "a.".into(),
        ".".into(),
        String::new(),
        sign(b"cookie-session", "a"),
        sign(b"flask-session", "a").replacen('a', "b", 1),
        format!("{}=", sign(b"flask-session", "a")),
        // Signed, and still no id.
        sign(b"flask-session", "a:b"),
        sign(b"flask-session", ""),
    ];
    for value in forged {
        assert!(matches!(present(&flask, &format!("session={value}")), Some(Err(_))), "{value}");
    }
}

#[test]
fn without_a_signer_secrets_are_a_mistake_and_with_one_their_lack_is() {
    let errors = |options| Flask::new(&profile(Framework::Flask, options)).map(|_| ()).unwrap_err().len();
    assert_eq!(errors(FormatOptions { secrets: secret("x"), ..FormatOptions::default() }), 1);
    assert_eq!(errors(FormatOptions { signed: Some(at(true)), ..FormatOptions::default() }), 1);
}

#[test]
fn an_older_pickle_is_read_where_the_new_serializer_fails_and_still_calls_nothing() {
    let pickle = b"\x80\x04}\x8c\x08_user_id\x8c\x0242s.";
    for serializer in ["msgpack", "json", "pickle"] {
        assert_eq!(said(serializer, pickle), r#"{"_user_id":"42"}"#, "{serializer}");
        let hostile = said(serializer, b"\x80\x02cos\nsystem\nX\x02\0\0\0id\x85R.");
        assert!(hostile.starts_with("`REDUCE` of `os.system` could only"), "{serializer}: {hostile}");
        assert!(said(serializer, b"").ends_with("at byte 0"), "{serializer}");
    }
    assert_eq!(said("msgpack", b"\x81\xa1a\x01"), r#"{"a":1}"#);
    assert_eq!(said("json", br#"{"a":1}"#), r#"{"a":1}"#);
    assert_eq!(said("msgpack", b"\x93\x01\x02\x03"), "the session is not a map at byte 0");
}

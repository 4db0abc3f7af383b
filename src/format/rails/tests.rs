use super::*;
use crate::codec::shown::shown;
use crate::config::{FormatOptions, Framework};
use crate::format::fixture::{at, present, profile, secret};

fn rails(engine: &str, serializer: &str) -> Rails {
    let (engine, serializer) = (Some(at(engine.into())), Some(at(serializer.into())));
    Rails::new(&profile(Framework::Rails, FormatOptions { engine, serializer, ..FormatOptions::default() }))
        .unwrap()
}

fn said(rails: &Rails, record: &[u8]) -> String {
    let Some(Ok(lookup)) = present(rails, "_session_id=a") else { panic!("a session") };
    match rails.decode(&Record::String(record.to_vec()), &lookup) {
        Ok(decoded) => shown(&decoded.data),
        Err(Reject::Undecodable(error)) => error.to_string(),
        Err(reject) => format!("{reject:?}"),
    }
}

#[test]
fn a_private_id_is_refused_even_when_it_comes_escaped_or_signed() {
    let options =
        FormatOptions { signed: Some(at(true)), secrets: secret("base"), ..FormatOptions::default() };
    let signed = Rails::new(&profile(Framework::Rails, options)).unwrap();
    let payload = codec_base64(br#""2::abc""#);
    let tag = sign("base", &payload);
    let bare = rails("redis_store", "marshal");
    let refused = Reject::MalformedCookie("a private id, which only the store may know");
    for (rails, value) in
        [(&bare, "2::abc".to_owned()), (&bare, "2%3A%3Aabc".into()), (&signed, format!("{payload}--{tag}"))]
    {
        let rejected = present(rails, &format!("_session_id={value}"));
        assert!(matches!(rejected, Some(Err(reject)) if reject == refused), "{value}");
    }
}

#[test]
fn a_signed_cookie_leads_to_both_keys_of_its_id() {
    let secrets = [secret("new"), secret("base")].into_iter().flatten().collect();
    let options = FormatOptions { signed: Some(at(true)), secrets, ..FormatOptions::default() };
    let rails = Rails::new(&profile(Framework::Rails, options)).unwrap();
    let payload = codec_base64(br#""abc""#);
    let cookie = format!("_session_id={payload}--{}", sign("base", &payload));
    let Some(Ok(lookup)) = present(&rails, &cookie) else { panic!("a session") };
    assert_eq!(lookup.secret, Some(1));
    assert_eq!(lookup.keys.len(), 2);
    assert_eq!(lookup.keys[1].expose(), b"session:abc");
    for forged in ["abc", "", "--", &format!("{payload}--"), &format!("{payload}--{}", "0".repeat(40))] {
        let rejected = present(&rails, &format!("_session_id={forged}"));
        assert!(matches!(rejected, Some(Err(Reject::BadSignature { secrets: 2 }))), "{forged}");
    }
}

#[test]
fn each_serializer_reads_its_own_and_hybrid_both() {
    let (marshal, json) = (b"\x04\x08{\x06I\"\x06a\x06:\x06ETi\x06".as_slice(), br#"{"a":1}"#.as_slice());
    let of = |serializer| rails("redis_session_store", serializer);
    assert_eq!(said(&of("marshal"), marshal), r#"{"a":1}"#);
    assert_eq!(said(&of("json"), json), r#"{"a":1}"#);
    assert_eq!(said(&of("hybrid"), marshal), r#"{"a":1}"#);
    assert_eq!(said(&of("hybrid"), json), r#"{"a":1}"#);
    assert!(said(&of("marshal"), json).starts_with("not Marshal 4.8"));
    assert!(!said(&of("json"), marshal).starts_with('{'));
}

#[test]
fn a_gadget_is_no_session() {
    let said = said(&rails("redis_store", "marshal"), b"\x04\x08U:\x15Gem::Requirement[\0");
    assert!(said.starts_with("`U` of `Gem::Requirement` could only be resolved by running code"), "{said}");
}

#[test]
fn the_user_of_devise_is_the_first_of_the_first() {
    let rails = rails("redis_session_store", "json");
    let subject = |json: &str| {
        let Some(Ok(lookup)) = present(&rails, "_session_id=a") else { panic!("a session") };
        let decoded = rails.decode(&Record::String(json.into()), &lookup).unwrap();
        rails.subject(&decoded.data).map(|id| shown(&id))
    };
    assert_eq!(subject(r#"{"warden.user.user.key":[[42],"$2a$"]}"#), Some("42".into()));
    for nobody in [
        "{}",
        r#"{"warden.user.user.key":null}"#,
        r#"{"warden.user.user.key":[]}"#,
        r#"{"warden.user.user.key":[42]}"#,
    ] {
        assert_eq!(subject(nobody), None, "{nobody}");
    }
}

#[test]
fn the_logins_of_other_scopes_are_told_by_their_paths() {
    let rails = rails("redis_session_store", "json");
    let data = crate::codec::json::decode(
        br#"{"warden.user.admin.key":[[7],"$2a$"],"warden.user.admin.session":{},"user_id":1}"#,
        Limits::default(),
    );
    let data = data.unwrap();
    assert!(rails.subject(&data).is_none());
    assert_eq!(rails.other_subjects(&data), ["warden.user.admin.key.0.0"]);
    let found = data.get("warden.user.admin.key").and_then(|key| key.at(0)?.at(0)).map(shown);
    assert_eq!(found, Some("7".into()));
}

fn codec_base64(bytes: &[u8]) -> String {
    crate::codec::seal::Base64::Standard.encode(bytes)
}

/// As Rails before 7.0 signs: SHA-1 in both places.
fn sign(secret_key_base: &str, payload: &str) -> String {
    use crate::codec::seal::{Hash, MacKey, derive_pbkdf2, hex};
    let rounds = 1000.try_into().unwrap();
    let key = derive_pbkdf2(Hash::Sha1, rounds, b"signed cookie", secret_key_base.as_bytes(), 64);
    String::from_utf8(hex(&MacKey::new(Hash::Sha1, &key).sign(&[payload.as_bytes()]))).unwrap()
}

use super::*;
use crate::format::build;
use crate::format::fixture::{TABLE, VALUE, at, profile, secret};

fn errors(framework: Framework, options: FormatOptions) -> Vec<ConfigError> {
    build(&profile(framework, options)).err().expect("a mistake")
}

#[test]
fn an_option_that_the_framework_has_no_use_for_is_a_mistake() {
    let options = FormatOptions {
        secrets: secret("s"),
        cipher: Some(at("AES-256-CBC".into())),
        encrypted: Some(at(false)),
        ..FormatOptions::default()
    };
    let found: Vec<_> =
        errors(Framework::Express, options).into_iter().map(|e| (e.at, e.key, e.found)).collect();
    let expected = |option: &str| {
        (
            VALUE,
            format!("sessions.shop.{option}"),
            format!("`{option}` means nothing for framework `express`"),
        )
    };
    assert_eq!(found, [expected("cipher"), expected("encrypted")]);
}

#[test]
fn a_missing_secret_is_reported_at_the_profile_with_a_hint_where_to_find_it() {
    let frameworks =
        [Framework::Express, Framework::Koa, Framework::Fastify, Framework::BetterAuth, Framework::Actix];
    for framework in frameworks {
        let found = errors(framework, FormatOptions::default());
        assert_eq!(found.len(), 1, "{framework:?}");
        assert_eq!((found[0].at, found[0].key.as_str()), (TABLE, "sessions.shop.secrets"), "{framework:?}");
        assert!(found[0].hint.is_some(), "{framework:?}");
    }
}

#[test]
fn an_unsigned_koa_needs_no_secret_and_takes_none() {
    let unsigned = |secrets| FormatOptions { signed: Some(at(false)), secrets, ..FormatOptions::default() };
    assert!(build(&profile(Framework::Koa, unsigned(Vec::new()))).is_ok());
    assert_eq!(errors(Framework::Koa, unsigned(secret("s"))).len(), 1);
}

#[test]
fn a_key_has_exactly_one_place_for_the_id() {
    for text in ["", "sess:", "{id}{id}", "a{id}b{id}", "{ID}", "{ id }"] {
        let options = FormatOptions { key: Some(at(text.into())), ..FormatOptions::default() };
        assert_eq!(errors(Framework::Json, options)[0].key, "sessions.shop.key", "{text}");
    }
    let template = KeyTemplate::parse("{app}:s:{id}:x").unwrap();
    assert_eq!(template.key(b"1{id}\xff").expose(), b"{app}:s:1{id}\xff:x");
}

#[test]
fn a_cookie_name_is_a_token() {
    for name in ["", "a b", "a=b", "a;b", "a\t", "é", "a\"b", "a\r\nb"] {
        let options = FormatOptions { cookie: Some(at(name.into())), ..FormatOptions::default() };
        assert_eq!(errors(Framework::Json, options)[0].key, "sessions.shop.cookie", "{name:?}");
    }
}

#[test]
fn a_secret_that_is_not_what_its_prefix_says_is_refused_and_not_printed() {
    for text in ["base64:!SECRET!", "base64:SECRE", "hex:SECRET", "hex:abc", "hex:+a", "hex:", "base64:", ""]
    {
        let options = FormatOptions { secrets: secret(text), ..FormatOptions::default() };
        let found = errors(Framework::Express, options);
        assert_eq!((found.len(), found[0].at), (1, VALUE), "{text}");
        assert!(!format!("{found:?}").contains("SECRE"), "{text}");
    }
}

#[test]
fn a_secret_is_text_or_the_bytes_of_its_encoding() {
    let read = |text: &str| {
        let options = FormatOptions { secrets: secret(text), ..FormatOptions::default() };
        let profile = profile(Framework::Express, options);
        let mut options = Options::new(&profile);
        options.secrets("")[0].expose().to_vec()
    };
    assert_eq!(read("keyboard cat"), b"keyboard cat");
    assert_eq!(read("base64:AP8="), [0, 255]);
    assert_eq!(read("hex:00fF"), [0, 255]);
}

#[test]
fn a_word_outside_the_list_is_refused_with_the_list() {
    let options = FormatOptions { serializer: Some(at("pickle".into())), ..FormatOptions::default() };
    let found = errors(Framework::Json, options);
    assert_eq!((found[0].found.as_str(), found[0].accepted.as_str()), ("`pickle`", "`json`"));
}

#[test]
fn a_short_key_for_a_jar_is_refused() {
    let short = format!("hex:{}", "07".repeat(31));
    let options = FormatOptions { secrets: secret(&short), ..FormatOptions::default() };
    assert_eq!(errors(Framework::Actix, options)[0].key, "sessions.shop.secrets");
}

#[test]
fn every_mistake_is_reported_at_once() {
    let options = FormatOptions {
        cookie: Some(at("a b".into())),
        key: Some(at("sess:".into())),
        engine: Some(at("cache".into())),
        ..FormatOptions::default()
    };
    assert_eq!(errors(Framework::Express, options).len(), 4);
}
